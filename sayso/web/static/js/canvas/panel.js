// What can be done to the picture on the table: each job says what it needs, and in words why it cannot be done where it cannot.

import * as api from "../api.js";
import { button, dialog, field, h, icon, put, select, toast } from "../dom.js";
import { t } from "../i18n.js";
import { describe, img } from "../pictures.js";
import { can, engine as engineOf, others, prefer, ready } from "../state.js";
import { pick, styleName, styled, thumb, way } from "../talk/look.js";
import { canvasOf, cutOut, extended, png, recolour, unhex } from "./pixels.js";

export const JOBS = [["change", "edit"], ["erase", "eraser"], ["extend", "frame"], ["cut", "scissors"], ["recolour", "drop"], ["style", "style"], ["variants", "compare"]];
const SHAPES = [["1:1", 1], ["4:3", 4 / 3], ["3:4", 3 / 4], ["16:9", 16 / 9], ["9:16", 9 / 16]];

/** The nodes of the job that was chosen. */
export function panel(table) {
  if (table.picture.kind === "upload" && ["cut", "recolour", "extend"].includes(table.job)) return [h("p", { class: "note" }, icon("info"), t("upload.hand"))];
  return { change, erase, extend, cut, recolour: paint, style, variants }[table.job](table);
}

// --- what engines can

const row = () => engineOf();

function chooser(table) {
  const now = row();
  return field(t("option.engine"), select(ready().map((one) => [one.name, one.name]), now?.name, (name) => { prefer("engine", name); table.paintPanel(); }));
}

/** A sentence when the engine lacks an ability; null when it has it. */
function lacks(ability, words) {
  const now = row();
  if (can(now, ability)) return null;
  const rest = others(ability);
  return h("p", { class: "note warn" }, icon("info"), h("span", {}, t(words, { engine: now?.name || "" }), " ", rest.length ? t("able", { engines: rest.join(", ") }) : t("able.none")));
}

const failed = (error) => toast(error.message, { bad: true, closeLabel: t("close") });
async function busy(node, work) {
  node.disabled = true;
  try { await work(); } catch (error) { failed(error); } finally { node.disabled = false; }
}

const sizeOf = (table) => `${table.picture.width}x${table.picture.height}`;
const maskOf = async (table) => (await api.upload(new File([await table.mask.file()], "mask.png", { type: "image/png" }))).id;

function maskTools(table) {
  return h("div", { class: "row" }, button({ text: t("mask.all"), kind: "small", press: () => { table.mask.invert(); table.tend(); } }),
    button({ text: t("mask.clear"), kind: "small", press: () => { table.mask.clear(); table.tend(); } }));
}

const marked = (table) => t("mask.share", { share: (table.share * 100).toFixed(table.share > 0 && table.share < 0.1 ? 1 : 0) });

// --- change, with or without a mask

function change(table) {
  const words = h("textarea", { rows: 3, placeholder: t("change.example"), value: "" });
  const said = h("p", { class: "note" });
  const missing = h("div");
  const go = button({ text: t("change.go"), glyph: "send", kind: "main", press: () => busy(go, async () => {
    if (!words.value.trim()) { words.focus(); return; }
    const mask = table.share > 0 ? await maskOf(table) : undefined;
    await table.say(words.value.trim(), { action: "edit", engine: row()?.name, mask, size: sizeOf(table) });
  }) });
  table.painted = () => {
    const masked = table.share > 0;
    said.replaceChildren(icon(masked ? "brush" : "info"), h("span", {}, masked ? `${marked(table)} ${t("mask.kept")}` : t("change.whole")));
    const note = lacks("edit", "cannot.edit") || (masked ? lacks("mask", "cannot.mask") : null);
    missing.replaceChildren(...(note ? [note] : []));
    go.hidden = Boolean(note);
  };
  table.painted();
  return [h("p", { class: "lead" }, t("change.words")), field(t("change.what"), words), said, maskTools(table), chooser(table), missing, go];
}

function erase(table) {
  const said = h("p", { class: "note" });
  const note = lacks("mask", "cannot.mask");
  const go = button({ text: t("erase.go"), glyph: "eraser", kind: "main", press: () => busy(go, async () => {
    await table.say(t("erase.said"), { action: "edit", engine: row()?.name, mask: await maskOf(table), size: sizeOf(table) });
  }) });
  go.hidden = Boolean(note);
  table.painted = () => {
    said.replaceChildren(icon("brush"), h("span", {}, table.share > 0 ? marked(table) : t("erase.paint")));
    go.disabled = !(table.share > 0);
  };
  table.painted();
  return [h("p", { class: "lead" }, t("erase.words")), said, maskTools(table), chooser(table), note, go];
}

// --- a larger frame

