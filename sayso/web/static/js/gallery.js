// All pictures: found by words or by a picture, filtered, and drawn only where they are seen.

import * as api from "./api.js";
import { announce, button, calm, fill, h, icon, select, sheet, toast } from "./dom.js";
import { t, when } from "./i18n.js";
import * as keys from "./keys.js";
import { choose, describe, downloadButton, favouriteButton, filesOf, img, pictureMenu, remove, reuse } from "./pictures.js";
import { known } from "./state.js";
import { STYLES, styleName } from "./talk/look.js";

const PAGE = 100, GAP = 12, FOOT = 44;
const DAYS = { today: 1, week: 7, month: 31, year: 366 };

export async function open(root) {
  await sheet("gallery");
  const gallery = new Gallery(root);
  await gallery.load(true);
  return { close: () => gallery.close(), follow: async () => true };
}

class Gallery {
  constructor(root) {
    this.rows = [];
    this.nodes = new Map();
    this.asked = new AbortController();
    this.query = { query: "", engine: "", style: "", since: "", favourites: "" };
    const change = (name) => (value) => { this.query[name] = value; this.load(true); };
    this.words = h("input", { type: "search", placeholder: t("gallery.search"), "aria-label": t("gallery.search"), on: { input: calm(() => change("query")(this.words.value.trim()), 200) } });
    const any = (key) => ["", t(key)];
    const ticked = (name, label) => h("label", { class: "tick" }, h("input", { type: "checkbox", on: { change: (event) => change(name)(event.target.checked ? "true" : "") } }), h("span", {}, label));
    const by = button({ text: t("gallery.by"), glyph: "picture", press: async () => this.alike((await choose())[0]) });
    this.count = h("p", { class: "gallery-count", role: "status" });
    this.grid = h("ul", { class: "grid", "aria-label": t("place.gallery") });
    this.frame = h("div", { class: "page gallery-page", tabindex: "-1" },
      h("div", { class: "gallery-head" }, h("h1", {}, t("place.gallery")), h("div", { class: "gallery-search" }, this.words), by,
        h("div", { class: "filters", role: "group", "aria-label": t("filters") },
          select([any("filter.engine"), ...known.engines.map((row) => [row.name, row.name])], "", change("engine"), { "aria-label": t("filter.engine") }),
          select([any("filter.style"), ...STYLES.map((style) => [style.id, styleName(style.id)])], "", change("style"), { "aria-label": t("filter.style") }),
          select([any("filter.date"), ...Object.keys(DAYS).map((name) => [name, t(`date.${name}`)])], "", (name) => change("since")(name ? String(Date.now() / 1000 - DAYS[name] * 86400) : ""), { "aria-label": t("filter.date") }),
          ticked("favourites", t("filter.favourite")))), this.count, this.grid);
    fill(root, this.frame);
    this.frame.addEventListener("scroll", () => this.window(), { passive: true });
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.frame.addEventListener("dragover", (event) => event.preventDefault());
    this.frame.addEventListener("drop", (event) => { event.preventDefault(); this.alike(filesOf(event.dataTransfer)[0]); });
    this.sized = new ResizeObserver(() => this.measure());
    this.sized.observe(this.frame);
    keys.here([["f", t("key.favourite"), () => { const tile = document.activeElement?.closest(".tile"); if (!tile) return false; tile.querySelector("[aria-pressed]").click(); return true; }]]);
  }

  close() { this.sized.disconnect(); this.asked.abort(); }

  async load(fresh) {
    if (fresh) { this.asked.abort(); this.asked = new AbortController(); this.rows = []; this.cursor = ""; this.more = true; this.reading = false; this.frame.scrollTop = 0; this.forget(); }
    if (this.reading || !this.more) return;
    this.reading = true;
    try {
      const told = await api.pictures({ ...this.query, cursor: this.cursor, limit: PAGE }, this.asked.signal);
      this.rows.push(...told.data);
      this.cursor = told.next;
      this.more = Boolean(told.next);
      this.reading = false;
      this.similar = null;
      this.measure();
    } catch (error) {
      this.reading = false;
      if (error.name !== "AbortError") fill(this.count, h("span", { class: "note bad" }, error.message));
    }
  }

  /** Pictures of ours that look like a file. */
  async alike(file) {
    if (!file) return;
    try {
      const told = await api.similar(file);
      this.asked.abort();
      this.rows = told.data.filter((row) => row.picture).map((row) => ({ ...row.picture, distance: row.distance, how: row.how }));
      this.more = false;
      this.similar = file.name;
      this.forget();
      this.measure();
      announce(this.count.textContent);
    } catch (error) {
      toast(error.message, { bad: true, closeLabel: t("close") });
    }
  }

