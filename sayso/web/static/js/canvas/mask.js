// The mask that a person paints: where the picture may change. Strokes can be taken back.

import { png } from "./pixels.js";

const KEPT = 96 * 2 ** 20; // bytes of strokes to take back

export class Mask {
  constructor(width, height) {
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    this.c = this.canvas.getContext("2d", { willReadFrequently: true });
    this.past = [];
    this.future = [];
    this.deep = Math.max(4, Math.min(60, Math.floor(KEPT / (width * height * 4))));
  }

  get whole() { return this.c.getImageData(0, 0, this.canvas.width, this.canvas.height); }

  /** To be called before each change. */
  keep() {
    this.past.push(this.whole);
    if (this.past.length > this.deep) this.past.shift();
    this.future.length = 0;
  }

  undo() { return this.swap(this.past, this.future); }
  redo() { return this.swap(this.future, this.past); }
  swap(from, to) {
    if (!from.length) return false;
    to.push(this.whole);
    this.c.putImageData(from.pop(), 0, 0);
    return true;
  }

  paint(erase) {
    this.c.globalCompositeOperation = erase ? "destination-out" : "source-over";
    this.c.fillStyle = "#e5352b";
    this.c.strokeStyle = "#e5352b";
  }

  /** A piece of a stroke, `size` pixels wide. */
  line([x0, y0], [x1, y1], size, erase) {
    this.paint(erase);
    this.c.lineWidth = size;
    this.c.lineCap = "round";
    this.c.lineJoin = "round";
    this.c.beginPath();
    this.c.moveTo(x0, y0);
    this.c.lineTo(x1 + 0.01, y1);
    this.c.stroke();
  }

  area(points) {
    if (points.length < 3) return;
    this.paint(false);
    this.c.beginPath();
    points.forEach(([x, y]) => this.c.lineTo(x, y));
    this.c.fill();
  }

  box([x0, y0], [x1, y1]) {
    this.paint(false);
    this.c.fillRect(Math.round(Math.min(x0, x1)), Math.round(Math.min(y0, y1)), Math.round(Math.abs(x1 - x0)), Math.round(Math.abs(y1 - y0)));
  }

  clear() { this.keep(); this.c.clearRect(0, 0, this.canvas.width, this.canvas.height); }

  invert() {
    this.keep();
    this.c.globalCompositeOperation = "source-out";
    this.c.fillStyle = "#e5352b";
    this.c.fillRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** The share of the picture that may change, 0 to 1. */
  share() {
    const { data } = this.whole;
    let count = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] > 127) count += 1;
    return count / (data.length / 4);
  }

  /** A PNG as the interface wants it: transparent where the picture may change. */
  file() {
    const out = new OffscreenCanvas(this.canvas.width, this.canvas.height);
    const image = this.whole;
    for (let i = 0; i < image.data.length; i += 4) {
      const may = image.data[i + 3] > 127;
      image.data[i] = image.data[i + 1] = image.data[i + 2] = 0;
      image.data[i + 3] = may ? 0 : 255;
    }
    out.getContext("2d").putImageData(image, 0, 0);
    return png(out);
  }
}
