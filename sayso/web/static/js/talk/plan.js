// A plan as text and as boxes that can be dragged. The form is one line for the canvas, one for each thing, one for each lettering:
//   canvas 512x512 solid #f7d020
//   fox flat 10 40 50 90 #c0392b flip
//   text "HELLO" slab 10 80 90 95 #222222
// Boxes are whole percents x0 y0 x1 y1 of the canvas.

import { announce, button, fill, h } from "../dom.js";
import { t } from "../i18n.js";

const CANVAS = /^canvas\s+(\d+)\s*x\s*(\d+)\s*(.*)$/i;
const LETTERS = /^text\s+("(?:[^"\\]|\\.)*")\s+(\S+)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s*(.*)$/;
const THING = /^(\S+)\s+(\S+)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)\s*(.*)$/;

/** {width, height, background, rows} with rows {head, box, tail, name}; null when the text is no plan. */
export function parse(text) {
  const lines = text.split("\n").map((line) => line.trim()).filter(Boolean);
  const canvas = CANVAS.exec(lines[0] || "");
  if (!canvas) return null;
  const rows = [];
  for (const line of lines.slice(1)) {
    const found = LETTERS.exec(line) || THING.exec(line);
    if (!found) return null;
    const lettering = line.startsWith("text ");
    rows.push({ head: lettering ? `text ${found[1]} ${found[2]}` : `${found[1]} ${found[2]}`, box: found.slice(3, 7).map(Number), tail: found[7],
      name: lettering ? JSON.parse(found[1]) : found[1].replaceAll("_", " ").replaceAll("-", " ") });
  }
  return { width: Number(canvas[1]), height: Number(canvas[2]), background: canvas[3], rows };
}

/** The plan as text again. */
export function written(plan) {
  return [`canvas ${plan.width}x${plan.height} ${plan.background}`.trim(),
    ...plan.rows.map((row) => `${row.head} ${row.box.join(" ")}${row.tail ? ` ${row.tail}` : ""}`)].join("\n");
}

const colourOf = (row) => /#[0-9a-f]{6}/i.exec(row.tail)?.[0];
const LEAST = 2; // percent of the canvas that a box keeps, and that stays in sight

/** A box moved, or resized at its far corner, by whole percents; it never leaves the canvas for good. */
export function moved([x0, y0, x1, y1], dx, dy, resize) {
  if (resize) return [x0, y0, Math.min(200, Math.max(x0 + LEAST, LEAST, x1 + dx)), Math.min(200, Math.max(y0 + LEAST, LEAST, y1 + dy))];
  const along = (from, to, by) => Math.min(100 - LEAST - from, Math.max(LEAST - to, by));
  const [mx, my] = [along(x0, x1, dx), along(y0, y1, dy)];
  return [x0 + mx, y0 + my, x1 + mx, y1 + my];
}

/**
 * Boxes on a canvas; `changed()` after each move, `chosen(row)` when one is taken up. A pointer drags a box, or its corner; arrows move it,
 * with Shift they resize it, Delete takes it away.
 */
export function editor(plan, { locked = false, changed = () => {}, chosen = () => {} } = {}) {
  const board = h("div", { class: "plan-board", role: "group", "aria-label": t("plan.board"), vars: { "--ratio": `${plan.width} / ${plan.height}`, "--wide": plan.width / plan.height } });
  const solid = /#[0-9a-f]{6}/i.exec(plan.background)?.[0];
  if (solid) board.style.setProperty("background-color", solid);
  const put = (node, row) => {
    const [x0, y0, x1, y1] = row.box;
    for (const [name, value] of [["left", x0], ["top", y0], ["width", x1 - x0], ["height", y1 - y0]]) node.style.setProperty(name, `${value}%`);
    node.setAttribute("aria-label", t("plan.box", { name: row.name, box: row.box.join(", ") }));
  };
  function box(row) {
    const node = h("div", { class: locked ? "plan-box locked" : "plan-box", tabindex: locked ? null : "0", role: "group", vars: colourOf(row) ? { "--mark": colourOf(row) } : {} },
      h("span", {}, row.name), !locked && h("i", { class: "plan-grip", "aria-hidden": "true" }));
    put(node, row);
    if (locked) return node;
    node.addEventListener("focus", () => chosen(row));
    node.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (step) { row.box = moved(row.box, ...step, event.shiftKey); put(node, row); announce(t("plan.at", { name: row.name, box: row.box.join(", ") })); }
      else if (event.key === "Delete" || event.key === "Backspace") remove(row);
      else return;
      event.preventDefault();
      changed();
    });
    node.addEventListener("pointerdown", (event) => drag(event, node, row));
    return node;
  }
  function drag(event, node, row) {
    if (event.button > 0) return;
    const resize = event.target.classList.contains("plan-grip");
    const frame = board.getBoundingClientRect();
    const from = row.box;
    event.preventDefault();
    node.focus({ preventScroll: true });
    node.setPointerCapture(event.pointerId);
    const to = (now) => {
      row.box = moved(from, Math.round((now.clientX - event.clientX) / frame.width * 100), Math.round((now.clientY - event.clientY) / frame.height * 100), resize);
      put(node, row);
    };
    const end = (now) => {
      if (now.type === "pointercancel") { row.box = from; put(node, row); }
      node.removeEventListener("pointermove", to);
      for (const name of ["pointerup", "pointercancel"]) node.removeEventListener(name, end);
      changed();
    };
    node.addEventListener("pointermove", to);
    for (const name of ["pointerup", "pointercancel"]) node.addEventListener(name, end);
  }
  function remove(row) {
    const at = plan.rows.indexOf(row);
    plan.rows.splice(at, 1);
    board.children[at].remove();
    (board.children[Math.min(at, board.childElementCount - 1)] || board).focus();
    if (!plan.rows.length) chosen(null);
  }
  board.replaceChildren(...plan.rows.map(box));
  return { board, remove };
}

/** The plan of a thought, unfolded on demand: boxes to drag, words to read, and a button that draws the changed plan. */
export function unfolded(text, { draw = null, open = false } = {}) {
  const first = parse(text);
  if (!first) return h("details", { class: "thought", open }, h("summary", {}, t("thought")), h("p", { class: "thought-text" }, text));
  const words = h("pre", { class: "plan-words", tabindex: "0", role: "group", "aria-label": t("plan.words") });
  const place = h("div", { class: "plan" });
  const begin = () => {
    const plan = parse(text);
    let at = null;
    const tell = () => { words.textContent = written(plan); undo.disabled = written(plan) === written(first); };
    const undo = button({ text: t("plan.undo"), glyph: "undo", kind: "plain small", disabled: true, press: () => { begin(); } });
    const away = button({ label: t("delete"), glyph: "trash", kind: "plain small", hidden: true, press: () => { made.remove(at); tell(); } });
    const made = editor(plan, { locked: !draw, changed: tell, chosen: (row) => {
      at = row;
      away.hidden = !row;
      if (row) { away.setAttribute("aria-label", t("plan.remove", { name: row.name })); away.title = t("plan.remove", { name: row.name }); }
    } });
    fill(place, made.board, draw && h("small", {}, t("plan.hint")),
      draw && h("div", { class: "row" }, undo, away, h("span", { class: "grow" }), button({ text: t("plan.draw"), glyph: "send", kind: "main small", press: () => draw(written(plan)) })),
      h("details", {}, h("summary", {}, t("plan.words")), words));
    tell();
  };
  begin();
  return h("details", { class: "thought", open }, h("summary", {}, t("plan")), place);
}