  forget() { for (const node of this.nodes.values()) node.remove(); this.nodes.clear(); }

  measure() {
    const width = this.grid.clientWidth;
    if (!width) return;
    const columns = Math.max(2, Math.floor((width + GAP) / (width < 520 ? 160 : 212)));
    const side = (width - GAP * (columns - 1)) / columns;
    if (columns !== this.columns || side !== this.side) this.forget();
    Object.assign(this, { columns, side, step: side + FOOT + GAP });
    const lines = Math.ceil(this.rows.length / columns);
    this.grid.style.setProperty("height", `${lines * this.step}px`);
    this.say();
    this.window();
  }

  say() {
    const filtered = Object.values(this.query).some(Boolean);
    const many = `${this.rows.length}${this.more ? "+" : ""}`;
    if (this.similar) fill(this.count, t("gallery.alike", { count: this.rows.length, name: this.similar }), " ", button({ text: t("gallery.all"), kind: "small", press: () => this.load(true) }));
    else if (this.rows.length || this.reading) fill(this.count, t("gallery.count", { count: many }));
    else fill(this.count, h("div", { class: "empty" }, icon("gallery"), h("p", {}, t(filtered ? "gallery.nothing" : "gallery.none")), !filtered && h("a", { class: "button main", href: "#/talk" }, t("place.talk"))));
  }

  /** Keeps tiles only for what is near the window. */
  window() {
    if (!this.step) return;
    const top = this.frame.scrollTop - this.grid.offsetTop;
    const first = Math.max(0, Math.floor((top - this.frame.clientHeight * 0.6) / this.step)) * this.columns;
    const last = Math.min(this.rows.length, Math.ceil((top + this.frame.clientHeight * 1.6) / this.step) * this.columns);
    for (const [index, node] of this.nodes) {
      if ((index < first || index >= last) && !node.contains(document.activeElement)) { node.remove(); this.nodes.delete(index); }
    }
    const fresh = document.createDocumentFragment();
    for (let index = first; index < last; index += 1) {
      if (!this.nodes.has(index)) { const node = this.tile(index); this.nodes.set(index, node); fresh.append(node); }
    }
    this.grid.append(fresh);
    if (this.more && last >= this.rows.length - this.columns * 4) this.load(false);
  }

  tile(index) {
    const picture = this.rows[index];
    const more = button({ label: t("picture.more"), glyph: "more", kind: "plain small", tabindex: "-1", "aria-haspopup": "menu", press: () => pictureMenu(more, picture, [
      { text: t("delete"), glyph: "trash", bad: true, press: async () => { if (await remove(picture)) this.load(true); } }]) });
    const again = picture.prompt ? button({ label: t("reuse"), glyph: "again", kind: "plain small", press: () => reuse(picture) }) : null;
    const x = (index % this.columns) * (this.side + GAP), y = Math.floor(index / this.columns) * this.step;
    const facts = [picture.distance !== undefined && picture.distance !== null && t(`how.${picture.how}`, { distance: picture.distance }), picture.engine, when(picture.created_at)].filter(Boolean).join(" · ");
    return h("li", { class: "tile", "data-index": index, "aria-setsize": this.more ? -1 : this.rows.length, "aria-posinset": index + 1, vars: { transform: `translate(${x}px, ${y}px)`, width: `${this.side}px` } },
      h("a", { href: `#/canvas/${picture.id}`, class: "checkered", vars: { height: `${this.side}px` } }, img(picture, { small: true })),
      h("div", { class: "tile-foot" }, h("span", { class: "tile-words" }, h("b", {}, describe(picture)), h("small", {}, facts)), favouriteButton(picture), again, downloadButton(picture), more));
  }

  key(event) {
    const tile = event.target.closest(".tile");
    if (!tile || event.target.tagName !== "A") return;
    const at = Number(tile.dataset.index);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, ArrowDown: at + this.columns, ArrowUp: at - this.columns, Home: 0, End: this.rows.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = Math.min(this.rows.length - 1, Math.max(0, to));
    const y = this.grid.offsetTop + Math.floor(next / this.columns) * this.step;
    if (y < this.frame.scrollTop || y + this.step > this.frame.scrollTop + this.frame.clientHeight) this.frame.scrollTop = y - this.frame.clientHeight / 3;
    this.window();
    this.nodes.get(next)?.querySelector("a").focus({ preventScroll: true });
  }
}
