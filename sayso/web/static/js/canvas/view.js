// One picture on the table: what may change is painted, what shall change is said, every version is kept.

import * as api from "../api.js";
import { announce, button, fill, h, icon, sheet, toast } from "../dom.js";
import { t } from "../i18n.js";
import * as keys from "../keys.js";
import { describe, downloadButton, favouriteButton, img, pictureMenu } from "../pictures.js";
import { tellAll } from "../state.js";
import { follow } from "../talk/follow.js";
import { bitmap, curtain, differing } from "./compare.js";
import { Mask } from "./mask.js";
import { JOBS, panel } from "./panel.js";
import { hex } from "./pixels.js";
import { Surface } from "./surface.js";

const TOOLS = [["hand", "v"], ["brush", "b"], ["eraser", "e"], ["lasso", "l"], ["box", "x"], ["dropper", "i"]];

export async function open(root, [id]) {
  await sheet("canvas");
  if (!id) {
    const newest = (await api.pictures({ limit: 1 })).data[0];
    if (newest) { location.replace(`#/canvas/${newest.id}`); return null; }
    fill(root, h("div", { class: "page" }, h("div", { class: "empty" }, icon("picture"), h("p", {}, t("canvas.none")), h("a", { class: "button main", href: "#/talk" }, t("place.talk")))));
    return null;
  }
  const table = new Table(root);
  await table.enter(id);
  return { close: () => table.close(), follow: async ([next]) => { if (!next) return false; await table.enter(next); return true; } };
}

class Table {
  constructor(root) {
    this.tool = "hand";
    this.size = 32;
    this.job = "change";
    this.surface = new Surface({ hold: (...what) => this.hold(...what), active: () => this.active(), zoomed: (scale) => { this.zoomed.textContent = `${Math.round(scale * 100)} %`; } });
    this.zoomed = h("span", { class: "zoomed" });
    this.title = h("h1", { class: "table-name" });
    this.actions = h("div", { class: "row" });
    this.tools = h("div", { class: "tools", role: "toolbar", "aria-label": t("tools"), "aria-orientation": "vertical" });
    this.undoButton = button({ label: t("undo"), glyph: "undo", kind: "plain", press: () => this.undo() });
    this.redoButton = button({ label: t("redo"), glyph: "redo", kind: "plain", press: () => this.redo() });
    this.slide = h("input", { type: "range", min: 2, max: 160, value: this.size, "aria-label": t("brush.size"), on: { input: () => { this.size = Number(this.slide.value); } } });
    this.bar = h("div", { class: "table-bar" });
    this.panel = h("aside", { class: "table-panel", "aria-label": t("jobs") });
    this.strip = h("ol", { class: "strip", "aria-label": t("history") });
    this.modes = h("div", { class: "row modes" });
    this.busy = h("div", { class: "table-busy", hidden: true });
    const zooms = h("div", { class: "zooms" }, button({ label: t("zoom.out"), glyph: "minus", kind: "plain small", press: () => this.surface.zoom(1 / 1.25) }), this.zoomed,
      button({ label: t("zoom.in"), glyph: "plus", kind: "plain small", press: () => this.surface.zoom(1.25) }), button({ label: t("zoom.fit"), glyph: "fit", kind: "plain small", press: () => this.surface.fit(this.frame) }));
    fill(root, h("div", { class: "table" },
      h("header", { class: "table-top" }, button({ label: t("back"), glyph: "left", kind: "plain", press: () => this.back() }), this.title, this.actions),
      h("div", { class: "table-middle" }, this.tools, h("div", { class: "table-stage" }, this.surface.node, h("div", { class: "table-under" }, this.modes, this.bar, zooms), this.busy)),
      this.panel, this.strip));
    this.paintTools();
    keys.here([...TOOLS.map(([name, key]) => [key, t(`tool.${name}`), () => this.pickTool(name)]),
      ["ctrl+z", t("undo"), () => this.undo()], ["ctrl+y", t("redo"), () => this.redo()], ["[", t("brush.smaller"), () => this.resize(0.8)], ["]", t("brush.larger"), () => this.resize(1.25)],
      ["+", t("zoom.in"), () => this.surface.zoom(1.25)], ["=", "", () => this.surface.zoom(1.25)], ["-", t("zoom.out"), () => this.surface.zoom(1 / 1.25)], ["0", t("zoom.fit"), () => this.surface.fit(this.frame)],
      ["c", t("compare"), () => this.compare(this.mode === "curtain" ? null : "curtain")], ["d", t("compare.diff"), () => this.compare(this.mode === "diff" ? null : "diff")],
      ["escape", t("key.stop"), () => { if (this.stopping) this.stopping(); else if (this.mode) this.compare(null); else return false; return true; }]]);
  }

