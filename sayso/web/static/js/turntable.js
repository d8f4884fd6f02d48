// Things that turn under the hand, and alleys to walk in: each view is drawn from the one before, where an engine can.

import * as api from "./api.js";
import { announce, button, field, fill, h, icon, select, sheet } from "./dom.js";
import { language, t } from "./i18n.js";
import * as keys from "./keys.js";
import { img } from "./pictures.js";
import { can, known, ready } from "./state.js";
import { follow } from "./talk/follow.js";

const STEP = 30; // degrees from one view to the next
const ROUND = 360 / STEP;
const SAID = {
  views: { left: [`turn it ${STEP} degrees to the left`, `把它向左转${STEP}度`], right: [`turn it ${STEP} degrees to the right`, `把它向右转${STEP}度`] },
  walk: { left: ["turn left", "向左转"], forward: ["go forward", "向前走"], right: ["turn right", "向右转"] },
};
const GLYPH = { left: "left", right: "right", forward: "up", back: "undo" };
const WAYS = { views: ["left", "right"], walk: ["left", "forward", "right", "back"] };

export async function open(root, [mode, talk]) {
  await sheet("turntable");
  const turner = new Turner(root, mode);
  if (talk) await turner.resume(talk);
  return { close: () => turner.close(), follow: async () => false };
}

const placeOf = (at) => ((at % ROUND) + ROUND) % ROUND;
const shownBy = (pair) => pair.answer.find((part) => part.type === "picture" && part.picture)?.picture || null;

class Turner {
  constructor(root, mode) {
    this.able = { views: ready().filter((row) => can(row, "views")), walk: ready().filter((row) => can(row, "walk")) };
    this.mode = mode in WAYS ? mode : this.able.views.length || !this.able.walk.length ? "views" : "walk";
    const tab = (name) => h("a", { class: "button", href: `#/turn/${name}`, "aria-current": name === this.mode ? "page" : null }, t(`turn.${name}`));
    this.place = h("div", { class: "stack" });
    fill(root, h("div", { class: "page", tabindex: "-1" }, h("div", { class: "page-inner" }, h("header", { class: "page-head" }, h("div", {}, h("h1", {}, t("turn.title")), h("p", {}, t("turn.words"))),
      h("nav", { class: "row turn-modes", "aria-label": t("turn.title") }, Object.keys(WAYS).map(tab))), this.place)));
    const arrows = { left: "arrowleft", right: "arrowright", forward: "arrowup", back: "arrowdown" };
    const name = (way) => (["forward", "back"].includes(way) ? t(`walk.${way}`) : t(`turn.${way}`));
    keys.here([...WAYS[this.mode].map((way) => [arrows[way], name(way), () => this.key(way)]), ["escape", t("key.stop"), () => { if (!this.job) return false; this.stop(); return true; }]]);
    this.forget();
    if (this.able[this.mode].length) this.furnish(name);
    else this.apologise();
  }

  close() { this.gone = true; this.unfollow?.(); }

  forget() {
    this.frames = new Map(); // views: place → picture
    this.trail = []; // walk: pictures, the newest last
    this.at = 0;
    this.now = null;
    this.talk = null;
  }

  apologise() {
    const would = known.engines.filter((row) => can(row, this.mode));
    fill(this.place, h("div", { class: "card empty" }, icon("turn"), h("p", {}, t(`turn.cannot.${this.mode}`)), would.length > 0 && h("ul", { class: "able" }, would.map((row) => h("li", {}, h("b", {}, row.name), h("small", {}, t("engine.missing.why", { why: row.missing }))))),
      h("a", { class: "button", href: "#/settings/engines" }, t("set.engines"))));
  }

