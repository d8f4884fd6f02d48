// Arithmetic on pixels: pure functions over ImageData. Colours are compared in OKLab (Björn Ottosson, 2020), where distances are those of the eye.

const linear = Float32Array.from({ length: 256 }, (_, i) => (i / 255 <= 0.04045 ? i / 255 / 12.92 : ((i / 255 + 0.055) / 1.055) ** 2.4));
const encoded = (x) => Math.round(255 * Math.min(1, Math.max(0, x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055)));

/** [L, a, b] of an sRGB colour of bytes. */
export function oklab(r, g, b) {
  const x = linear[r], y = linear[g], z = linear[b];
  const l = Math.cbrt(0.4122214708 * x + 0.5363325363 * y + 0.0514459929 * z);
  const m = Math.cbrt(0.2119034982 * x + 0.6806995451 * y + 0.1073969566 * z);
  const s = Math.cbrt(0.0883024619 * x + 0.2817188376 * y + 0.6299787005 * z);
  return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s, 1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}

/** Bytes of an OKLab colour, clipped to sRGB. */
export function rgb(L, A, B) {
  const l = (L + 0.3963377774 * A + 0.2158037573 * B) ** 3, m = (L - 0.1055613458 * A - 0.0638541728 * B) ** 3, s = (L - 0.0894841775 * A - 1.291485548 * B) ** 3;
  return [encoded(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s), encoded(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    encoded(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s)];
}

export const hex = (r, g, b) => `#${[r, g, b].map((v) => v.toString(16).padStart(2, "0")).join("")}`;
export function unhex(text) {
  const found = /^#?([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text.trim());
  return found ? found.slice(1).map((pair) => parseInt(pair, 16)) : null;
}

const apart = (p, q) => Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
const copyOf = (image) => new ImageData(new Uint8ClampedArray(image.data), image.width, image.height);

/** A colour and what lies near it become another: exactly `to` where it is exactly `from`, shades keep their distance. `near`: OKLab. */
export function recolour(image, from, to, near) {
  const out = copyOf(image), d = out.data;
  const a = oklab(...from), b = oklab(...to);
  let count = 0;
  for (let i = 0; i < d.length; i += 4) {
    if (!d[i + 3]) continue;
    if (d[i] === from[0] && d[i + 1] === from[1] && d[i + 2] === from[2]) { [d[i], d[i + 1], d[i + 2]] = to; count += 1; continue; }
    const p = oklab(d[i], d[i + 1], d[i + 2]);
    const far = apart(p, a);
    if (far >= near) continue;
    const part = Math.min(1, 2 * (1 - far / near));
    [d[i], d[i + 1], d[i + 2]] = rgb(p[0] + (b[0] - a[0]) * part, p[1] + (b[1] - a[1]) * part, p[2] + (b[2] - a[2]) * part);
    count += 1;
  }
  return { image: out, count };
}

/** Makes transparent what is joined to the rim, or to a chosen point, and like its colour there. Edges fade over `near`. */
export function cutOut(image, near, seeds = null) {
  const { width: w, height: hgt } = image;
  const out = copyOf(image), d = out.data;
  const seen = new Uint8Array(w * hgt);
  const stack = [];
  const begin = (at) => stack.push(at, at);
  if (seeds) for (const [x, y] of seeds) begin(y * w + x);
  else {
    for (let x = 0; x < w; x += 1) { begin(x); begin((hgt - 1) * w + x); }
    for (let y = 0; y < hgt; y += 1) { begin(y * w); begin(y * w + w - 1); }
  }
  const labs = new Map();
  const lab = (at) => {
    const key = (d0[at * 4] << 16) | (d0[at * 4 + 1] << 8) | d0[at * 4 + 2];
    if (!labs.has(key)) labs.set(key, oklab(d0[at * 4], d0[at * 4 + 1], d0[at * 4 + 2]));
    return labs.get(key);
  };
  const d0 = image.data;
  let count = 0;
  while (stack.length) {
    const root = stack.pop(), at = stack.pop();
    if (seen[at]) continue;
    const far = d0[at * 4 + 3] === 0 ? 0 : apart(lab(at), lab(root));
    if (far >= near) continue;
    seen[at] = 1;
    count += 1;
    d[at * 4 + 3] = Math.min(d[at * 4 + 3], Math.round(255 * Math.max(0, far / near * 2 - 1)));
    const x = at % w, y = (at - x) / w;
    const from = far < near / 3 ? at : root;
    if (x > 0) stack.push(at - 1, from);
    if (x < w - 1) stack.push(at + 1, from);
    if (y > 0) stack.push(at - w, from);
    if (y < hgt - 1) stack.push(at + w, from);
  }
  return { image: out, count };
}

/** Where two pictures of one size differ, strengthened so that it is seen. `share`: of pixels; `most`: 0–255. */
export function difference(a, b) {
  const out = new ImageData(a.width, a.height);
  let count = 0, most = 0;
  for (let i = 0; i < a.data.length; i += 4) {
    let far = 0;
    for (let c = 0; c < 4; c += 1) far = Math.max(far, Math.abs(a.data[i + c] - b.data[i + c]));
    if (far) count += 1;
    most = Math.max(most, far);
    const strong = Math.min(255, far * 4);
    out.data[i] = strong;
    out.data[i + 1] = strong * 0.55;
    out.data[i + 2] = far ? 40 : 0;
    out.data[i + 3] = 255;
  }
  return { image: out, share: count / (a.width * a.height), most };
}

export function canvasOf(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

export const png = (canvas) => (canvas.convertToBlob ? canvas.convertToBlob({ type: "image/png" }) : new Promise((done) => { canvas.toBlob(done, "image/png"); }));

/** The picture in a larger frame whose new parts continue its rim, and the mask of these parts (transparent = may change). */
export function extended(picture, { left, top, right, bottom }) {
  const width = picture.width + left + right, height = picture.height + top + bottom;
  const canvas = new OffscreenCanvas(width, height), mask = new OffscreenCanvas(width, height);
  const c = canvas.getContext("2d"), m = mask.getContext("2d");
  const w = picture.width, hgt = picture.height;
  c.imageSmoothingEnabled = false;
  for (const [sx, sw, dx, dw] of [[0, 1, 0, left], [0, w, left, w], [w - 1, 1, left + w, right]]) {
    for (const [sy, sh, dy, dh] of [[0, 1, 0, top], [0, hgt, top, hgt], [hgt - 1, 1, top + hgt, bottom]]) if (dw && dh) c.drawImage(picture, sx, sy, sw, sh, dx, dy, dw, dh);
  }
  m.fillRect(left, top, w, hgt);
  return { canvas, mask };
}
