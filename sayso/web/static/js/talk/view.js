// The place to talk: conversations beside, the thread in the middle, the words below.

import * as api from "../api.js";
import { announce, button, fill, h, icon, toast } from "../dom.js";
import { t } from "../i18n.js";
import * as keys from "../keys.js";
import { brief } from "../kept.js";
import { confirm, filesOf } from "../pictures.js";
import { engine as engineOf, on, tellAll } from "../state.js";
import { composer } from "./composer.js";
import { conversationList } from "./list.js";
import { TurnCard } from "./turn.js";

const EXAMPLES = [["fox", 1], ["boat", 2], ["melon", 3], ["owl", 4], ["cat", 5], ["apples", 6]];

export async function open(root, [wanted]) {
  const talk = new Talk(root);
  await talk.enter(wanted);
  return { close: () => talk.close(), follow: async ([next]) => { await talk.enter(next); return true; } };
}

class Talk {
  constructor(root) {
    this.cards = new Map();
    this.tree = null;
    this.parent = undefined;
    this.list = conversationList({ opened: () => this.drawer(false) });
    this.words = composer({ send: (said) => this.send(said), stop: () => this.stop() });
    this.thread = h("ol", { class: "thread", "aria-label": t("thread") });
    this.title = h("h1", { class: "talk-name" });
    this.scroll = h("div", { class: "talk-scroll", tabindex: "-1" });
    this.below = button({ label: t("newest"), glyph: "down", kind: "to-end", press: () => this.toEnd(), hidden: true });
    this.side = button({ label: t("talks"), glyph: "menu", kind: "plain", press: () => this.drawer(true) });
    const veil = h("div", { class: "side-veil", on: { click: () => this.drawer(false) } });
    this.node = h("div", { class: "talk-view" }, this.list.node, veil, h("section", { class: "talk-main", "aria-label": t("place.talk") },
      h("header", { class: "talk-top" }, this.side, this.title, button({ label: t("new"), glyph: "new", kind: "plain only-narrow", press: () => { location.hash = "#/talk/new"; } })),
      this.scroll, this.foot = h("div", { class: "talk-foot" }, this.below, this.words.node), this.starts = h("div", { class: "starts" })));
    fill(root, this.node);
    this.node.addEventListener("dragover", (event) => { event.preventDefault(); this.node.classList.add("dropping"); });
    this.node.addEventListener("dragleave", (event) => { if (!this.node.contains(event.relatedTarget)) this.node.classList.remove("dropping"); });
    this.node.addEventListener("drop", (event) => { event.preventDefault(); this.node.classList.remove("dropping"); this.words.take(filesOf(event.dataTransfer)); });
    this.scroll.addEventListener("scroll", () => { this.below.hidden = this.atEnd(); }, { passive: true });
    this.grown = new ResizeObserver(() => { if (this.stick) this.toEnd(false); });
    this.grown.observe(this.thread);
    const heard = (told) => { if (told?.elsewhere && told.id && told.id === this.id) this.reload(false); };
    const seen = () => { if (document.visibilityState === "visible" && this.id && !this.live().length) this.reload(false); };
    this.off = [on("conversations", heard), () => document.removeEventListener("visibilitychange", seen)];
    document.addEventListener("visibilitychange", seen);
    keys.here([["j", t("key.next"), () => this.walk(1)], ["k", t("key.before"), () => this.walk(-1)], ["escape", t("key.stop"), () => this.escape()]]);
  }

  close() {
    for (const off of this.off) off();
    this.list.close();
    this.words.close();
    this.grown.disconnect();
    for (const card of this.cards.values()) card.close();
  }

  drawer(out) {
    this.node.classList.toggle("side-out", out);
    if (out) this.list.node.querySelector("input")?.focus();
  }

  escape() {
    if (this.node.classList.contains("side-out")) { this.drawer(false); return true; }
    if (this.live().length) { this.stop(); return true; }
    return false;
  }

