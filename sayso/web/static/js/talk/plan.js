// A plan as text and as boxes that can be dragged. The form is one line for the canvas, one for each thing, one for each lettering:
//   canvas 512x512 solid #f7d020
//   fox flat 10 40 50 90 #c0392b flip
//   text "HELLO" slab 10 80 90 95 #222222
// Boxes are whole percents x0 y0 x1 y1 of the canvas.

import { button, h } from "../dom.js";
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

/** Boxes on a canvas; `changed(plan)` after each move. Arrows move a box, with Shift they resize it, Delete takes it away. */
export function editor(plan, { locked = false, changed = () => {} } = {}) {
  const board = h("div", { class: "plan-board", vars: { "--ratio": `${plan.width} / ${plan.height}` } });
  const solid = /#[0-9a-f]{6}/i.exec(plan.background)?.[0];
  if (solid) board.style.setProperty("background-color", solid);
  const draw = () => {
    board.replaceChildren(...plan.rows.map((row, index) => box(row, index)));
  };
  const put = (node, row) => {
    const [x0, y0, x1, y1] = row.box;
    for (const [name, value] of [["left", x0], ["top", y0], ["width", x1 - x0], ["height", y1 - y0]]) node.style.setProperty(name, `${value}%`);
    node.setAttribute("aria-label", t("plan.box", { name: row.name, box: row.box.join(", ") }));
  };
  const move = (node, row, dx, dy, resize) => {
    const [x0, y0, x1, y1] = row.box;
    row.box = resize ? [x0, y0, Math.max(x0 + 2, x1 + dx), Math.max(y0 + 2, y1 + dy)] : [x0 + dx, y0 + dy, x1 + dx, y1 + dy];
    put(node, row);
  };
  function box(row, index) {
    const node = h("div", { class: "plan-box", tabindex: locked ? null : "0", role: "group", vars: colourOf(row) ? { "--mark": colourOf(row) } : {} },
      h("span", {}, row.name), !locked && h("i", { class: "plan-grip", "aria-hidden": "true" }));
    put(node, row);
    if (locked) return node;
    node.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (step) move(node, row, ...step, event.shiftKey);
      else if (event.key === "Delete" || event.key === "Backspace") { plan.rows.splice(index, 1); draw(); } else return;
      event.preventDefault();
      changed(plan);
    });
    node.addEventListener("pointerdown", (event) => {
      const resize = event.target.classList.contains("plan-grip");
      const frame = board.getBoundingClientRect();
      let [px, py] = [event.clientX, event.clientY];
      node.setPointerCapture(event.pointerId);
      const drag = (now) => {
        const dx = Math.round((now.clientX - px) / frame.width * 100), dy = Math.round((now.clientY - py) / frame.height * 100);
        if (!dx && !dy) return;
        move(node, row, dx, dy, resize);
        px += dx * frame.width / 100;
        py += dy * frame.height / 100;
      };
      node.addEventListener("pointermove", drag);
      node.addEventListener("pointerup", () => { node.removeEventListener("pointermove", drag); changed(plan); }, { once: true });
    });
    return node;
  }
  draw();
  return board;
}

/** The plan of a thought, unfolded on demand: boxes to drag, words to read, and a button that draws the changed plan. */
export function unfolded(text, { draw = null, open = false } = {}) {
  const plan = parse(text);
  if (!plan) return h("details", { class: "thought", open }, h("summary", {}, t("thought")), h("p", { class: "thought-text" }, text));
  const words = h("pre", { class: "plan-words", tabindex: "0", "aria-label": t("plan.words") }, written(plan));
  return h("details", { class: "thought", open }, h("summary", {}, t("plan")),
    h("div", { class: "plan" }, editor(plan, { locked: !draw, changed: () => { words.textContent = written(plan); } }), words),
    draw && h("div", { class: "row" }, h("small", { class: "grow" }, t("plan.hint")), button({ text: t("plan.draw"), glyph: "send", kind: "main small", press: () => draw(written(plan)) })));
}