  close() { this.gone = true; this.surface.close(); this.unfollow?.(); }
  back() { if (this.picture?.conversation) location.hash = `#/talk/${this.picture.conversation}`; else history.back(); }

  async enter(id) {
    for (const part of [this.tools, this.panel]) part.inert = true; // what is set for the picture before would be lost when this one comes
    try { await this.lay(id); } finally { for (const part of [this.tools, this.panel]) part.inert = false; }
    await this.history();
  }

  async lay(id) {
    this.picture = await api.picture(id);
    document.title = `${describe(this.picture)} – sayso`;
    this.title.textContent = describe(this.picture);
    this.source = await bitmap(this.picture);
    if (this.gone) return;
    const { width, height } = this.picture;
    this.frame = null;
    this.preview = null;
    this.surface.show(this.source, width, height);
    this.mask = new Mask(width, height);
    this.size = Math.round(width / 12);
    this.slide.value = this.size;
    this.mode = null;
    const more = button({ label: t("picture.more"), glyph: "more", kind: "plain", "aria-haspopup": "menu", press: () => pictureMenu(more, this.picture) });
    fill(this.actions, this.picture.kind === "drawn" && [favouriteButton(this.picture), downloadButton(this.picture, "")], more);
    this.layers();
    this.tend();
    this.paintPanel();
  }

  // --- versions

  async history() {
    const found = this.picture.conversation ? (await api.pictures({ conversation: this.picture.conversation, limit: 100 })).data.reverse() : [];
    const known = new Map([...found, this.picture].map((one) => [one.id, one]));
    for (const id of this.picture.parents) if (!known.has(id)) await api.picture(id).then((one) => known.set(id, one)).catch(() => {});
    this.versions = [...known.values()].sort((a, b) => a.created_at - b.created_at);
    const at = this.versions.findIndex((one) => one.id === this.picture.id);
    this.before = this.versions.find((one) => this.picture.parents.includes(one.id)) || this.versions[at - 1] || null;
    fill(this.strip, this.versions.map((one, index) => h("li", {}, h("a", { href: `#/canvas/${one.id}`, class: "checkered", "aria-current": one.id === this.picture.id ? "true" : null,
      title: describe(one), "aria-label": t("version.of", { nth: index + 1, words: describe(one) }) }, img(one, { small: true })))));
    this.strip.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    this.tend();
  }

  // --- tools

  paintTools() {
    fill(this.tools, TOOLS.map(([name, key]) => button({ label: `${t(`tool.${name}`)} (${key.toUpperCase()})`, glyph: name, kind: "plain", "data-tool": name, press: () => this.pickTool(name) })),
      h("hr"), this.undoButton, this.redoButton, h("div", { class: "brush-size" }, this.slide));
    this.pickTool(this.tool);
  }

  pickTool(name) {
    this.tool = name;
    for (const node of this.tools.querySelectorAll("[data-tool]")) node.setAttribute("aria-pressed", String(node.dataset.tool === name));
    this.surface.node.dataset.tool = name;
    this.slide.parentNode?.classList.toggle("off", !["brush", "eraser"].includes(name));
    if (this.mode && name !== "hand") this.compare(null);
  }

  active() {
    if (this.tool === "hand" || this.mode || !this.mask) return null;
    return { size: ["brush", "eraser"].includes(this.tool) ? this.size : 0 };
  }

  resize(by) { this.size = Math.min(160, Math.max(2, Math.round(this.size * by))); this.slide.value = this.size; }

