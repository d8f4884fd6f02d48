// Things that turn under the hand, and alleys to walk in: each view is drawn from the one before, where an engine can.

import * as api from "./api.js";
import { announce, button, field, fill, h, icon, select, sheet } from "./dom.js";
import { language, t } from "./i18n.js";
import * as keys from "./keys.js";
import { img } from "./pictures.js";
import { can, known, ready } from "./state.js";
import { follow } from "./talk/follow.js";

const STEP = 30; // degrees from one view to the next
const SAID = {
  en: { right: `turn it ${STEP} degrees to the right`, left: `turn it ${STEP} degrees to the left`, forward: "go forward", walkLeft: "turn left", walkRight: "turn right" },
  zh: { right: `把它向右转${STEP}度`, left: `把它向左转${STEP}度`, forward: "向前走", walkLeft: "向左转", walkRight: "向右转" },
};

export async function open(root) {
  await sheet("turntable");
  const turner = new Turner(root);
  return { close: () => turner.close(), follow: async () => true };
}

class Turner {
  constructor(root) {
    this.views = ready().filter((row) => can(row, "views"));
    this.walks = ready().filter((row) => can(row, "walk"));
    this.mode = this.views.length || !this.walks.length ? "views" : "walk";
    this.frames = new Map();
    this.place = h("div", { class: "stack" });
    fill(root, h("div", { class: "page", tabindex: "-1" }, h("div", { class: "page-inner" }, h("header", { class: "page-head" }, h("div", {}, h("h1", {}, t("turn.title")), h("p", {}, t("turn.words"))),
      h("div", { class: "row", role: "group", "aria-label": t("turn.title") }, ["views", "walk"].map((mode) => button({ text: t(`turn.${mode}`), "data-mode": mode, press: () => { this.mode = mode; this.paint(); } })))), this.place)));
    keys.here([["arrowleft", t("turn.left"), () => this.key("left")], ["arrowright", t("turn.right"), () => this.key("right")], ["arrowup", t("walk.forward"), () => this.key("forward")]]);
    this.paint();
  }

  close() { this.gone = true; this.unfollow?.(); }

  paint() {
    for (const node of document.querySelectorAll("[data-mode]")) node.setAttribute("aria-pressed", String(node.dataset.mode === this.mode));
    this.talk = null;
    this.now = null;
    this.frames.clear();
    const able = this.mode === "views" ? this.views : this.walks;
    if (!able.length) {
      fill(this.place, h("div", { class: "card empty" }, icon("turn"), h("p", {}, t(`turn.cannot.${this.mode}`)), h("ul", { class: "able" }, known.engines.map((row) => h("li", {}, h("b", {}, row.name), h("small", {}, row.missing ? t("engine.missing.why", { why: row.missing }) : t("turn.lacks", { ability: t(`ability.${this.mode}`) }))))),
        h("a", { class: "button", href: "#/settings" }, t("place.settings"))));
      return;
    }
    this.engine = able[0].name;
    this.words = h("input", { value: t(`turn.example.${this.mode}`), required: true });
    this.stage = h("div", { class: `turn-stage ${this.mode}`, tabindex: "0", role: "application", "aria-label": t(`turn.stage.${this.mode}`) }, h("p", {}, t(`turn.hint.${this.mode}`)));
    this.dial = h("div", { class: "row turn-dial" });
    this.status = h("p", { role: "status", class: "turn-status" });
    this.stage.addEventListener("pointerdown", (event) => this.drag(event));
    fill(this.place, h("form", { class: "card turn-form", on: { submit: (event) => { event.preventDefault(); this.begin(); } } }, field(t("turn.what"), this.words),
      field(t("option.engine"), select(able.map((row) => [row.name, row.name]), this.engine, (name) => { this.engine = name; })), button({ text: t("draw"), glyph: "send", kind: "main", type: "submit" })), this.stage, this.dial, this.status);
  }

  async begin() {
    this.frames.clear();
    this.at = 0;
    this.talk = (await api.createConversation(this.words.value)).id;
    const drawn = await this.say([{ type: "text", text: this.words.value }], { engine: this.engine, action: "generate" }, null);
    if (!drawn) return;
    this.frames.set(0, drawn);
    this.show(drawn);
    const press = (way, glyph) => button({ label: t(way === "forward" ? "walk.forward" : `turn.${way}`), glyph, press: () => this.key(way) });
    fill(this.dial, this.mode === "views" ? [press("left", "left"), h("output", { class: "degrees" }), press("right", "right")] : [press("left", "left"), press("forward", "up"), press("right", "right")]);
    this.told();
    this.stage.focus();
  }

  told() {
    const out = this.dial.querySelector("output");
    if (out) out.textContent = `${((this.at * STEP) % 360 + 360) % 360}°`;
  }

  /** Says a turn and waits for its picture; null when there was none. */
  async say(parts, wish, parent) {
    this.busy = true;
    this.status.textContent = t("drawing");
    try {
      const turn = await api.sayTurn(this.talk, { parts, wish, partial_images: 0, ...(parent ? { parent } : {}) });
      const last = await new Promise((resolve) => { this.unfollow = follow({ ...turn, job: turn.job.id }, { heard: ({ kind, data }) => { if (kind === "step") this.status.textContent = t("step", data); }, lost() {}, ended: (told, error) => resolve(told || { status: "failed", error, answer: [] }) }); });
      const drawn = last.answer.find((part) => part.type === "picture" && part.picture)?.picture || null;
      this.status.textContent = drawn ? "" : last.error?.message || t("ended.failed");
      return drawn;
    } catch (error) {
      this.status.textContent = error.message;
      return null;
    } finally {
      this.busy = false;
    }
  }

  show(picture) {
    this.now = picture;
    fill(this.stage, img(picture, { eager: true }));
  }

  key(way) {
    if (!this.now || this.busy) return Boolean(this.now);
    this.go(way);
    return true;
  }

  async go(way) {
    const said = SAID[language()] || SAID.en;
    if (this.mode === "walk") {
      const drawn = await this.say([{ type: "picture", id: this.now.id }, { type: "text", text: said[way === "forward" ? "forward" : way === "left" ? "walkLeft" : "walkRight"] }], { engine: this.engine, action: "edit" }, this.now.turn);
      if (drawn && !this.gone) { this.show(drawn); announce(t("turn.stepped")); }
      return;
    }
    if (way === "forward") return;
    const next = this.at + (way === "right" ? 1 : -1);
    const place = ((next % 12) + 12) % 12;
    if (!this.frames.has(place)) {
      const drawn = await this.say([{ type: "picture", id: this.now.id }, { type: "text", text: said[way] }], { engine: this.engine, action: "edit" }, this.now.turn);
      if (!drawn || this.gone) return;
      this.frames.set(place, drawn);
    }
    this.at = next;
    this.show(this.frames.get(place));
    this.told();
    announce(`${place * STEP}°`);
  }

  /** Dragging turns by one view for each sixth of the width. */
  drag(event) {
    if (this.mode !== "views" || !this.now) return;
    let from = event.clientX;
    const each = this.stage.clientWidth / 6;
    this.stage.setPointerCapture(event.pointerId);
    const move = (now) => {
      if (this.busy || Math.abs(now.clientX - from) < each) return;
      this.go(now.clientX > from ? "right" : "left");
      from = now.clientX;
    };
    this.stage.addEventListener("pointermove", move);
    this.stage.addEventListener("pointerup", () => this.stage.removeEventListener("pointermove", move), { once: true });
  }
}
