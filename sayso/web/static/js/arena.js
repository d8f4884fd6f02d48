// Two pictures of the same words, blind: which is better? And what all votes together say, with intervals.

import * as api from "./api.js";
import { announce, button, field, fill, h, icon, next, put, select, sheet, toast } from "./dom.js";
import { language, t } from "./i18n.js";
import * as keys from "./keys.js";
import { can, painters, prefer, ready } from "./state.js";
import { styleName } from "./talk/look.js";

const CATEGORIES = ["animals", "things", "scenes", "counting", "places", "colours", "lettering", "people"];
const PROMPTS = {
  animals: [["a red fox in the snow", "雪地里的一只红色狐狸"], ["a cat with a hat", "一只戴帽子的猫"]], things: [["a teapot and two cups", "一个茶壶和两个杯子"], ["a blue bicycle", "一辆蓝色的自行车"]],
  scenes: [["a boat on the sea", "海上的一艘船"], ["a lighthouse at night", "夜里的灯塔"]], counting: [["three apples and two pears", "三个苹果和两个梨"], ["five yellow stars", "五颗黄色的星星"]],
  places: [["a dog to the left of a house", "一只狗在房子的左边"], ["a bird above a tree", "一只鸟在树的上面"]], colours: [["a green car on a pink background", "一辆绿色的汽车，粉色背景"], ["a purple umbrella", "一把紫色的雨伞"]],
  lettering: [["a sign that says \"HELLO\"", "一块写着“你好”的牌子"], ["a card with the word \"YES\"", "一张写着“好”的卡片"]], people: [["an astronaut", "一名宇航员"], ["a chef with a cake", "端着蛋糕的厨师"]],
};
const prompts = (category) => PROMPTS[category].map((pair) => pair[language() === "zh" ? 1 : 0]);
const CHOICES = [["left", "a"], ["right", "b"], ["tie", "t"], ["both_bad", "x"]];

export async function open(root) {
  await sheet("arena");
  const arena = new Arena(root);
  await arena.standings();
  return { close: () => arena.close(), follow: async () => true };
}

/** The two sides that a person may set: an engine, and how it draws. */
function side(kept, fallback) {
  const wish = { ...fallback, ...kept };
  if (!ready().some((row) => row.name === wish.engine)) wish.engine = fallback.engine;
  return wish;
}

function remembered() {
  try { return JSON.parse(prefer("arena") || "{}") || {}; } catch { return {}; }
}

class Arena {
  constructor(root) {
    const names = painters().map((row) => row.name);
    const kept = remembered();
    this.category = "animals";
    this.sides = [side(kept.a, { engine: names[0] || "", steps: null }), side(kept.b, { engine: names[1] || names[0] || "", steps: names.length > 1 ? null : 4 })];
    this.prompt = h("input", { value: prompts("animals")[0], maxlength: 1000, required: true });
    this.fight = h("div", { class: "fight", "aria-live": "polite" });
    this.table = h("section", { class: "stack", "aria-label": t("standings") });
    this.go = button({ text: t("arena.go"), glyph: "arena", kind: "main", type: "submit" });
    const setup = h("form", { class: "card stack", on: { submit: (event) => { event.preventDefault(); this.draw(); } } },
      h("div", { class: "arena-words" }, field(t("arena.category"), select(CATEGORIES.map((name) => [name, t(`category.${name}`)]), this.category, (name) => { this.category = name; this.another(); })),
        h("div", { class: "grow" }, field(t("arena.prompt"), this.prompt)), button({ label: t("arena.another"), glyph: "again", press: () => this.another() })),
      h("div", { class: "pair" }, this.sides.map((wish, index) => this.corner(wish, index))), h("div", { class: "row" }, this.go, h("small", {}, t("arena.blind"))));
    fill(root, h("div", { class: "page", tabindex: "-1" }, h("div", { class: "page-inner" }, h("header", { class: "page-head" }, h("div", {}, h("h1", {}, t("place.arena")), h("p", {}, t("arena.words")))),
      setup, this.fight, this.table)));
    if (!names.length) fill(setup, h("p", { class: "note warn" }, icon("warn"), t("cannot.none")));
    keys.here(CHOICES.map(([choice, key]) => [key, t(`vote.${choice}`), () => { if (!this.open) return false; this.vote(choice); return true; }]));
  }

  close() { this.gone = true; }

  corner(wish, index) {
    const id = next();
    const steps = h("input", { type: "number", min: 1, max: 200, value: wish.steps ?? "", placeholder: t("size.auto"), on: { change: () => { wish.steps = steps.value === "" ? null : Number(steps.value); this.keep(); } } });
    const styles = h("div");
    const paint = () => {
      const known = ready().find((row) => row.name === wish.engine)?.styles || [];
      if (!known.includes(wish.style)) wish.style = null;
      fill(styles, field(t("style"), select([["", t("styles.none")], ...known.map((name) => [name, styleName(name)])], wish.style || "", (name) => { wish.style = name || null; this.keep(); }, { disabled: !known.length })));
    };
    paint();
    return h("fieldset", { class: "stack corner", "aria-labelledby": `c${id}` }, h("p", { class: "legend", id: `c${id}` }, t("arena.side", { nth: index + 1 })),
      field(t("option.engine"), select(ready().filter((row) => can(row, "draw")).map((row) => [row.name, row.name]), wish.engine, (name) => { wish.engine = name; paint(); this.keep(); })),
      h("div", { class: "pair" }, field(t("option.steps"), steps), styles));
  }

