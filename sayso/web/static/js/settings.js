// How the page looks and speaks; what the server has, may and refuses.

import * as api from "./api.js";
import { announce, button, dialog, field, fill, h, icon, select, sheet, toast } from "./dom.js";
import { bytes, language, languages, listed, t, when } from "./i18n.js";
import { help } from "./main.js";
import { confirm, copyText } from "./pictures.js";
import { known, on, prefer, refreshEngines, tell } from "./state.js";

const ABILITIES = ["draw", "edit", "mask", "references", "ask", "think", "transparent", "views", "walk", "video"];
const SECTIONS = ["look", "engines", "limits", "keys", "policy", "server"];

export async function open(root, [section]) {
  await sheet("settings");
  const places = Object.fromEntries(SECTIONS.map((name) => [name, h("section", { class: "card stack", id: `set-${name}`, tabindex: "-1", "aria-label": t(`set.${name}`) }, h("h2", {}, t(`set.${name}`)), h("div", { class: "stack" }))]));
  const inner = (name) => places[name].lastChild;
  fill(root, h("div", { class: "page", tabindex: "-1" }, h("div", { class: "page-inner" }, h("header", { class: "page-head" }, h("h1", {}, t("place.settings")),
    button({ text: t("key.help"), glyph: "keyboard", press: help })), h("nav", { class: "row set-nav", "aria-label": t("place.settings") }, SECTIONS.map((name) => h("a", { class: "button small", href: `#/settings/${name}` }, t(`set.${name}`)))), Object.values(places))));
  look(inner("look"));
  const off = on("engines", () => engines(inner("engines")));
  engines(inner("engines"));
  limits(inner("limits"));
  keysSection(inner("keys"));
  policy(inner("policy"));
  server(inner("server"));
  const go = (name) => { if (name in places) { places[name].scrollIntoView({ block: "start" }); places[name].focus({ preventScroll: true }); } };
  go(section);
  return { close: off, follow: async ([next]) => { go(next); return true; } };
}

const told = (place, error) => fill(place, h("p", { class: "note bad", role: "alert" }, icon("warn"), error.message));

function look(place) {
  fill(place, h("div", { class: "pair" },
    field(t("set.language"), select(languages(), language(), (name) => { prefer("language", name); tell("repaint"); })),
    field(t("set.theme"), select(["auto", "light", "dark", "contrast"].map((name) => [name, t(`theme.${name}`)]), prefer("theme") || "auto", (name) => { prefer("theme", name); tell("repaint"); }))));
}

function engines(place) {
  const free = known.memory.budget ? t("memory.of", { used: bytes(known.memory.used), budget: bytes(known.memory.budget) }) : t("memory.used", { used: bytes(known.memory.used) });
  fill(place, h("p", {}, free), h("ul", { class: "stack" }, known.engines.map((row) => {
    const act = button({ text: t(row.loaded ? "unload" : "load"), kind: "small", disabled: Boolean(row.missing) || row.busy, press: async () => {
      act.disabled = true;
      announce(t("loading"));
      try { await (row.loaded ? api.unloadEngine(row.name) : api.loadEngine(row.name)); } catch (error) { toast(error.message, { bad: true, closeLabel: t("close") }); }
      await refreshEngines();
    } });
    return h("li", { class: "engine" }, h("div", { class: "row" }, h("h3", { class: "grow" }, row.name, " ", row.default && h("span", { class: "badge" }, t("engine.default"))),
      row.loaded && h("span", { class: "badge good" }, t("engine.loaded"), row.megabytes ? ` · ${bytes(row.megabytes * 2 ** 20)}` : ""), act), h("p", {}, h("small", {}, row.summary)),
    row.missing && h("p", { class: "note warn" }, icon("info"), t("engine.missing.why", { why: row.missing })),
    h("ul", { class: "row abilities" }, ABILITIES.filter((name) => row.abilities.includes(name)).map((name) => h("li", { class: "badge" }, icon("check"), t(`ability.${name}`)))), lacking(row), row.fit && fitting(row));
  })));
}

function lacking(row) {
  const missing = ABILITIES.filter((name) => !row.abilities.includes(name));
  return missing.length > 0 && h("p", {}, h("small", {}, t("ability.not", { what: listed(missing.map((name) => t(`ability.${name}`))) })));
}

const span = (seconds) => (seconds < 90 ? t("takes.seconds", { count: Number(seconds.toPrecision(2)) }) : seconds < 5400 ? t("takes.minutes", { count: Math.round(seconds / 60) }) : t("takes.hours", { count: Math.round(seconds / 3600) }));

