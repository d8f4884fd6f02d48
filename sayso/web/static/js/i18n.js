// Words of the page in the language that was chosen. A sentence may hold {names} that are filled in.

import { lasting } from "./kept.js";
import { en } from "./words/en.js";

const LANGUAGES = { en: "English", zh: "中文" };
let words = en;
let current = "en";

export const languages = () => Object.entries(LANGUAGES);
export const language = () => current;

/** The language a person wants: chosen before, or the browser's. */
export function wanted() {
  const chosen = lasting.get("language");
  if (chosen in LANGUAGES) return chosen;
  return navigator.languages.some((tag) => tag.toLowerCase().startsWith("zh")) && !navigator.language.startsWith("en") ? "zh" : "en";
}

export async function use(name) {
  words = name === "zh" ? (await import("./words/zh.js")).zh : en;
  current = name;
  document.documentElement.lang = name === "zh" ? "zh-Hans" : "en";
}

/** The sentence of a key. A missing key is our mistake and throws. */
export function t(key, values = {}) {
  const said = words[key] ?? en[key];
  if (said === undefined) throw new Error(`no words for "${key}"`);
  return said.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Things one after the other, as the language does it. */
export const listed = (things) => new Intl.ListFormat(current === "zh" ? "zh-CN" : "en", { type: "conjunction", style: "narrow" }).format(things);

export function when(seconds) {
  const then = new Date(seconds * 1000);
  const days = Math.floor((Date.now() - then) / 86400000);
  const how = days < 1 ? { timeStyle: "short" } : days < 300 ? { month: "short", day: "numeric" } : { dateStyle: "medium" };
  return new Intl.DateTimeFormat(current === "zh" ? "zh-CN" : "en", how).format(then);
}

export function bytes(count) {
  if (count === null || count === undefined) return "–";
  const unit = count >= 2 ** 30 ? ["GB", 2 ** 30] : count >= 2 ** 20 ? ["MB", 2 ** 20] : ["kB", 1024];
  return `${new Intl.NumberFormat(current, { maximumFractionDigits: 1 }).format(count / unit[1])} ${unit[0]}`;
}