  keep() { prefer("arena", JSON.stringify({ a: this.sides[0], b: this.sides[1] })); }

  another() {
    const known = prompts(this.category);
    const at = known.indexOf(this.prompt.value);
    this.prompt.value = known[(at + 1) % known.length];
  }

  async draw() {
    const prompt = this.prompt.value.trim();
    if (!prompt) return;
    const sides = this.sides.map((wish) => Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== null && value !== "")));
    if (JSON.stringify(sides[0]) === JSON.stringify(sides[1])) { toast(t("arena.equal"), { bad: true, closeLabel: t("close") }); return; }
    this.open = null;
    this.go.disabled = true;
    const side = (name) => h("div", { class: "side-picture" }, h("h2", {}, t(`arena.${name}`)), h("div", { class: "slot" }));
    fill(this.fight, side("left"), side("right"), h("p", { class: "fight-note", role: "status" }, t("drawing")));
    try {
      let pair = await api.newPair({ prompt, category: this.category, sides });
      while (pair.state === "drawing" && !this.gone) {
        await new Promise((wake) => { setTimeout(wake, 350); });
        pair = await api.pair(pair.id);
      }
      if (this.gone) return;
      if (pair.state === "failed") throw new Error(pair.error || t("ended.failed"));
      this.show(pair);
    } catch (error) {
      fill(this.fight, h("p", { class: "note bad", role: "alert" }, icon("warn"), error.message));
    } finally {
      this.go.disabled = false;
    }
  }

  show(pair) {
    this.open = pair;
    const one = (name) => h("figure", { class: "side-picture" }, h("h2", {}, t(`arena.${name}`)), h("div", { class: "slot sharp checkered" }, h("img", { src: pair[name].url, alt: t("arena.alt", { side: t(`arena.${name}`), prompt: pair.prompt }) })), h("figcaption", { "data-side": name }));
    this.votes = h("div", { class: "votes", role: "group", "aria-label": t("vote") }, CHOICES.map(([choice, key]) => button({ text: t(`vote.${choice}`), press: () => this.vote(choice), "aria-keyshortcuts": key })));
    fill(this.fight, one("left"), one("right"), this.votes);
    announce(t("arena.ready"));
    this.votes.firstChild.focus();
  }

  async vote(choice) {
    const pair = this.open;
    this.open = null;
    for (const node of this.votes.children) node.disabled = true;
    const told = await api.vote(pair.id, choice).catch((error) => { this.open = pair; for (const node of this.votes.children) node.disabled = false; throw error; });
    for (const place of this.fight.querySelectorAll("[data-side]")) fill(place, h("b", {}, told.names?.[place.dataset.side === "left" ? 0 : 1] || ""));
    fill(this.votes, h("p", { class: "fight-note", role: "status" }, t(`voted.${choice}`)), button({ text: t("arena.next"), kind: "main", press: () => { this.another(); this.draw(); } }));
    this.votes.querySelector("button").focus();
    await this.standings();
  }

  // --- standings

  async standings(category = this.shown || "") {
    this.shown = category;
    const told = await api.standings(category);
    if (this.gone) return;
    const rows = [...told.data].sort((a, b) => b.rating - a.rating);
    const low = Math.min(...rows.map((row) => row.low)), high = Math.max(...rows.map((row) => row.high));
    const at = (value) => `${((value - low) / Math.max(1, high - low)) * 100}%`;
    const bar = (row) => h("div", { class: "interval", "aria-hidden": "true" }, h("span", { vars: { left: at(row.low), right: `calc(100% - ${at(row.high)})` } }), h("i", { vars: { left: at(row.rating) } }));
    fill(this.table, h("header", { class: "page-head" }, h("h2", {}, t("standings")), h("div", { class: "row" },
      select([["", t("category.all")], ...(told.categories || []).map((name) => [name, CATEGORIES.includes(name) ? t(`category.${name}`) : name])], category, (name) => this.standings(name), { "aria-label": t("arena.category") }),
      button({ text: t("export"), glyph: "download", press: () => this.export(told), disabled: !rows.length }))),
    rows.length ? h("div", { class: "scroll-x", tabindex: "0", role: "group", "aria-label": t("standings") }, h("table", {}, h("thead", {}, h("tr", {}, ["standings.who", "standings.rating", "standings.interval", "standings.votes"].map((key) => h("th", { scope: "col" }, t(key))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, row.name), h("td", {}, Math.round(row.rating)), h("td", {}, h("span", { class: "interval-words" }, `${Math.round(row.low)} – ${Math.round(row.high)}`), bar(row)), h("td", {}, row.votes))))))
      : h("p", {}, t("standings.none")), h("p", {}, h("small", {}, t("standings.how", { votes: told.votes }))));
  }

  /** The table as a file that a spreadsheet reads. */
  export(told) {
    const quoted = (text) => `"${String(text ?? "").replaceAll('"', '""')}"`;
    const text = ["name,rating,low,high,votes", ...told.data.map((row) => [quoted(row.name), row.rating, row.low, row.high, row.votes].join(","))].join("\n");
    const url = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" }));
    const link = h("a", { href: url, download: `sayso-arena${this.shown ? `-${this.shown}` : ""}.csv` });
    put(document.body, [link]);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 5000);
  }
}