  furnish(name) {
    const able = this.able[this.mode];
    this.engine = able[0].name;
    this.words = h("input", { value: t(`turn.example.${this.mode}`), required: true, maxlength: 1000 });
    this.stage = h("div", { class: `turn-stage ${this.mode}`, tabindex: "0", role: "application", "aria-label": t(`turn.stage.${this.mode}`), "aria-describedby": "turn-status" }, h("p", {}, icon("turn"), t(`turn.hint.${this.mode}`)));
    this.ways = WAYS[this.mode].map((way) => button({ label: name(way), glyph: GLYPH[way], "data-way": way, press: () => this.key(way) }));
    this.degrees = h("output", { class: "degrees" });
    this.round = button({ text: t("turn.round"), glyph: "again", press: () => (this.job ? this.stop() : this.wholeRound()) });
    this.dial = h("div", { class: "row turn-dial", hidden: true }, this.mode === "views" ? [this.ways[0], this.degrees, this.ways[1], this.round] : this.ways);
    this.dots = h("ol", { class: "turn-dots", hidden: true, "aria-label": t("turn.drawn") });
    this.status = h("p", { role: "status", class: "turn-status", id: "turn-status" });
    this.stage.addEventListener("pointerdown", (event) => this.drag(event));
    fill(this.place, h("form", { class: "card turn-form", on: { submit: (event) => { event.preventDefault(); this.begin(); } } }, field(t("turn.what"), this.words),
      able.length > 1 && field(t("option.engine"), select(able.map((row) => [row.name, row.name]), this.engine, (chosen) => { this.engine = chosen; })), button({ text: t("draw"), glyph: "send", kind: "main", type: "submit" })),
    this.stage, this.dial, this.dots, this.status);
  }

  // --- what is there already

  /** Builds everything up again from the conversation that an address names, and waits for what is still being drawn. */
  async resume(talk) {
    const told = await api.conversation(talk).catch((error) => { if (error.status === 404) return null; throw error; });
    if (!told || !this.stage || this.gone) return;
    this.forget();
    this.talk = talk;
    const places = new Map();
    let last = null, live = null;
    for (const pair of told.tree) {
      const words = pair.said.find((part) => part.type === "text")?.text;
      const way = Object.keys(SAID[this.mode]).find((one) => SAID[this.mode][one].includes(words));
      places.set(pair.id, (places.get(pair.parent) ?? 0) + ({ left: -1, right: 1 }[way] || 0));
      if (!pair.parent && words) this.words.value = words;
      if (["queued", "running"].includes(pair.status)) live = pair;
      const picture = shownBy(pair);
      if (!picture) continue;
      this.frames.set(placeOf(places.get(pair.id)), picture);
      this.trail.push(picture);
      last = { at: places.get(pair.id), picture, engine: pair.engine };
    }
    if (last) { this.engine = last.engine || this.engine; this.show(last.picture, last.at); }
    if (live) { await this.watch(live); if (!this.gone) await this.resume(talk); }
  }

  // --- drawing

  async begin() {
    this.unfollow?.();
    const talk = (await api.createConversation(this.words.value.slice(0, 200))).id;
    this.forget();
    this.talk = talk;
    history.replaceState(null, "", `#/turn/${this.mode}/${talk}`);
    const drawn = await this.say([{ type: "text", text: this.words.value }], "generate", null);
    if (!drawn) return;
    this.trail.push(drawn);
    this.show(drawn, 0);
    this.stage.focus({ preventScroll: true });
    this.status.scrollIntoView({ block: "nearest" }); // the buttons under the picture come into sight
  }

  /** Says a turn and waits for its picture; null when there was none. */
  async say(parts, action, parent) {
    this.job = "asked";
    this.tend();
    this.status.textContent = t("drawing");
    try {
      const turn = await api.sayTurn(this.talk, { parts, wish: { engine: this.engine, action }, partial_images: 0, ...(parent ? { parent } : {}) });
      return await this.watch({ ...turn, job: turn.job.id });
    } catch (error) {
      this.job = null;
      this.tend();
      this.status.textContent = error instanceof api.ApiError ? error.message : t("lost.connection");
      return null;
    }
  }

