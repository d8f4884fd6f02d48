// The frame of the page: places, routing, themes, languages, keys. Each place is a module that is fetched when it is opened.

import * as api from "./api.js";
import { button, dialog, field, fill, h, icon, toast } from "./dom.js";
import { t, use, wanted } from "./i18n.js";
import * as keys from "./keys.js";
import { applyTheme, begin, on } from "./state.js";

const PLACES = [
  ["talk", "talk", "1"], ["gallery", "gallery", "2"], ["arena", "arena", "3"], ["turn", "turn", "4"], ["seal", "seal", "5"], ["settings", "settings", "6"],
];
const VIEWS = {
  talk: () => import("./talk/view.js"), canvas: () => import("./canvas/view.js"), gallery: () => import("./gallery.js"),
  arena: () => import("./arena.js"), turn: () => import("./turntable.js"), seal: () => import("./seal.js"), settings: () => import("./settings.js"),
};
const app = document.getElementById("app");
let place = null;
let open = null;
let visit = 0;

function address() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  return { name: name in VIEWS ? name : "talk", rest };
}

/** Opens the place that the address names; what was open is closed first. */
async function route() {
  const mine = ++visit;
  const { name, rest } = address();
  const root = document.getElementById("main");
  for (const box of document.querySelectorAll("dialog[open]")) box.close();
  for (const box of document.querySelectorAll("[popover]:popover-open")) box.hidePopover();
  let module;
  try { module = await VIEWS[name](); } catch { if (mine === visit) sorry(root, t("lost.connection")); return; }
  if (mine !== visit) return;
  if (open && place === name && open.follow && await open.follow(rest)) return;
  open?.close?.();
  keys.here([]);
  place = name;
  for (const link of document.querySelectorAll(".place")) {
    const current = link.dataset.name === name || (name === "canvas" && link.dataset.name === "talk");
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  fill(root);
  root.dataset.view = name;
  document.title = `${t(`place.${name === "canvas" ? "canvas" : name}`)} – sayso`;
  try {
    const opened = await module.open(root, rest);
    if (mine !== visit) opened?.close?.();
    else open = opened;
  } catch (error) {
    if (mine === visit) sorry(root, error instanceof api.ApiError ? error.message : t("lost.connection"));
  }
}

function sorry(root, words) {
  open?.close?.();
  open = null;
  place = null;
  fill(root, h("div", { class: "page" }, h("div", { class: "empty", role: "alert" }, icon("warn"), h("p", {}, words), button({ text: t("again"), press: () => route() }))));
}

function shell() {
  const link = ([name, glyph]) => h("a", { class: "place", href: `#/${name}`, "data-name": name }, icon(glyph), h("span", {}, t(`place.${name}`)));
  const art = new URL("../art/icon.svg", import.meta.url).href;
  fill(app, h("div", { class: "shell" },
    h("header", { class: "rail" },
      h("a", { class: "brand", href: "#/talk", title: t("new") }, h("img", { src: art, alt: "sayso", width: 36, height: 36 })),
      h("nav", { "aria-label": t("places") }, h("ul", {}, PLACES.slice(0, 5).map((row) => h("li", {}, link(row))))),
      h("div", { class: "foot" }, link(PLACES[5]))),
    h("main", { id: "main", class: "view", tabindex: "-1" })));
  document.getElementById("skip").textContent = t("skip");
}

/** Builds everything anew, in the language and the theme of now. */
async function paint() {
  await use(wanted());
  applyTheme();
  shell();
  open = null;
  place = null;
  keys.always([
    ...PLACES.map(([name, , key]) => [`alt+${key}`, t(`place.${name}`), () => { location.hash = `#/${name}`; }]),
    ["n", t("new"), () => { location.hash = "#/talk"; document.querySelector("#prompt")?.focus(); }],
    ["/", t("key.search"), () => { const box = document.querySelector("[type=search]"); if (!box) return false; box.focus(); return true; }],
    ["?", t("key.help"), () => help()],
  ]);
  await route();
}

/** The list of shortcuts. */
export function help() {
  dialog(t("key.help"), () => keys.all().filter((rows) => rows.length).map((rows) => h("dl", { class: "shortcuts" },
    rows.map(([key, words]) => [h("dt", {}, key.split("+").map((part) => h("kbd", {}, part))), h("dd", {}, words)]))), { closeLabel: t("close") });
}

function gate() {
  const secret = h("input", { type: "password", autocomplete: "off", autofocus: true, required: true });
  fill(app, h("main", { class: "gate" }, h("form", { class: "card", on: { submit: async (event) => {
    event.preventDefault();
    api.useKey(secret.value);
    await start();
  } } }, h("h1", {}, t("gate.title")), h("p", {}, t("gate.words")), field(t("gate.key"), secret), button({ text: t("gate.enter"), kind: "main", type: "submit" }))));
  secret.focus();
}

async function start() {
  await use(wanted());
  applyTheme();
  try {
    await begin();
  } catch (error) {
    if (error.status === 401) return gate();
    document.getElementById("skip").textContent = t("skip");
    fill(app, h("main", { class: "gate" }, h("div", { class: "card" }, h("h1", {}, t("lost.title")), h("p", {}, t("lost.words", { reason: error.message })),
      button({ text: t("again"), kind: "main", press: () => start() }))));
    return null;
  }
  return paint();
}

/** Says that the connection is gone, and that it is back. */
function weather(away) {
  document.querySelector(".offline")?.remove();
  if (away) document.body.append(h("div", { class: "offline", role: "status" }, t("offline")));
}

addEventListener("hashchange", () => { if (document.getElementById("main")?.classList.contains("view")) route(); });
addEventListener("offline", () => weather(true));
addEventListener("online", () => weather(false));
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name === "AbortError") { event.preventDefault(); return; }
  if (event.reason instanceof api.ApiError || event.reason instanceof TypeError) {
    event.preventDefault();
    toast(event.reason instanceof api.ApiError ? event.reason.message : t("lost.connection"), { bad: true, closeLabel: t("close") });
  }
});
for (const query of ["(prefers-color-scheme: dark)", "(prefers-contrast: more)"]) matchMedia(query).addEventListener("change", applyTheme);
on("repaint", () => { document.getElementById("skip").textContent = ""; paint(); });
document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); document.getElementById("main")?.focus(); });
api.onLocked(gate);
keys.listen();
start();
