// One turn on the page: what was said, and what came of it, while it comes and after.

import * as api from "../api.js";
import { announce, button, fill, h, icon, menu, put } from "../dom.js";
import { t } from "../i18n.js";
import { copyText, downloadButton, favouriteButton, img, pictureMenu } from "../pictures.js";
import { follow } from "./follow.js";
import { unfolded } from "./plan.js";

const LIVE = new Set(["queued", "running"]);

/** A turn's element. `acts`: what the thread offers (edit, again, branch, remove, choose, refer, drawer, changed). */
export class TurnCard {
  constructor(turn, acts) {
    this.acts = acts;
    this.said = h("div", { class: "said" });
    this.answer = h("div", { class: "answer" });
    this.node = h("li", { class: "turn", id: `turn-${turn.id}` }, this.said, this.answer);
    this.show(turn);
  }

  get live() { return LIVE.has(this.turn.status); }

  show(turn) {
    this.turn = turn;
    this.showSaid();
    if (this.live) this.begin();
    else this.showAnswer();
  }

  close() { this.unfollow?.(); }

  // --- what was said

  showSaid() {
    const { turn, acts } = this;
    const words = turn.said.filter((part) => part.type === "text").map((part) => part.text).join("\n");
    const shown = turn.said.filter((part) => part.type === "picture" && part.picture);
    const at = turn.siblings.indexOf(turn.id);
    const more = button({ label: t("turn.more"), glyph: "more", kind: "plain small", "aria-haspopup": "menu", press: () => menu(more, [
      { text: t("turn.edit"), glyph: "edit", press: () => acts.edit(this.turn) },
      { text: t("turn.branch"), glyph: "branch", press: () => acts.branch(this.turn) },
      { text: t("turn.copy"), glyph: "copy", press: () => copyText(words) },
      null,
      { text: t("turn.delete"), glyph: "trash", bad: true, press: () => acts.remove(this.turn) },
    ]) });
    fill(this.said,
      h("div", { class: "bubble" }, shown.length > 0 && h("div", { class: "said-pictures" },
        shown.map((part) => h("a", { href: `#/canvas/${part.picture.id}`, class: "checkered" }, img(part.picture, { small: true })))), words && h("p", { dir: "auto" }, words)),
      h("div", { class: "turn-tools" },
        turn.siblings.length > 1 && h("span", { class: "forks" },
          button({ label: t("fork.before"), glyph: "left", kind: "plain small", disabled: at <= 0, press: () => acts.choose(turn.siblings[at - 1]) }),
          h("span", {}, t("fork.place", { at: at + 1, of: turn.siblings.length })),
          button({ label: t("fork.after"), glyph: "right", kind: "plain small", disabled: at >= turn.siblings.length - 1, press: () => acts.choose(turn.siblings[at + 1]) })),
        button({ label: t("turn.edit"), glyph: "edit", kind: "plain small", press: () => acts.edit(this.turn) }), more));
  }

  // --- while it comes

  begin() {
    const wanted = this.turn.wish?.action === "answer" || this.turn.wish?.plan_only ? 0 : this.turn.wish?.count || 1;
    const [width, height] = /^(\d+)x(\d+)$/.exec(this.turn.wish?.size || "")?.slice(1).map(Number) || [1, 1];
    this.slots = Array.from({ length: wanted }, (_, i) => h("div", { class: "slot", vars: { "--ratio": `${width} / ${height}`, "--wide": width / height } },
      h("span", { class: "visually-hidden" }, t("drawing.nth", { nth: i + 1 }))));
    this.line = h("span", { class: "grow" }, t(this.turn.status === "queued" ? "queued" : "starting"));
    this.bar = h("span");
    this.notes = h("div", { class: "remarks" });
    this.thoughts = new Set();
    for (const part of this.turn.answer) if (part.type === "thought") this.think(part.text);
    const stop = button({ text: t("stop"), glyph: "stop", kind: "small stop", press: () => this.cancel() });
    fill(this.answer, this.notes, wanted > 0 && h("div", { class: `slots n${Math.min(wanted, 4)}` }, this.slots),
      h("div", { class: "working" }, h("div", { class: "row" }, this.line, stop),
        h("div", { class: "progress", role: "progressbar", "aria-label": t("drawing"), "aria-valuemin": "0", "aria-valuemax": "100" }, this.bar)));
    this.started = null;
    this.unfollow?.();
    this.unfollow = follow(this.turn, {
      heard: (event) => this.hear(event),
      lost: (away) => { if (away) this.line.textContent = t("reconnecting"); },
      ended: (turn, error) => this.end(turn, error),
    });
  }

  hear({ kind, data }) {
    if (kind === "started") { this.line.textContent = t("starting"); this.started = performance.now(); this.first = null; }
    else if (kind === "step") this.step(data);
    else if (kind === "said") this.notes.append(h("p", {}, data.text));
    else if (kind === "thought") this.think(data.text);
    else if (kind === "revised") this.notes.append(h("p", {}, t("revised", { words: data.prompt })));
    else if (kind === "preview" || kind === "picture") this.reveal(kind, data);
  }