  async watch(turn) {
    this.job = turn.job;
    this.tend();
    const last = await new Promise((resolve) => {
      this.unfollow = follow(turn, {
        heard: ({ kind, data }) => { if (kind === "step") this.status.textContent = t("step", data); },
        lost: (away) => { if (away) this.status.textContent = t("reconnecting"); },
        ended: (told, error) => resolve(told || { status: "failed", error, answer: [] }),
      });
    });
    this.job = null;
    const drawn = shownBy(last);
    this.status.textContent = drawn ? "" : last.error?.message || t(`ended.${last.status === "cancelled" ? "cancelled" : "failed"}`);
    this.tend();
    return drawn;
  }

  async stop() {
    this.rounds = false;
    if (this.job && this.job !== "asked") await api.cancelJob(this.job).catch((error) => { this.status.textContent = error.message; });
  }

  show(picture, at) {
    this.now = picture;
    this.at = at;
    this.frames.set(placeOf(at), picture);
    this.stage.style.setProperty("--ratio", `${picture.width} / ${picture.height}`);
    fill(this.stage, img(picture, { eager: true }));
    this.tend();
  }

  tend() {
    this.dial.hidden = !this.now;
    this.degrees.textContent = `${placeOf(this.at) * STEP}°`;
    const whole = this.frames.size === ROUND;
    for (const node of this.ways) node.disabled = Boolean(this.job) && !(this.mode === "views" && whole);
    for (const node of this.ways) if (node.dataset.way === "back") node.disabled = this.trail.length < 2 || Boolean(this.job);
    fill(this.round, icon(this.job ? "stop" : "again"), h("span", {}, t(this.job ? "stop" : "turn.round")));
    this.round.hidden = whole;
    this.dots.hidden = this.mode !== "views" || !this.now;
    if (!this.dots.hidden) fill(this.dots, Array.from({ length: ROUND }, (_, place) => h("li", { class: this.frames.has(place) ? "there" : "", "aria-current": place === placeOf(this.at) ? "true" : null }, h("span", { class: "visually-hidden" }, `${place * STEP}°`))));
  }

  // --- moving

  key(way) {
    if (!this.now) return false;
    this.go(way);
    return true;
  }

  /** One step; what was drawn before is shown at once. Whether there is something to be seen. */
  async go(way) {
    if (way === "back") { if (this.job || this.trail.length < 2) return false; this.trail.pop(); this.show(this.trail.at(-1), 0); return true; }
    if (!(way in SAID[this.mode])) return false;
    const next = this.at + ({ left: -1, right: 1 }[way] || 0);
    const there = this.mode === "views" && this.frames.get(placeOf(next));
    if (there) this.show(there, next);
    else {
      if (this.job) return false;
      const talk = this.talk;
      const drawn = await this.say([{ type: "picture", id: this.now.id }, { type: "text", text: SAID[this.mode][way][language() === "zh" ? 1 : 0] }], "edit", this.now.turn);
      if (!drawn || this.gone || this.talk !== talk) return false;
      this.trail.push(drawn);
      this.show(drawn, next);
    }
    announce(this.mode === "views" ? `${placeOf(next) * STEP}°` : t("turn.stepped"));
    return true;
  }

  /** Draws every view that is still missing, one after the other. */
  async wholeRound() {
    this.rounds = true;
    for (let left = ROUND; left > 0 && this.rounds && this.frames.size < ROUND && !this.gone; left -= 1) if (!await this.go("right")) break;
    this.rounds = false;
  }

  /** Dragging turns by one view for each eighth of the width; in the alley a swipe turns, and one upwards walks on. */
  drag(event) {
    if (!this.now || event.button > 0) return;
    let [x, y] = [event.clientX, event.clientY];
    const each = this.stage.clientWidth / 8;
    this.stage.setPointerCapture(event.pointerId);
    const move = (now) => {
      const [dx, dy] = [now.clientX - x, now.clientY - y];
      const way = Math.abs(dx) >= each ? (dx > 0 ? "right" : "left") : this.mode === "walk" && dy <= -each ? "forward" : null;
      if (!way) return;
      [x, y] = [now.clientX, now.clientY];
      this.go(way);
    };
    const end = () => {
      this.stage.removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) this.stage.removeEventListener(name, end);
    };
    this.stage.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) this.stage.addEventListener(name, end);
  }
}