/** How an engine would run on this machine; asked for when it is unfolded, because it is measured. */
function fitting(row) {
  const place = h("div", { class: "stack" }, h("p", {}, t("checking.fit")));
  const box = h("details", { class: "fit", on: { toggle: () => { if (box.open) show(); } } }, h("summary", {}, t("fit")), place);
  let asked = false;
  const show = async () => {
    if (asked) return;
    asked = true;
    try {
      const { data } = await api.fitOf(row.name);
      const best = data.filter((one) => one.fits).sort((a, b) => (a.seconds ?? Infinity) - (b.seconds ?? Infinity))[0];
      fill(place, h("p", { class: best ? "note good" : "note warn" }, icon(best ? "check" : "info"), best ? t("fit.best", { way: best.way || t("fit.plain"), took: best.seconds === null ? "" : span(best.seconds) }) : t("fit.none")),
        h("div", { class: "scroll-x", tabindex: "0", role: "group", "aria-label": t("fit") }, h("table", {}, h("thead", {}, h("tr", {}, ["way", "fits", "takes", "why"].map((name) => h("th", { scope: "col" }, t(`fit.${name}`))))),
          h("tbody", {}, data.map((one) => h("tr", {}, h("th", { scope: "row" }, one.way ? h("code", {}, one.way) : t("fit.plain")), h("td", {}, t(one.fits ? "yes" : "no")), h("td", {}, one.seconds === null ? "–" : span(one.seconds)), h("td", {}, one.why)))))));
    } catch (error) { asked = false; told(place, error); }
  };
  return box;
}

function limits(place) {
  const { limits: l } = known.server;
  const row = (name, value) => h("tr", {}, h("th", { scope: "row" }, t(`limit.${name}`)), h("td", {}, value));
  fill(place, h("table", {}, h("tbody", {}, row("file", bytes(l.file_bytes)), row("side", `${l.side} px`), row("prompt", t("limit.characters", { count: l.prompt_characters })), row("at_once", l.pictures_at_once), row("references", l.references),
    row("per_day", l.pictures_per_day ? `${l.pictures_today} / ${l.pictures_per_day}` : t("limit.today", { count: l.pictures_today })), row("per_minute", l.requests_per_minute || t("limit.none")), row("urls", t(l.urls_allowed ? "yes" : "no")))));
}

async function keysSection(place) {
  const paint = async () => {
    const { data } = await api.keys();
    const name = h("input", { required: true, maxlength: 80, placeholder: t("keys.example") });
    fill(place, h("p", {}, t(known.server.key_required ? "keys.demanded" : "keys.open")),
      data.length > 0 && h("div", { class: "scroll-x", tabindex: "0", role: "group", "aria-label": t("set.keys") }, h("table", {}, h("tbody", {}, data.map((row) => h("tr", {}, h("th", { scope: "row" }, row.name || row.id), h("td", {}, h("code", {}, `${row.hint || ""}…`)), h("td", {}, when(row.created_at)),
        h("td", {}, row.revoked_at ? t("keys.revoked") : button({ text: t("keys.revoke"), kind: "small bad", press: async () => { if (await confirm(t("keys.revoke"), t("keys.revoke.words", { name: row.name }), t("keys.revoke"))) { await api.revokeKey(row.id); await paint(); } } }))))))),
      h("form", { class: "row", on: { submit: async (event) => { event.preventDefault(); await made(await api.createKey({ name: name.value.trim() })); await paint(); } } }, h("div", { class: "grow" }, field(t("keys.name"), name)), button({ text: t("keys.new"), glyph: "plus", type: "submit" })));
  };
  const made = ({ secret }) => dialog(t("keys.made"), (close) => [h("p", {}, t("keys.once")), h("code", { class: "secret" }, secret), h("footer", {}, button({ text: t("copy"), glyph: "copy", press: () => copyText(secret) }), button({ text: t("close"), kind: "main", press: () => close() }))], { closeLabel: t("close") });
  await paint().catch((error) => told(place, error));
}

async function policy(place) {
  try {
    const { clauses, unseen } = await api.policy();
    fill(place, h("p", {}, t("policy.words")), unseen?.map((line) => h("p", { class: "note warn" }, icon("info"), line)), clauses.map((row) => h("details", { class: "clause" }, h("summary", {}, row.title || row.id), h("div", { class: "stack" }, h("p", {}, row.text),
      row.allowed?.length > 0 && [h("h3", {}, t("policy.allowed")), h("ul", {}, row.allowed.map((line) => h("li", {}, icon("check"), line)))],
      row.refused?.length > 0 && [h("h3", {}, t("policy.refused")), h("ul", {}, row.refused.map((line) => h("li", {}, icon("close"), line)))]))));
  } catch (error) { told(place, error); }
}

async function server(place) {
  try {
    const { data } = await api.settings();
    const shown = (value) => (Array.isArray(value) ? value.join(", ") : value === true ? t("yes") : value === false ? t("no") : String(value ?? ""));
    fill(place, h("p", {}, t("server.words", { version: known.server.version })), h("details", {}, h("summary", {}, t("server.all", { count: data.length })), h("div", { class: "scroll-x", tabindex: "0", role: "group", "aria-label": t("set.server") },
      h("table", {}, h("thead", {}, h("tr", {}, ["setting", "value", "meaning", "environment"].map((name) => h("th", { scope: "col" }, t(`server.${name}`))))), h("tbody", {}, data.map((row) => h("tr", {}, h("th", { scope: "row" }, h("code", {}, row.name)), h("td", {}, h("code", {}, shown(row.value))), h("td", {}, row.help), h("td", {}, h("code", {}, row.environment)))))))));
  } catch (error) { told(place, error); }
}