  step({ index, total }) {
    const now = performance.now();
    this.first ??= { index, now };
    const done = index / total;
    this.bar.style.setProperty("--done", done);
    this.bar.parentNode.setAttribute("aria-valuenow", Math.round(done * 100));
    const each = index > this.first.index ? (now - this.first.now) / (index - this.first.index) : null;
    const left = each === null ? "" : ` · ${t("left", { seconds: Math.max(1, Math.round(each * (total - index) / 1000)) })}`;
    this.line.textContent = t("step", { index, total }) + (index < total ? left : "");
  }

  think(text) {
    if (this.thoughts.has(text)) return;
    this.thoughts.add(text);
    this.notes.append(unfolded(text));
  }

  reveal(kind, data) {
    const slot = this.slots[data.picture];
    const url = kind === "picture" ? data.row?.url : data.image;
    if (!slot || !url) return;
    const next = new Image();
    next.src = url;
    next.alt = "";
    next.decode().then(() => {
      if (slot.dataset.final) return;
      slot.style.setProperty("--ratio", `${data.width} / ${data.height}`);
      slot.style.setProperty("--wide", data.width / data.height);
      slot.classList.toggle("sharp", kind === "picture");
      if (kind === "picture") slot.dataset.final = "yes";
      slot.replaceChildren(next);
    }).catch(() => {});
  }

  async cancel() {
    this.line.textContent = t("stopping");
    await api.cancelJob(this.turn.job).catch((error) => { this.line.textContent = error.message; });
  }

  end(turn, error) {
    if (turn) this.turn = { ...this.turn, answer: turn.answer, status: turn.status, error: turn.error };
    else this.turn = { ...this.turn, status: "failed", error: { code: error.code, message: error.message } };
    const pictures = this.turn.answer.filter((part) => part.type === "picture").length;
    announce(t(this.turn.status === "completed" ? (pictures ? "drawn.count" : this.turn.wish.plan_only ? "plan.ready" : "answered") : `ended.${this.turn.status}`, { count: pictures }));
    this.showAnswer();
    this.acts.changed(this.turn);
  }

  // --- what came of it

  showAnswer() {
    const { turn, acts } = this;
    const texts = turn.answer.filter((part) => part.type === "text" && part.text);
    const thoughts = turn.answer.filter((part) => part.type === "thought" && part.text);
    const drawn = turn.answer.filter((part) => part.type === "picture" && part.picture).map((part) => part.picture);
    const waits = turn.wish.plan_only && turn.status === "completed";
    const quiet = drawn.length > 0 || waits;
    const children = [
      waits && thoughts.length > 0 && h("p", { class: "note" }, icon("think"), t(acts.drawer(turn) ? "plan.waits" : "thought.waits")),
      thoughts.map((part) => unfolded(part.text, { draw: acts.drawer(turn), open: Boolean(waits) })),
      drawn.length > 0 && h("div", { class: `slots n${Math.min(drawn.length, 4)}` }, drawn.map((picture) => this.picture(picture))),
      texts.length > 0 && h("div", { class: quiet ? "remarks" : "spoken" }, texts.map((part) => h("p", { dir: "auto" }, quiet ? icon("info") : null, part.text))),
      turn.status === "failed" && h("div", { class: "note bad", role: "alert" }, icon("warn"), h("div", {}, h("p", {}, turn.error?.message || t("ended.failed")),
        turn.error?.details?.clause && h("a", { href: "#/settings/policy" }, t("policy.read")))),
      turn.status === "cancelled" && h("p", { class: "note" }, icon("stop"), t("ended.cancelled")),
    ];
    const tools = [button({ text: t("again"), glyph: "again", kind: "plain small", press: () => acts.again(turn) }),
      turn.engine && h("small", {}, [turn.engine, Number.isFinite(drawn[0]?.seed) ? t("seed.of", { seed: drawn[0].seed }) : null].filter(Boolean).join(" · "))];
    fill(this.answer, children);
    const caption = drawn.length === 1 && this.answer.querySelector("figcaption");
    if (caption) put(caption, tools);
    else put(this.answer, [h("div", { class: "turn-tools" }, tools)]);
  }

  picture(picture) {
    const more = button({ label: t("picture.more"), glyph: "more", kind: "plain small", "aria-haspopup": "menu", press: () => pictureMenu(more, picture) });
    return h("figure", { class: "drawn" },
      h("a", { class: "slot sharp checkered", href: `#/canvas/${picture.id}`, title: t("open.canvas"), vars: { "--ratio": `${picture.width} / ${picture.height}`, "--wide": picture.width / picture.height } },
        img(picture, { eager: true })),
      h("figcaption", { class: "row" },
        button({ text: t("change"), glyph: "brush", kind: "plain small", press: () => { location.hash = `#/canvas/${picture.id}`; } }),
        button({ label: t("refer"), glyph: "picture", kind: "plain small", press: () => this.acts.refer(picture) }),
        favouriteButton(picture), downloadButton(picture), more));
  }
}