  hold(phase, point, event) {
    const erase = this.tool === "eraser" || event.altKey;
    if (this.tool === "dropper") { if (phase === "down") this.drop(point); return; }
    if (phase === "down") { this.mask.keep(); this.last = point; this.path = [point]; if (this.tool === "brush" || this.tool === "eraser") this.mask.line(point, point, this.size, erase); }
    else if (phase === "move" && this.path) {
      if (this.tool === "brush" || this.tool === "eraser") this.mask.line(this.last, point, this.size, erase);
      else this.draft(point);
      this.last = point;
      this.path.push(point);
    } else if (phase === "up" && this.path) {
      if (this.tool === "lasso") this.mask.area(this.path);
      if (this.tool === "box") this.mask.box(this.path[0], point);
      this.path = null;
      this.draft(null);
      this.tend();
    } else if (phase === "drop") { this.mask.undo(); this.path = null; this.draft(null); }
  }

  /** What a lasso or a box will be, while it is drawn. */
  draft(point) {
    this.sketch ??= Object.assign(document.createElement("canvas"), { className: "sketch" });
    if (!point) { this.sketch.remove(); return; }
    if (!this.sketch.isConnected) { this.sketch.width = this.picture.width; this.sketch.height = this.picture.height; this.surface.over.append(this.sketch); }
    const c = this.sketch.getContext("2d");
    c.clearRect(0, 0, this.sketch.width, this.sketch.height);
    c.strokeStyle = "#e5352b";
    c.fillStyle = "rgb(229 53 43 / 25%)";
    c.lineWidth = 1.5 / this.surface.scale;
    c.beginPath();
    if (this.tool === "box") c.rect(...this.path[0], point[0] - this.path[0][0], point[1] - this.path[0][1]);
    else for (const [x, y] of [...this.path, point]) c.lineTo(x, y);
    c.fill();
    c.stroke();
  }

  drop([x, y]) {
    const { data, width, height } = this.surface.image;
    const [px, py] = [Math.min(width - 1, Math.max(0, Math.floor(x))), Math.min(height - 1, Math.max(0, Math.floor(y)))];
    const at = (py * width + px) * 4;
    this.colour = hex(data[at], data[at + 1], data[at + 2]);
    this.spot = [px, py];
    announce(t("dropped", { colour: this.colour }));
    if (!["recolour", "cut"].includes(this.job)) this.job = "recolour";
    this.paintPanel();
  }

  undo() { if (this.mask.undo()) this.tend(); }
  redo() { if (this.mask.redo()) this.tend(); }

  /** Buttons and words that hang on the mask and on what there is to compare with. */
  tend() {
    this.share = this.mask.share();
    this.undoButton.disabled = !this.mask.past.length;
    this.redoButton.disabled = !this.mask.future.length;
    fill(this.modes, button({ text: t("compare"), glyph: "compare", kind: "plain small", "aria-pressed": String(this.mode === "curtain"), disabled: !this.before, press: () => this.compare(this.mode === "curtain" ? null : "curtain") }),
      button({ text: t("compare.diff"), glyph: "diff", kind: "plain small", "aria-pressed": String(this.mode === "diff"), disabled: !this.before, press: () => this.compare(this.mode === "diff" ? null : "diff") }));
    this.painted?.();
  }

  layers() { fill(this.surface.over, this.mask.canvas); this.mask.canvas.className = "mask"; fill(this.bar); }

  async compare(mode) {
    if (mode && !this.before) return;
    this.mode = mode;
    if (!mode) this.layers();
    else {
      this.pickTool("hand");
      this.mode = mode;
      const before = await bitmap(this.before);
      const made = mode === "curtain" ? curtain(before, this.picture.width, this.picture.height) : differing(before, this.surface.image);
      fill(this.surface.over, made.layers);
      fill(this.bar, made.bar);
      this.bar.querySelector("input")?.focus();
    }
    this.tend();
  }

  // --- jobs

