// The picture on its table: zoom, pan, pointers, and a cursor for the keyboard. Coordinates handed out are pixels of the picture.

import { h } from "../dom.js";
import { t } from "../i18n.js";

const LEAST = 0.1, MOST = 32;

/** `hold(phase, point, event)`: phase "down", "move", "up" of a pointer or of the keyboard's cursor, when `hold.active()`. */
export class Surface {
  constructor({ hold, active, zoomed }) {
    this.hold = hold;
    this.active = active;
    this.zoomed = zoomed;
    this.picture = h("canvas", { class: "checkered" });
    this.over = h("div", { class: "layers" });
    this.ring = h("div", { class: "ring", hidden: true });
    this.cursor = h("div", { class: "cursor", hidden: true });
    this.stage = h("div", { class: "stage" }, this.picture, this.over, this.ring, this.cursor);
    this.node = h("div", { class: "surface", tabindex: "0", role: "application", "aria-label": t("surface"), "aria-describedby": "surface-how" },
      this.stage, h("p", { class: "visually-hidden", id: "surface-how" }, t("surface.how")));
    this.x = 0; this.y = 0; this.scale = 1;
    this.pointers = new Map();
    this.at = null;
    this.node.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.node.addEventListener("pointerdown", (event) => this.down(event));
    this.node.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) this.node.addEventListener(name, (event) => this.up(event));
    this.node.addEventListener("pointerleave", () => { this.ring.hidden = true; });
    this.node.addEventListener("keydown", (event) => this.key(event));
    this.node.addEventListener("blur", () => { this.cursor.hidden = true; });
    this.sized = new ResizeObserver(() => { if (!this.moved) this.fit(); });
    this.sized.observe(this.node);
  }

  close() { this.sized.disconnect(); }

  /** Shows pixels; keeps the view when the size stays. `source`: anything that can be drawn. */
  show(source, width, height) {
    const same = this.picture.width === width && this.picture.height === height;
    if (!same) { this.picture.width = width; this.picture.height = height; }
    const c = this.picture.getContext("2d", { willReadFrequently: true });
    c.clearRect(0, 0, width, height);
    c.drawImage(source, 0, 0, width, height);
    this.stage.style.setProperty("width", `${width}px`);
    this.stage.style.setProperty("height", `${height}px`);
    if (!same) this.fit();
  }

  get image() { return this.picture.getContext("2d", { willReadFrequently: true }).getImageData(0, 0, this.picture.width, this.picture.height); }

  fit(frame = null) {
    this.moved = false;
    const { clientWidth: w, clientHeight: hgt } = this.node;
    if (!w || !this.picture.width) return;
    const { left = 0, top = 0, right = 0, bottom = 0 } = frame || {};
    const width = this.picture.width + left + right, height = this.picture.height + top + bottom;
    this.scale = Math.min((w - 32) / width, (hgt - 32) / height, 4);
    this.x = (w - width * this.scale) / 2 + left * this.scale;
    this.y = (hgt - height * this.scale) / 2 + top * this.scale;
    this.put();
  }

  put() {
    this.stage.style.setProperty("transform", `translate(${this.x}px, ${this.y}px) scale(${this.scale})`);
    this.stage.style.setProperty("--unit", `${1 / this.scale}px`);
    this.stage.classList.toggle("near", this.scale >= 3);
    this.zoomed?.(this.scale);
  }

  zoom(by, [cx, cy] = [this.node.clientWidth / 2, this.node.clientHeight / 2]) {
    const scale = Math.min(MOST, Math.max(LEAST, this.scale * by));
    const real = scale / this.scale;
    this.x = cx - (cx - this.x) * real;
    this.y = cy - (cy - this.y) * real;
    this.scale = scale;
    this.moved = true;
    this.put();
  }

  pan(dx, dy) { this.x += dx; this.y += dy; this.moved = true; this.put(); }

  local(event) {
    const box = this.node.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }
  point(event) {
    const [x, y] = this.local(event);
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  wheel(event) {
    event.preventDefault();
    if (event.ctrlKey || !event.shiftKey) this.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), this.local(event));
    else this.pan(-event.deltaY, 0);
  }

  down(event) {
    this.node.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.local(event));
    if (this.pointers.size === 2) { if (this.drawing) { this.drawing = false; this.hold("drop", this.point(event), event); } this.pinch = this.spread(); return; }
    this.panning = event.button === 1 || this.space || !this.active();
    if (!this.panning && event.button === 0) { this.drawing = true; this.hold("down", this.point(event), event); }
  }

  move(event) {
    this.showRing(event);
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const now = this.local(event);
    this.pointers.set(event.pointerId, now);
    if (this.pointers.size === 2) {
      const next = this.spread();
      this.pan(next.x - this.pinch.x, next.y - this.pinch.y);
      this.zoom(next.d / this.pinch.d, [next.x, next.y]);
      this.pinch = next;
    } else if (this.drawing) {
      for (const one of event.getCoalescedEvents?.() || [event]) this.hold("move", this.point(one), event);
    } else if (this.panning) this.pan(now[0] - last[0], now[1] - last[1]);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.drawing) { this.drawing = false; this.hold("up", this.point(event), event); }
    this.panning = false;
  }

  spread() {
    const [a, b] = [...this.pointers.values()];
    return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, d: Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1])) };
  }

  showRing(event) {
    const size = this.active()?.size;
    this.ring.hidden = !size;
    if (!size) return;
    const [x, y] = this.point(event);
    for (const [name, value] of [["width", size], ["height", size], ["left", x - size / 2], ["top", y - size / 2]]) this.ring.style.setProperty(name, `${value}px`);
  }

  // Arrows move a cursor, Space presses and lets go; without a tool they move the table.
  key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === " " || event.key === "Enter") {
      if (!this.active()) return;
      event.preventDefault();
      this.at ??= [Math.round(this.picture.width / 2), Math.round(this.picture.height / 2)];
      this.pressed = !this.pressed;
      this.hold(this.pressed ? "down" : "up", this.at, event);
    } else if (way) {
      event.preventDefault();
      if (!this.active()) { this.pan(-way[0] * 40, -way[1] * 40); return; }
      this.at ??= [Math.round(this.picture.width / 2), Math.round(this.picture.height / 2)];
      const step = event.shiftKey ? 1 : Math.max(1, Math.round(this.picture.width / 32));
      this.at = [Math.min(this.picture.width, Math.max(0, this.at[0] + way[0] * step)), Math.min(this.picture.height, Math.max(0, this.at[1] + way[1] * step))];
      if (this.pressed) this.hold("move", this.at, event);
    } else return;
    this.cursor.hidden = false;
    this.cursor.classList.toggle("pressed", Boolean(this.pressed));
    this.cursor.style.setProperty("left", `${this.at?.[0] ?? 0}px`);
    this.cursor.style.setProperty("top", `${this.at?.[1] ?? 0}px`);
    if (!this.at) this.cursor.hidden = true;
  }
}
