// Conversations: found by words, renamed, deleted.

import * as api from "../api.js";
import { button, calm, dialog, field, fill, h, icon, menu } from "../dom.js";
import { t, when } from "../i18n.js";
import { confirm } from "../pictures.js";
import { on, tellAll } from "../state.js";

export function conversationList({ opened }) {
  let current = null;
  let asked = new AbortController();
  let rows = [];
  const search = h("input", { type: "search", placeholder: t("talks.search"), "aria-label": t("talks.search"), on: { input: calm(() => load(), 180) } });
  const list = h("ul", { class: "talks" });
  const node = h("aside", { class: "side", "aria-label": t("talks") },
    h("div", { class: "side-head" }, h("h1", {}, t("talks")), button({ label: t("new"), glyph: "new", kind: "plain", press: () => { location.hash = "#/talk/new"; opened(); } })),
    h("div", { class: "side-search" }, search), list);

  async function load() {
    asked.abort();
    asked = new AbortController();
    try {
      rows = (await api.conversations({ query: search.value.trim(), limit: 100 }, asked.signal)).data;
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(list, h("li", { class: "note bad" }, error.message));
      return;
    }
    paint();
  }

  function paint() {
    fill(list, rows.length === 0 && h("li", { class: "talks-none" }, t(search.value ? "talks.nothing" : "talks.none")), rows.map((row) => {
      const more = button({ label: t("talk.more", { title: row.title || t("untitled") }), glyph: "more", kind: "plain small", "aria-haspopup": "menu", press: () => menu(more, [
        { text: t("rename"), glyph: "edit", press: () => rename(row) },
        { text: t("delete"), glyph: "trash", bad: true, press: () => drop(row) },
      ]) });
      return h("li", { class: row.id === current ? "talk current" : "talk" },
        h("a", { href: `#/talk/${row.id}`, "aria-current": row.id === current ? "true" : null, on: { click: opened } },
          row.cover ? h("img", { src: row.cover, alt: "", loading: "lazy", width: 36, height: 36 }) : h("span", { class: "talk-blank" }, icon("talk")),
          h("span", { class: "talk-title" }, h("b", { dir: "auto" }, row.title || t("untitled")), h("small", {}, when(row.updated_at)))), more);
    }));
  }

  async function rename(row) {
    const name = h("input", { value: row.title, maxlength: 200, autofocus: true, required: true });
    const title = await dialog(t("rename"), (close) => h("form", { class: "stack", on: { submit: (event) => { event.preventDefault(); close(name.value.trim()); } } },
      field(t("talk.title"), name), h("footer", {}, button({ text: t("save"), kind: "main", type: "submit" }))), { closeLabel: t("close") });
    if (title) { await api.changeConversation(row.id, { title }); tellAll("conversations", { id: row.id }); }
  }

  async function drop(row) {
    if (!await confirm(t("talk.delete"), t("talk.delete.words", { title: row.title || t("untitled") }), t("delete"))) return;
    await api.deleteConversation(row.id);
    if (row.id === current) location.hash = "#/talk/new";
    tellAll("conversations", { id: row.id });
  }

  const off = on("conversations", load);
  load();
  return { node, close: off, mark: (id) => { current = id; paint(); } };
}