  paintPanel() {
    this.clearPreview();
    const tabs = h("div", { class: "jobs", role: "tablist", "aria-label": t("jobs") }, JOBS.map(([name, glyph]) => h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-selected": String(name === this.job),
      "aria-controls": "job", tabindex: name === this.job ? "0" : "-1", on: { click: () => this.pickJob(name), keydown: (event) => this.nextJob(event) } }, icon(glyph), h("span", {}, t(`job.${name}`)))));
    this.painted = null;
    this.surface.node.dataset.job = this.job;
    fill(this.panel, tabs, h("div", { id: "job", class: "job stack", role: "tabpanel", "aria-labelledby": `tab-${this.job}` }, panel(this)));
  }

  pickJob(name) { this.job = name; this.paintPanel(); this.panel.querySelector(`#tab-${name}`).focus(); }

  nextJob(event) {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const names = JOBS.map(([name]) => name);
    this.pickJob(names.at((names.indexOf(this.job) + by) % names.length));
  }

  /** Shows other pixels in place of the picture, until they are kept or given up. */
  showPreview(source) { this.preview = source; this.surface.show(source, this.picture.width, this.picture.height); }
  clearPreview() {
    this.surface.over.querySelector(".frame")?.remove();
    if (this.frame) { this.frame = null; this.surface.fit(); }
    if (this.preview) { this.preview = null; this.surface.show(this.source, this.picture.width, this.picture.height); }
  }

  /** Keeps pixels that were made here as a version of this picture. */
  async keep(file, tool, note) {
    const made = await api.version(this.picture.id, file, tool, note);
    tellAll("conversations", { id: this.picture.conversation });
    location.hash = `#/canvas/${made.id}`;
    return made;
  }

  /** Says a turn about this picture and waits for its pictures. `parts`: after the picture. Goes to the first, or gives all with `all`. */
  async say(words, wish, { base = this.picture, all = false } = {}) {
    let talk = this.picture.conversation;
    const parts = [{ type: "picture", id: base.id }, { type: "text", text: words }];
    if (wish.action === "generate") parts.shift();
    const body = { parts, wish, partial_images: 3 };
    let turn = null;
    if (talk) {
      try { turn = await api.sayTurn(talk, this.picture.turn ? { ...body, parent: this.picture.turn } : body); } catch (error) { if (error.status !== 404) throw error; }
    }
    if (!turn) {
      talk = (await api.createConversation(describe(this.picture).slice(0, 80))).id;
      turn = await api.sayTurn(talk, body);
    }
    tellAll("conversations", { id: talk });
    return this.watch(turn, all);
  }

  watch(turn, all) {
    const line = h("span", { class: "grow", role: "status" }, t("starting"));
    const bar = h("span");
    const { width, height } = this.picture;
    this.stopping = () => api.cancelJob(turn.job.id);
    this.busy.hidden = false;
    fill(this.busy, h("div", { class: "row" }, line, button({ text: t("stop"), glyph: "stop", kind: "small", press: () => this.stopping?.() })), h("div", { class: "progress" }, bar));
    const over = h("img", { class: "coming", alt: "" });
    return new Promise((resolve) => {
      this.unfollow = follow({ ...turn, job: turn.job.id }, {
        heard: ({ kind, data }) => {
          if (kind === "step") { line.textContent = t("step", data); bar.style.setProperty("--done", data.index / data.total); }
          else if (kind === "preview" && data.picture === 0 && data.width === width && data.height === height) { over.src = data.image; if (!over.isConnected) this.surface.over.append(over); }
          else if (kind === "said") this.remark = data.text;
        },
        lost: (away) => { if (away) line.textContent = t("reconnecting"); },
        ended: (last, error) => {
          over.remove();
          this.busy.hidden = true;
          this.stopping = null;
          const drawn = last?.answer.filter((part) => part.type === "picture" && part.picture).map((part) => part.picture) || [];
          const failure = error?.message || last?.error?.message;
          if (failure) toast(failure, { bad: true, closeLabel: t("close") });
          else announce(t(last.status === "cancelled" ? "ended.cancelled" : "drawn.count", { count: drawn.length }));
          if (drawn.length && !all && !this.gone) location.hash = `#/canvas/${drawn[0].id}`;
          resolve(drawn);
        },
      });
    });
  }
}
