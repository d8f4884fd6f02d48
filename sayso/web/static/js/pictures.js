// What can be done with any picture, wherever it is shown: open, keep, copy, reuse, look at its seal.

import * as api from "./api.js";
import { announce, button, dialog, h, menu, toast } from "./dom.js";
import { t } from "./i18n.js";
import { brief } from "./kept.js";
import { prefer } from "./state.js";

const FORMATS = [["png", "PNG"], ["webp", "WebP"], ["jpeg", "JPEG"], ["avif", "AVIF"]];

/** The words that stand for a picture. */
export const describe = (picture) => picture.prompt || t(picture.kind === "upload" ? "picture.uploaded" : "picture.nameless");

export function img(picture, { small = false, eager = false } = {}) {
  return h("img", { src: (small && picture.thumb) || picture.url, alt: describe(picture), width: picture.width, height: picture.height,
    loading: eager ? "eager" : "lazy", decoding: "async", draggable: "false" });
}

/** Saves a file of the picture, sealed, in a format. */
export async function save(picture, format) {
  const blob = await api.file(picture.id, format);
  const url = URL.createObjectURL(blob);
  const link = h("a", { href: url, download: `sayso-${picture.id}.${format === "jpeg" ? "jpg" : format}` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  announce(t("saved"));
}

export async function copy(picture) {
  try {
    if (!navigator.clipboard) throw new Error(t("copy.insecure"));
    await navigator.clipboard.write([new ClipboardItem({ "image/png": api.file(picture.id, "png") })]);
    toast(t("copied"), { closeLabel: t("close") });
  } catch (error) {
    toast(t("copy.failed", { reason: error.message }), { bad: true, closeLabel: t("close") });
  }
}

export async function copyText(text) {
  try {
    if (!navigator.clipboard) throw new Error(t("copy.insecure"));
    await navigator.clipboard.writeText(text);
    toast(t("copied"), { closeLabel: t("close") });
  } catch (error) {
    toast(t("copy.failed", { reason: error.message }), { bad: true, closeLabel: t("close") });
  }
}

/** Opens the conversation page with the words, the seed and the settings of a picture. */
export function reuse(picture) {
  const wish = { seed: picture.seed ?? undefined, style: picture.settings?.style || undefined, engine: picture.engine || undefined, steps: picture.settings?.steps || undefined,
    size: `${picture.width}x${picture.height}` };
  brief.set("reuse", JSON.stringify({ text: picture.prompt || "", wish }));
  location.hash = location.hash.startsWith("#/talk") && location.hash !== "#/talk" ? "#/talk" : "#/talk/new";
}

/** Puts a picture into the next message. */
export function refer(picture) {
  brief.set("refer", JSON.stringify(picture));
  location.hash = "#/talk/new";
}

export function favouriteButton(picture, changed = () => {}) {
  const name = () => t(picture.favourite ? "unfavourite" : "favourite");
  const node = button({ label: name(), glyph: "heart", kind: `plain small${picture.favourite ? " liked" : ""}`, "aria-pressed": String(picture.favourite), press: async () => {
    Object.assign(picture, { favourite: (await api.favourite(picture.id, !picture.favourite)).favourite });
    node.classList.toggle("liked", picture.favourite);
    node.setAttribute("aria-pressed", String(picture.favourite));
    node.setAttribute("aria-label", name());
    node.title = name();
    changed(picture);
  } });
  return node;
}

export function downloadButton(picture, kind = "plain small") {
  const node = button({ label: t("download"), glyph: "download", kind, "aria-haspopup": "menu", press: () => menu(node, FORMATS.map(([format, name]) => (
    { text: name, note: t(`format.${format}`), press: () => save(picture, format) }))) });
  return node;
}

export async function remove(picture) {
  const sure = await confirm(t("picture.delete"), t("picture.delete.words"), t("delete"));
  if (!sure) return false;
  await api.deletePicture(picture.id);
  announce(t("deleted"));
  return true;
}

/** Asks before something is lost; true when it may go. */
export async function confirm(title, words, act) {
  return dialog(title, (close) => [h("p", {}, words), h("footer", {}, button({ text: t("cancel"), press: () => close(false) }),
    button({ text: act, kind: "main", press: () => close(true), autofocus: true }))], { closeLabel: t("close") });
}

/** What a menu at a picture offers. `more`: rows of the place that shows it. */
export function pictureMenu(anchor, picture, more = []) {
  const sealed = picture.kind === "drawn";
  return menu(anchor, [
    { text: t("open.canvas"), glyph: "brush", press: () => { location.hash = `#/canvas/${picture.id}`; } },
    picture.prompt && { text: t("reuse"), glyph: "again", press: () => reuse(picture) },
    { text: t("refer"), glyph: "picture", press: () => refer(picture) },
    sealed && { text: t("copy"), glyph: "copy", press: () => copy(picture) },
    sealed && { text: t("seal.of"), glyph: "seal", press: () => { location.hash = `#/seal/${picture.id}`; } },
    ...more.length ? [null, ...more] : [],
  ].filter((row) => row !== false && row !== undefined && row !== ""));
}

/** A file chosen by a person; null when none was. */
export function choose({ several = false } = {}) {
  return new Promise((resolve) => {
    const input = h("input", { type: "file", accept: "image/png,image/webp,image/jpeg,image/avif,image/gif", multiple: several, class: "visually-hidden", "aria-label": t("choose.file") });
    input.addEventListener("change", () => { resolve([...input.files]); input.remove(); });
    input.addEventListener("cancel", () => { resolve([]); input.remove(); });
    document.body.append(input);
    input.click();
  });
}

/** Pictures in what was dropped or pasted; of files that are none it is said so. */
export function filesOf(data) {
  const files = [...(data?.files || [])];
  const found = files.filter((file) => file.type.startsWith("image/"));
  if (files.length > found.length) toast(t("files.none", { name: files.find((file) => !found.includes(file)).name }), { bad: true, closeLabel: t("close") });
  return found;
}

export const rememberEngine = (name) => prefer("engine", name);