  /** Shows a conversation; without an id a new one. */
  async enter(id) {
    for (const card of this.cards.values()) card.close();
    this.cards.clear();
    this.parent = undefined;
    this.tree = null;
    this.id = id && id !== "new" ? id : null;
    this.words.draft(this.id || "new");
    if (this.id) this.tree = await api.conversation(this.id).catch((error) => { if (error.status === 404) return null; throw error; });
    if (this.id && !this.tree) { location.replace("#/talk/new"); return; }
    this.list.mark(this.id);
    this.entering = true;
    this.paint();
    this.entering = false;
    this.collect();
    if (matchMedia("(min-width: 761px)").matches) this.words.focus();
  }

  /** What another page left for the next message. */
  collect() {
    const left = brief.take("reuse");
    if (left) { const { text, wish } = JSON.parse(left); this.words.set({ words: text, options: wish }); }
    const shown = brief.take("refer");
    if (shown) { this.words.attach(JSON.parse(shown)); }
  }

  path() {
    const by = new Map(this.tree.tree.map((turn) => [turn.id, turn]));
    return this.tree.path.map((id) => by.get(id)).filter(Boolean);
  }

  paint() {
    const turns = this.tree ? this.path() : [];
    const atEnd = this.entering || this.thread.parentNode !== this.scroll || this.atEnd();
    this.title.textContent = this.tree?.title || (this.tree ? t("untitled") : "");
    const kept = new Map();
    for (const turn of turns) {
      const known = this.cards.get(turn.id);
      if (known && known.turn.status === turn.status && known.turn.siblings.length === turn.siblings.length) kept.set(turn.id, known);
      else { known?.close(); kept.set(turn.id, new TurnCard(turn, this.acts())); }
    }
    for (const [id, card] of this.cards) if (!kept.has(id)) card.close();
    this.cards = kept;
    if (turns.length) {
      fill(this.thread, [...kept.values()].map((card) => card.node));
      if (this.thread.parentNode !== this.scroll) fill(this.scroll, this.thread);
      if (atEnd) this.toEnd(false);
    } else fill(this.scroll, this.welcome());
    fill(this.starts, turns.length === 0 && this.examples());
    this.node.classList.toggle("fresh", turns.length === 0);
    this.tend();
  }

  tend() {
    const drawn = [...this.cards.values()].some((card) => card.turn.answer.some((part) => part.type === "picture"));
    this.words.state({ drawing: this.live().length > 0, change: drawn });
  }

  live() { return [...this.cards.values()].filter((card) => card.live); }

  /** Shows the conversation as the server has it now; `changed`: by us, so that other tabs hear of it. */
  async reload(changed = true) {
    const { id } = this;
    const tree = await api.conversation(id).catch((error) => { if (error.status === 404) return null; throw error; });
    if (id !== this.id) return;
    if (!tree) { toast(t("talk.gone"), { closeLabel: t("close") }); tellAll("conversations"); location.replace("#/talk/new"); return; }
    this.tree = tree;
    this.paint();
    if (changed) tellAll("conversations", { id });
  }

  acts() {
    return {
      edit: (turn) => this.edit(turn),
      again: async (turn) => { await api.again(turn.conversation, turn.id); await this.reload(); },
      branch: async (turn) => { const made = await api.branch(turn.conversation, turn.id); announce(t("branched")); tellAll("conversations"); location.hash = `#/talk/${made.id}`; },
      remove: (turn) => this.remove(turn),
      choose: async (id) => { await api.changeConversation(this.id, { current: this.leaf(id) }); await this.reload(); },
      refer: (picture) => { this.words.attach(picture); this.words.focus(); },
      drawer: (turn) => (engineOf(turn.engine)?.options?.includes("plan") ? (plan) => this.drawPlan(turn, plan) : null),
      changed: async () => { await this.reload(); },
    };
  }

  /** The newest turn below one: going to a fork goes to its end. */
  leaf(id) {
    const by = new Map(this.tree.tree.map((turn) => [turn.id, turn]));
    let turn = by.get(id);
    while (turn?.children.length) turn = by.get(turn.children.at(-1));
    return turn?.id || id;
  }

