// Where a person says what is to be drawn: words, pictures with names, and how it shall be.

import * as api from "../api.js";
import { announce, button, field, fill, h, icon, place, select, toast } from "../dom.js";
import { t } from "../i18n.js";
import { brief } from "../kept.js";
import { choose, filesOf, img } from "../pictures.js";
import { can, engine as engineOf, known, on, others, prefer } from "../state.js";
import { pick, styleName, styled, thumb } from "./look.js";

const MOST = 16;
const START = () => ({ count: 1, size: "auto", background: "auto" });

/** `send({parts, wish})` → true when it was taken; `stop()` while something is drawn. */
export function composer({ send, stop }) {
  let wish = START();
  let style = "";
  let attached = [];
  const coming = []; // files on their way to the server
  let last = { mark: "", once: "" }; // of the message that was sent last, to send it but once
  let working = false;
  let sending = false;
  let waiting = false; // sent as soon as the pictures are here
  let mode = "draw";
  let draft = "";

  const text = h("textarea", { id: "prompt", rows: 1, dir: "auto", "aria-label": t("prompt"), "aria-describedby": "prompt-note", on: { input: () => { waiting = false; grow(); keep(); tend(); }, keydown: pressed, paste: pasted } });
  const shelf = h("ul", { class: "shelf", "aria-label": t("attached"), hidden: true });
  const chips = h("div", { class: "chips" });
  const note = h("p", { class: "composer-note", id: "prompt-note" });
  const go = button({ label: t("draw"), glyph: "send", kind: "main go", press: () => (working && !text.value.trim() ? stop() : submit()) });
  const add = button({ label: t("attach"), glyph: "plus", kind: "plain", press: async () => take(await choose({ several: true })) });
  const styleButton = button({ text: t("style"), glyph: "style", kind: "plain", "aria-haspopup": "dialog", press: chooseStyle });
  const optionsButton = button({ text: t("options"), glyph: "settings", kind: "plain", "aria-haspopup": "dialog", press: openOptions });
  const banner = h("div", { class: "editing", hidden: true });
  const node = h("form", { class: "composer", "aria-label": t("composer"), on: { submit: (event) => { event.preventDefault(); submit(); } } }, banner, shelf, text, chips,
    h("div", { class: "composer-tools" }, add, styleButton, optionsButton, h("span", { class: "grow" }), go), note);
  const row = () => engineOf(wish.engine || undefined);

  function grow() {
    text.style.setProperty("height", "auto");
    text.style.setProperty("height", `${Math.min(text.scrollHeight + 2, innerHeight * 0.4)}px`);
  }
  function keep() { if (draft) brief.set(draft, text.value || null); }

  function pressed(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); submit(); }
    if (event.key === "Escape" && !banner.hidden) { event.preventDefault(); leaveEdit(); }
  }

  function pasted(event) {
    const files = filesOf(event.clipboardData);
    if (files.length) { event.preventDefault(); take(files); }
  }

  /** Uploads files and puts them beside the words. */
  async function take(files) {
    const taken = files.slice(0, Math.max(0, MOST - attached.length - coming.length));
    coming.push(...taken);
    tend();
    const sent = taken.map((file) => api.upload(file));
    for (const one of sent) one.catch(() => {}); // told below, in order
    for (const [index, file] of taken.entries()) {
      try {
        attach(await sent[index], file.name.replace(/\.\w+$/, ""));
      } catch (error) {
        waiting = false;
        toast(t("upload.failed", { name: file.name, reason: error instanceof api.ApiError ? error.message : t("lost.connection") }), { bad: true, closeLabel: t("close") });
      }
      coming.splice(coming.indexOf(file), 1);
      tend();
    }
    if (files.length > taken.length) toast(t("attached.most", { most: MOST }), { bad: true, closeLabel: t("close") });
    text.focus();
    if (waiting && !coming.length) submit();
  }

  function attach(picture, name = "") {
    if (attached.some((one) => one.picture.id === picture.id)) return;
    attached.push({ picture, name: name.slice(0, 40), given: false });
    announce(t("attached.one", { nth: attached.length }));
    tend();
  }

  function paintShelf() {
    shelf.hidden = attached.length + coming.length === 0;
    fill(shelf, attached.map((one, index) => h("li", {}, h("span", { class: "checkered shelf-picture" }, img(one.picture, { small: true })),
      h("input", { value: one.name, placeholder: t("attached.nth", { nth: index + 1 }), "aria-label": t("attached.name", { nth: index + 1 }), maxlength: 40,
        on: { input: (event) => { one.name = event.target.value; one.given = true; } } }),
      button({ label: t("attached.remove", { nth: index + 1 }), glyph: "close", kind: "plain small", press: () => { attached.splice(index, 1); tend(); text.focus(); } }))),
      coming.map((file) => h("li", { class: "coming" }, h("span", { class: "shelf-picture spinning" }), h("span", {}, t("uploading", { name: file.name })))));
  }

  async function chooseStyle() {
    const id = await pick(row(), style);
    if (id !== null) { style = id; tend(); }
    text.focus();
  }

  // --- options

  function openOptions() {
    const box = h("div", { class: "sheet stack", popover: "auto", role: "dialog", "aria-label": t("options") });
    const change = (name) => (value) => { if (value === "" || value === null) delete wish[name]; else wish[name] = value; tend(); };
    const number = (name, least, most, hint) => field(t(`option.${name}`), h("input", { type: "number", min: least, max: most, value: wish[name] ?? "", placeholder: hint, inputmode: "numeric",
      on: { change: (event) => change(name)(event.target.value === "" ? "" : Math.min(most, Math.max(least, Number(event.target.value)))) } }));
    const paint = () => {
      const now = row();
      const cannot = (ability, words) => !can(now, ability) && h("p", { class: "note" }, icon("info"), words + (others(ability).length ? ` ${t("able", { engines: others(ability).join(", ") })}` : ""));
      fill(box, h("h2", {}, t("options")),
        field(t("option.engine"), select(known.engines.map((one) => [one.name, one.missing ? t("engine.missing", { name: one.name }) : one.name, Boolean(one.missing)]), now?.name,
          (name) => { wish.engine = name; prefer("engine", name); paint(); tend(); })), h("small", {}, now?.summary),
        h("div", { class: "pair" }, field(t("option.size"), select([["auto", t("size.auto")], ...sizes(now)], wish.size, change("size"))),
          field(t("option.count"), select([1, 2, 3, 4, 6, 8].map((n) => [String(n), String(n)]), String(wish.count), (n) => change("count")(Number(n))))),
        field(t("option.background"), select([["auto", t("background.auto")], ["transparent", t("background.transparent"), !can(now, "transparent")], ["colour", t("background.colour")]],
          wish.background_color ? "colour" : wish.background, (value) => {
            delete wish.background_color;
            if (value === "colour") { wish.background = "opaque"; wish.background_color = "#f7d020"; } else wish.background = value;
            paint(); tend();
          })),
        wish.background_color && field(t("background.pick"), h("input", { type: "color", value: wish.background_color, on: { input: (event) => { wish.background_color = event.target.value; tend(); } } })),
        cannot("transparent", t("cannot.transparent", { engine: now?.name })),
        h("label", { class: "tick" }, h("input", { type: "checkbox", checked: Boolean(wish.think), disabled: !can(now, "think"), on: { change: (event) => { change("think")(event.target.checked || ""); if (!event.target.checked) delete wish.plan_only; paint(); } } }), h("span", {}, t("option.think"))),
        can(now, "think") && wish.think && now.options?.includes("plan") && h("label", { class: "tick" }, h("input", { type: "checkbox", checked: Boolean(wish.plan_only), on: { change: (event) => change("plan_only")(event.target.checked || "") } }), h("span", {}, t("option.wait"))),
        cannot("think", t("cannot.think", { engine: now?.name })),
        h("label", { class: "tick" }, h("input", { type: "checkbox", checked: wish.action === "answer", disabled: !can(now, "ask"), on: { change: (event) => change("action")(event.target.checked ? "answer" : "") } }), h("span", {}, t("option.answer"))),
        cannot("ask", t("cannot.ask", { engine: now?.name })),
        h("div", { class: "pair" }, number("seed", 0, 2 ** 53 - 1, t("seed.any")), number("steps", 1, 1000, now?.steps ? String(now.steps) : t("size.auto"))),
        number("guidance", 0, 100, t("size.auto")),
        button({ text: t("options.reset"), kind: "small", press: () => { wish = START(); style = ""; paint(); tend(); } }));
    };
    paint();
    document.body.append(box);
    box.addEventListener("toggle", (event) => { if (event.newState === "closed") { box.remove(); text.focus(); } });
    box.showPopover();
    place(box, optionsButton);
    box.querySelector("select")?.focus();
  }

  function sizes(now) {
    const told = now?.sizes?.length ? now.sizes : ["512x512", "768x512", "512x768", "1024x1024"];
    return told.map((size) => {
      const [w, hgt] = size.split("x").map(Number);
      return [size, `${t(w === hgt ? "size.square" : w > hgt ? "size.wide" : "size.tall")} ${w} × ${hgt}`];
    });
  }

  function paintChips() {
    const chip = (words, forget, before = null) => h("span", { class: "chip" }, before, words, h("button", { type: "button", "aria-label": t("chip.remove", { what: words }), on: { click: () => { forget(); tend(); text.focus(); } } }, icon("close")));
    const plain = (name, words) => wish[name] !== undefined && chip(words, () => { delete wish[name]; });
    fill(chips, style && chip(styleName(style), () => { style = ""; }, thumb(style)),
      wish.size !== "auto" && chip(wish.size.replace("x", " × "), () => { wish.size = "auto"; }), wish.count > 1 && chip(t("count.of", { count: wish.count }), () => { wish.count = 1; }),
      wish.background === "transparent" && chip(t("background.transparent"), () => { wish.background = "auto"; }),
      wish.background_color && chip(wish.background_color, () => { delete wish.background_color; wish.background = "auto"; }, h("i", { class: "swatch", vars: { background: wish.background_color } })),
      wish.think && chip(t(wish.plan_only ? "option.wait.short" : "option.think.short"), () => { delete wish.think; delete wish.plan_only; }), wish.action === "answer" && chip(t("option.answer.short"), () => { delete wish.action; }),
      plain("seed", t("seed.of", { seed: wish.seed })), plain("steps", t("steps.of", { steps: wish.steps })), plain("guidance", t("guidance.of", { guidance: wish.guidance })));
    chips.hidden = chips.childElementCount === 0;
  }

  /** Brings everything in line with what was chosen. */
  function tend() {
    const now = row();
    paintShelf();
    paintChips();
    styleButton.classList.toggle("set", Boolean(style));
    text.placeholder = t(attached.length ? "prompt.pictures" : mode === "change" && can(now, "edit") ? "prompt.change" : "prompt.draw");
    const stopping = working && !text.value.trim();
    fill(go, icon(stopping ? "stop" : "send"));
    go.setAttribute("aria-label", t(stopping ? "stop" : "draw"));
    go.title = t(stopping ? "stop" : "draw");
    go.disabled = sending || waiting || (!stopping && !text.value.trim() && attached.length + coming.length === 0);
    const said = advice(now);
    fill(note, said);
    note.classList.toggle("usual", said === t("prompt.note", { engine: now?.name }));
  }

  /** What this engine cannot do of what is in the message, in words. */
  function advice(now) {
    if (!now) return t("cannot.none");
    if (waiting) return t("sent.soon");
    const able = (ability) => (others(ability).length ? ` ${t("able", { engines: others(ability).join(", ") })}` : "");
    const most = Math.min(now.prompt_limit, known.server.limits.prompt_characters);
    if (text.value.length > most) return t("prompt.long", { count: text.value.length, most });
    if (attached.length && !can(now, "edit") && !can(now, "references") && wish.action !== "answer") return t("cannot.pictures", { engine: now.name }) + able("edit");
    if (attached.length > 1 && !can(now, "references") && wish.action !== "answer") return t("cannot.references", { engine: now.name }) + able("references");
    if (mode === "change" && !can(now, "edit")) return t("cannot.edit", { engine: now.name }) + able("edit");
    return t("prompt.note", { engine: now.name });
  }

  async function submit() {
    if (sending || (!text.value.trim() && attached.length + coming.length === 0)) return;
    waiting = coming.length > 0;
    if (waiting) return tend();
    const now = row();
    let words = text.value.trim();
    const named = attached.map((one, index) => one.given && one.name.trim() && t("attached.is", { nth: index + 1, name: one.name.trim() })).filter(Boolean);
    if (named.length) words = `${words}\n(${named.join("; ")})`;
    const clean = Object.fromEntries(Object.entries({ ...wish, engine: now?.name }).filter(([name, value]) => !(name === "size" && value === "auto") && !(name === "background" && value === "auto") && !(name === "count" && value === 1)));
    const made = styled(now, style, words, clean);
    const parts = [...attached.map((one) => ({ type: "picture", id: one.picture.id })), ...(made.text ? [{ type: "text", text: made.text }] : [])];
    const mark = JSON.stringify([parts, made.wish]);
    if (last.mark !== mark) last = { mark, once: api.unique() };
    sending = true;
    tend();
    try {
      if (!await send({ parts, wish: made.wish, once: last.once })) return;
      last = { mark: "", once: "" };
      text.value = "";
      attached = [];
      delete wish.seed;
      keep();
      leaveEdit(false);
    } catch (error) {
      toast(error instanceof api.ApiError ? error.message : t("lost.connection"), { bad: true, closeLabel: t("close"), action: { text: t("again"), press: submit } });
    } finally {
      sending = false;
      grow();
      tend();
    }
  }

  // --- from outside

  function editing(words, leave) {
    banner.hidden = false;
    fill(banner, icon("edit"), h("span", { class: "grow" }, words), button({ text: t("cancel"), kind: "plain small", press: () => leaveEdit() }));
    banner.leave = leave;
  }
  function leaveEdit(clear = true) {
    if (banner.hidden) return;
    banner.hidden = true;
    banner.leave?.();
    if (clear) { text.value = ""; attached = []; grow(); tend(); }
  }

  const offEngines = on("engines", tend);
  tend();
  return {
    node, take, attach, editing, focus: () => text.focus(),
    set({ words, pictures = null, options = null }) {
      if (words !== undefined) text.value = words;
      if (pictures) attached = pictures.map((picture) => ({ picture, name: "", given: false }));
      if (options) { const { style: named, ...rest } = options; style = named || ""; wish = { ...START(), ...Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined && value !== null)) }; }
      grow(); keep(); tend();
    },
    /** The conversation has its name now; what is being written goes with it. */
    named(name) { brief.set(draft, null); draft = `draft.${name}`; keep(); },
    draft(name) { draft = `draft.${name}`; last = { mark: "", once: "" }; text.value = brief.get(draft) || ""; leaveEdit(false); attached = []; requestAnimationFrame(grow); tend(); },
    state({ drawing, change }) { working = drawing; mode = change ? "change" : "draw"; tend(); },
    get engine() { return row(); },
    close: offEngines,
  };
}