function extend(table) {
  const frame = { left: 0, top: 0, right: 0, bottom: 0 };
  const ghost = h("div", { class: "frame" });
  const note = lacks("mask", "cannot.mask");
  const words = h("input", { placeholder: t("extend.example") });
  const told = h("p", { class: "note" });
  const inputs = {};
  const show = () => {
    const { width, height } = table.picture;
    table.frame = frame;
    for (const [side, input] of Object.entries(inputs)) input.value = frame[side];
    const [w, hgt] = [width + frame.left + frame.right, height + frame.top + frame.bottom];
    for (const [name, value] of [["left", -frame.left], ["top", -frame.top], ["width", w], ["height", hgt]]) ghost.style.setProperty(name, `${value}px`);
    if (!ghost.isConnected) table.surface.over.append(ghost);
    told.textContent = t("extend.size", { width: w, height: hgt });
    go.disabled = !(frame.left + frame.right + frame.top + frame.bottom);
    table.surface.fit(frame);
  };
  for (const side of Object.keys(frame)) {
    inputs[side] = h("input", { type: "number", min: 0, max: 2048, step: 16, value: 0, on: { change: (event) => { frame[side] = Math.max(0, Math.round(Number(event.target.value) / 16) * 16); show(); } } });
  }
  const shape = (ratio) => {
    const { width, height } = table.picture;
    const w = Math.max(width, Math.ceil(height * ratio / 16) * 16), hgt = Math.max(height, Math.ceil(width / ratio / 16) * 16);
    const left = Math.round((w - width) / 32) * 16, top = Math.round((hgt - height) / 32) * 16;
    Object.assign(frame, { left, top, right: w - width - left, bottom: hgt - height - top });
    show();
  };
  const go = button({ text: t("extend.go"), glyph: "frame", kind: "main", disabled: true, press: () => busy(go, async () => {
    const made = extended(table.surface.picture, frame);
    const base = await api.version(table.picture.id, new File([await png(made.canvas)], "extended.png", { type: "image/png" }), "extend", describe(table.picture));
    const mask = (await api.upload(new File([await png(made.mask)], "mask.png", { type: "image/png" }))).id;
    await table.say(words.value.trim() || t("extend.said"), { action: "edit", engine: row()?.name, mask, size: `${made.canvas.width}x${made.canvas.height}` }, { base });
  }) });
  go.hidden = Boolean(note);
  return [h("p", { class: "lead" }, t("extend.words")), h("div", { class: "row", role: "group", "aria-label": t("extend.shape") }, SHAPES.map(([name, ratio]) => button({ text: name, kind: "small", press: () => shape(ratio) }))),
    h("div", { class: "pair" }, Object.entries(inputs).map(([side, input]) => field(t(`side.${side}`), input))), told, field(t("extend.what"), words), chooser(table), note, go];
}

// --- by the page itself, on any engine: cut out and recolour

function cut(table) {
  const near = h("input", { type: "range", min: 2, max: 40, value: 12, on: { input: () => show() } });
  const told = h("p", { class: "note", role: "status" });
  let made = null;
  const source = () => canvasImage(table);
  const show = () => {
    made = cutOut(source(), Number(near.value) / 100, table.spot ? [table.spot] : null);
    table.showPreview(canvasOf(made.image));
    told.textContent = t("cut.share", { share: (made.count / (made.image.width * made.image.height) * 100).toFixed(0) });
    keep.disabled = made.count === 0;
  };
  const keep = button({ text: t("keep"), glyph: "check", kind: "main", disabled: true, press: () => busy(keep, async () => {
    await table.keep(new File([await png(canvasOf(made.image))], "cut-out.png", { type: "image/png" }), "cut_out", t("cut.note", { words: describe(table.picture) }));
  }) });
  const ask = can(row(), "edit") && can(row(), "transparent");
  const engine = button({ text: t("cut.engine", { engine: row()?.name || "" }), press: () => busy(engine, () => table.say(t("cut.said"), { action: "edit", engine: row().name, background: "transparent", size: sizeOf(table) })) });
  return [h("p", { class: "lead" }, t("cut.words")), field(t("near"), near, t("cut.near")), h("div", { class: "row" }, button({ text: t("preview"), press: show }),
    button({ text: t("cut.spot"), glyph: "dropper", "aria-pressed": String(table.tool === "dropper"), press: () => table.pickTool("dropper") }), table.spot && button({ text: t("cut.rim"), kind: "plain", press: () => { table.spot = null; table.paintPanel(); } })),
  told, keep, h("hr"), ask ? engine : h("p", { class: "note" }, icon("info"), t("cut.own"))];
}

function canvasImage(table) {
  const canvas = new OffscreenCanvas(table.picture.width, table.picture.height);
  const c = canvas.getContext("2d");
  c.drawImage(table.source, 0, 0);
  return c.getImageData(0, 0, canvas.width, canvas.height);
}

