// Two versions of a picture on one another: a curtain to pull, or where they differ.

import { h, put } from "../dom.js";
import { t } from "../i18n.js";
import { canvasOf, difference } from "./pixels.js";

/** The picture's pixels, drawn to a size. */
export async function bitmap(picture) {
  const image = new Image();
  image.src = picture.url;
  await image.decode();
  return image;
}

export function sized(source, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const c = canvas.getContext("2d", { willReadFrequently: true });
  const scale = Math.min(width / (source.naturalWidth || source.width), height / (source.naturalHeight || source.height));
  const w = (source.naturalWidth || source.width) * scale, hgt = (source.naturalHeight || source.height) * scale;
  c.drawImage(source, (width - w) / 2, (height - hgt) / 2, w, hgt);
  return canvas;
}

/** A curtain over the surface: left of it the earlier picture. Gives its layer and its slider. */
export function curtain(before, width, height) {
  const layer = sized(before, width, height);
  layer.className = "curtain checkered";
  const slide = h("input", { type: "range", min: 0, max: 100, value: 50, step: 1, "aria-label": t("compare.slide"), on: { input: () => set() } });
  const set = () => layer.style.setProperty("--at", `${slide.value}%`);
  const line = h("div", { class: "curtain-line" });
  slide.addEventListener("input", () => line.style.setProperty("--at", `${slide.value}%`));
  line.style.setProperty("--at", "50%");
  set();
  return { layers: [layer, line], bar: put(h("div", { class: "compare-bar" }), [h("span", {}, t("compare.before")), slide, h("span", {}, t("compare.after"))]) };
}

/** A layer that shows where two pictures differ, and the sentence about it. */
export function differing(before, image) {
  const { width, height } = image;
  const other = sized(before, width, height).getContext("2d", { willReadFrequently: true }).getImageData(0, 0, width, height);
  const found = difference(other, image);
  const layer = document.createElement("canvas");
  layer.width = width;
  layer.height = height;
  layer.getContext("2d").drawImage(canvasOf(found.image), 0, 0);
  const said = found.share === 0 ? t("compare.same") : t("compare.differ", { share: (found.share * 100).toFixed(found.share < 0.01 ? 2 : 1), most: found.most });
  return { layers: [layer], bar: h("div", { class: "compare-bar" }, h("p", { role: "status" }, said)) };
}