  edit(turn) {
    this.parent = turn.parent;
    const texts = turn.said.filter((part) => part.type === "text").map((part) => part.text).join("\n");
    const { seed, ...wish } = turn.wish;
    this.words.set({ words: texts, pictures: turn.said.filter((part) => part.type === "picture" && part.picture).map((part) => part.picture), options: wish });
    this.words.editing(t("editing"), () => { this.parent = undefined; });
    this.words.focus();
  }

  /** Deletes a turn with what followed; what was asked goes with its only answer, the conversation with its last turn. */
  async remove(turn) {
    if (!await confirm(t("turn.delete.title"), t("turn.delete.words"), t("delete"))) return;
    const alone = turn.asked && !this.tree.tree.some((one) => one.id !== turn.id && one.asked === turn.asked);
    await api.deleteTurn(turn.conversation, alone ? turn.asked : turn.id);
    announce(t("deleted"));
    const rest = await api.conversation(turn.conversation);
    if (rest.tree.length) { if (this.id === turn.conversation) await this.reload(); return; }
    await api.deleteConversation(turn.conversation);
    this.id = null;
    tellAll("conversations", { id: turn.conversation });
    location.hash = "#/talk/new";
  }

  async drawPlan(turn, plan) {
    const parts = turn.said.map((part) => (part.type === "text" ? { type: "text", text: part.text } : { type: "picture", id: part.picture.id }));
    const wish = { ...turn.wish, engine_options: { plan } };
    delete wish.think; // the plan is there already
    delete wish.plan_only;
    await this.post({ parts, wish, parent: turn.parent, fork: true });
  }

  async send({ parts, wish, once }) {
    const fork = this.parent !== undefined;
    await this.post({ parts, wish, once, parent: this.parent, fork });
    return true;
  }

  /** Says a turn; a conversation begins with its first. */
  async post({ parts, wish, parent, fork, once }) {
    if (!this.id) {
      this.id = (await api.createConversation()).id;
      this.words.named(this.id);
    }
    const body = { parts, wish, partial_images: 3 };
    if (fork && parent) body.parent = parent;
    if (fork && !parent) body.from_start = true;
    const turn = await api.sayTurn(this.id, body, once);
    this.parent = undefined;
    if (location.hash !== `#/talk/${this.id}`) history.replaceState(null, "", `#/talk/${this.id}`);
    await this.reload();
    this.list.mark(this.id);
    this.toEnd();
    return turn;
  }

  async stop() { await Promise.all(this.live().map((card) => card.cancel())); }

  walk(by) {
    const nodes = [...this.cards.values()].map((card) => card.node);
    const top = this.scroll.getBoundingClientRect().top;
    const at = nodes.findIndex((node) => node.getBoundingClientRect().top >= top - 4);
    nodes[Math.min(nodes.length - 1, Math.max(0, (at < 0 ? nodes.length - 1 : at) + by))]?.scrollIntoView({ block: "start" });
  }

  atEnd() { return this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 120; }
  get stick() { return this.live().length > 0 && this.below.hidden; }
  toEnd(smooth = true) { this.scroll.scrollTo({ top: this.scroll.scrollHeight, behavior: smooth ? "smooth" : "instant" }); }

  // --- the first screen

  welcome() {
    return h("div", { class: "welcome" }, h("h2", { class: "motto" }, t("motto")), h("p", { class: "motto-more" }, t("motto.more")),
      !this.words.engine && h("p", { class: "note warn" }, icon("warn"), t("cannot.none"), h("a", { href: "#/settings/engines" }, t("set.engines"))));
  }

  examples() {
    const art = (name) => new URL(`../../art/example-${name}.webp`, import.meta.url).href;
    const card = ([name, nth]) => h("li", {}, h("button", { type: "button", class: "example", on: { click: () => { this.words.set({ words: t(`example.${name}`) }); this.words.focus(); announce(t("example.taken")); } } },
      h("img", { src: art(name), alt: "", width: 160, height: 160, "data-nth": nth }), h("span", {}, t(`example.${name}`))));
    return h("ul", { class: "examples", "aria-label": t("examples") }, EXAMPLES.map(card));
  }
}