function paint(table) {
  const swatch = (value, change) => {
    const code = h("input", { value, maxlength: 7, spellcheck: "false", on: { change: () => { if (unhex(code.value)) { well.value = code.value.toLowerCase(); change(well.value); } else code.value = well.value; } } });
    const well = h("input", { type: "color", value, on: { input: () => { code.value = well.value; change(well.value); } } });
    return { code, well };
  };
  let from = table.colour || "#ffffff", to = table.target || "#2563eb", made = null;
  const a = swatch(from, (value) => { from = value; table.colour = value; show(); });
  const b = swatch(to, (value) => { to = value; table.target = value; show(); });
  const near = h("input", { type: "range", min: 1, max: 60, value: 16, on: { input: () => show() } });
  const told = h("p", { class: "note", role: "status" }, t(table.colour ? "recolour.ready" : "recolour.pick"));
  const show = () => {
    made = recolour(canvasImage(table), unhex(from), unhex(to), Number(near.value) / 100);
    table.showPreview(canvasOf(made.image));
    told.textContent = t("recolour.count", { share: (made.count / (made.image.width * made.image.height) * 100).toFixed(1) });
    keep.disabled = made.count === 0;
  };
  const keep = button({ text: t("keep"), glyph: "check", kind: "main", disabled: true, press: () => busy(keep, async () => {
    await table.keep(new File([await png(canvasOf(made.image))], "recoloured.png", { type: "image/png" }), "recolour", t("recolour.note", { from, to, words: describe(table.picture) }));
  }) });
  const pair = (label, { code, well }) => { const box = field(label, code); well.setAttribute("aria-label", label); put(box, [well]); box.classList.add("colour-field"); return box; };
  return [h("p", { class: "lead" }, t("recolour.words")), button({ text: t("recolour.dropper"), glyph: "dropper", press: () => { table.pickTool("dropper"); table.surface.node.focus(); } }),
    h("div", { class: "pair" }, pair(t("recolour.from"), a), pair(t("recolour.to"), b)), field(t("near"), near), h("div", { class: "row" }, button({ text: t("preview"), press: show })), told, keep];
}

// --- styles and variants

function style(table) {
  const now = row();
  const edits = can(now, "edit");
  const chosen = table.style;
  const go = button({ text: t(edits ? "style.go" : "style.again"), glyph: "style", kind: "main", disabled: !chosen || (!edits && !table.picture.prompt), press: () => busy(go, async () => {
    if (edits) {
      const { text, wish } = styled(now, chosen, t("style.said", { style: styleName(chosen) }), { action: "edit", engine: now.name, size: sizeOf(table) });
      await table.say(text, wish);
    } else {
      const { text, wish } = styled(now, chosen, table.picture.prompt, { action: "generate", engine: now.name, seed: table.picture.seed ?? undefined, size: sizeOf(table) });
      await table.say(text, wish);
    }
  }) });
  return [h("p", { class: "lead" }, t("style.words")), button({ text: chosen ? styleName(chosen) : t("style.pick"), glyph: chosen ? null : "style", press: async () => { const id = await pick(now, chosen); if (id !== null) { table.style = id; table.paintPanel(); } } }),
    chosen && h("div", { class: "style-big" }, thumb(chosen)), chooser(table), !edits && h("p", { class: "note" }, icon("info"), t(table.picture.prompt ? "style.redraw" : "style.wordless", { engine: now?.name || "" })), go];
}

function variants(table) {
  const now = row();
  let count = 4;
  const go = button({ text: t("variants.go"), glyph: "compare", kind: "main", disabled: !table.picture.prompt, press: () => busy(go, async () => {
    const base = { action: "generate", engine: now?.name, count, size: sizeOf(table), style: way(now, table.picture.settings?.style) === "name" ? table.picture.settings.style : undefined };
    const drawn = await table.say(table.picture.prompt, base, { all: true });
    if (drawn.length) { await beside(table, drawn); await table.history(); }
  }) });
  const old = table.versions?.length > 1 && button({ text: t("variants.old"), press: () => beside(table, table.versions.slice(-8)) });
  return [h("p", { class: "lead" }, t("variants.words")), field(t("option.count"), select([2, 3, 4, 6, 8].map((n) => [String(n), String(n)]), "4", (n) => { count = Number(n); })), chooser(table),
    !table.picture.prompt && h("p", { class: "note" }, icon("info"), t("style.wordless", { engine: now?.name || "" })), go, old];
}

/** Several pictures side by side; choosing one opens it. */
function beside(table, pictures) {
  return dialog(t("variants"), (close) => h("ul", { class: "beside" }, pictures.map((picture, index) => h("li", { class: "stack" }, h("div", { class: "checkered beside-picture" }, img(picture)),
    h("small", {}, [picture.engine, picture.seed !== null && picture.seed !== undefined && t("seed.of", { seed: picture.seed })].filter(Boolean).join(" · ")),
    button({ text: t("variants.take", { nth: index + 1 }), kind: picture.id === table.picture.id ? "set" : "", press: () => { close(); location.hash = `#/canvas/${picture.id}`; } })))), { wide: true, closeLabel: t("close") });
}
