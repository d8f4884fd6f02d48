// What the whole page knows: the server, its engines, what a person prefers; and who wants to hear of changes.

import * as api from "./api.js";
import { lasting } from "./kept.js";

export const known = { server: null, engines: [], memory: { used: 0, budget: null } };
const listeners = new Map();

/** Listens to "engines", "conversations" or "theme"; returns the way to stop. */
export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(listener);
  return () => listeners.get(topic).delete(listener);
}

export function tell(topic, what) {
  for (const listener of listeners.get(topic) || []) listener(what);
}

const tabs = "BroadcastChannel" in window ? new BroadcastChannel("sayso") : null;
if (tabs) tabs.onmessage = ({ data }) => tell(data.topic, { ...data.what, elsewhere: true });

/** As `tell`, and in the other tabs of this browser, too. `what`: a plain object. */
export function tellAll(topic, what = {}) {
  tell(topic, what);
  tabs?.postMessage({ topic, what });
}

export async function refreshEngines() {
  const told = await api.engines();
  known.engines = told.data;
  known.memory = { used: told.megabytes * 2 ** 20, budget: told.megabytes_budget ? told.megabytes_budget * 2 ** 20 : null };
  tell("engines");
}

export async function begin() {
  [known.server] = await Promise.all([api.server(), refreshEngines()]);
}

/** Engines that could draw here now. */
export const ready = () => known.engines.filter((engine) => !engine.missing);
/** The engine of a name, else the default one, else any that is ready. */
export function engine(name = prefer("engine")) {
  const rows = ready();
  return rows.find((row) => row.name === name) || rows.find((row) => row.default) || rows[0] || null;
}
export const can = (row, ability) => Boolean(row) && row.abilities.includes(ability);
/** Whether an engine is only there for trying things out: its test cards are nothing to recommend. */
const trial = (row) => row.name === "fake" && !row.default;
/** Names of engines worth recommending for an ability. */
export const others = (ability) => ready().filter((row) => can(row, ability) && !trial(row)).map((row) => row.name);
/** Engines that a person would draw with, the default one first. */
export const painters = () => ready().filter((row) => can(row, "draw") && !trial(row)).sort((a, b) => Number(b.default) - Number(a.default));

/** A remembered choice of this browser; with a value it is kept, with null forgotten. */
export function prefer(name, value) {
  if (value === undefined) return lasting.get(name);
  lasting.set(name, value);
  return value;
}

/** Light, dark, contrast; "auto" follows the system. */
export function applyTheme() {
  const chosen = prefer("theme") || "auto";
  const contrast = matchMedia("(prefers-contrast: more)").matches;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = chosen === "auto" ? (contrast ? "contrast" : dark ? "dark" : "light") : chosen;
}
