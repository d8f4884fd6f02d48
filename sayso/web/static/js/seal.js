// Where a picture came from: one of ours with its parents as a tree, or any file, with every finding apart and never one verdict.

import * as api from "./api.js";
import { announce, button, fill, h, icon, sheet } from "./dom.js";
import { t, when } from "./i18n.js";
import { choose, copyText, describe, downloadButton, filesOf, img } from "./pictures.js";

const GLYPHS = { "our manifest": "seal", "another's manifest": "seal", mark: "drop", "look-alike": "search", nothing: "info" };
const DEEPEST = 12; // generations that are shown
const TONES = { "our manifest": "good", mark: "good", "broken manifest": "bad", "broken parent": "bad", "remote manifest": "warn", "another's manifest": "", "look-alike": "", nothing: "" };

export async function open(root, [id]) {
  await sheet("seal");
  if (id) await ofPicture(root, id);
  else ofFile(root);
  return { close() {} };
}

function finding(row) {
  const kind = row.kind in TONES ? row.kind : "other";
  return h("li", { class: `note ${TONES[row.kind] ?? ""}` }, icon(GLYPHS[row.kind] || "warn"), h("div", {}, h("b", {}, t(`finding.${kind}`)), h("p", {}, row.sentence)));
}

// --- any file

function ofFile(root) {
  const found = h("div", { class: "stack", role: "status" });
  const look = async (file) => {
    if (!file) return;
    const shown = h("img", { class: "checked-picture", alt: file.name, src: URL.createObjectURL(file) });
    shown.addEventListener("load", () => URL.revokeObjectURL(shown.src));
    shown.addEventListener("error", () => shown.remove());
    fill(found, h("p", {}, t("checking", { name: file.name })));
    try {
      const told = await api.verify(file);
      fill(found, h("div", { class: "checked" }, shown, h("div", { class: "stack grow" }, h("h2", {}, t("found.in", { name: file.name })), h("ul", { class: "stack findings" }, told.findings.map(finding)),
        h("p", {}, h("small", {}, t("found.none.proves"))))));
      announce(t("found.count", { count: told.findings.length }));
    } catch (error) {
      fill(found, h("p", { class: "note bad", role: "alert" }, icon("warn"), error.message));
    }
  };
  const place = h("div", { class: "dropzone" }, icon("seal"), h("p", {}, t("seal.drop")), button({ text: t("choose.file"), kind: "main", press: async () => look((await choose())[0]) }));
  const page = h("div", { class: "page", tabindex: "-1" }, h("div", { class: "page-inner" }, h("header", { class: "page-head" }, h("div", {}, h("h1", {}, t("seal.title")), h("p", {}, t("seal.words")))), place, found));
  page.addEventListener("dragover", (event) => { event.preventDefault(); place.classList.add("over"); });
  page.addEventListener("dragleave", () => place.classList.remove("over"));
  page.addEventListener("drop", (event) => { event.preventDefault(); place.classList.remove("over"); look(filesOf(event.dataTransfer)[0] || event.dataTransfer.files[0]); });
  page.addEventListener("paste", (event) => look(filesOf(event.clipboardData)[0]));
  fill(root, page);
}

// --- a picture of ours

async function ofPicture(root, id) {
  const told = await api.seal(id);
  const { picture } = told;
  const roots = await ancestry(picture, new Set([picture.id]), 0);
  const fact = (name, value, copy = false) => value !== null && value !== undefined && value !== "" && [h("dt", {}, t(`fact.${name}`)),
    h("dd", {}, copy ? h("code", {}, String(value)) : String(value), copy && button({ label: t("copy.what", { what: t(`fact.${name}`) }), glyph: "copy", kind: "plain small", press: () => copyText(String(value)) }))];
  const settings = Object.entries(picture.settings || {}).filter(([, value]) => value !== null && value !== "");
  fill(root, h("div", { class: "page", tabindex: "-1" }, h("div", { class: "page-inner" },
    h("header", { class: "page-head" }, h("div", {}, h("h1", {}, t("seal.of.title")), h("p", {}, describe(picture))), h("div", { class: "row" },
      h("a", { class: "button", href: `#/canvas/${picture.id}` }, icon("brush"), h("span", {}, t("open.canvas"))), downloadButton(picture, ""))),
    h("div", { class: "sealed" }, h("a", { class: "checkered sealed-picture", href: `#/canvas/${picture.id}` }, img(picture, { eager: true })),
      h("div", { class: "stack grow" },
        h("dl", { class: "facts" }, fact("engine", picture.engine || t(picture.kind === "upload" ? "picture.uploaded" : "fact.hand")), fact("seed", picture.seed, true), fact("made", when(picture.created_at)), fact("size", `${picture.width} × ${picture.height}`),
          fact("mark", told.mark, true), fact("weights", told.weights, true), settings.length > 0 && fact("settings", settings.map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`).join(", "))),
        told.findings?.length > 0 && h("ul", { class: "stack findings" }, told.findings.map(finding)))),
    h("section", { class: "stack" }, h("h2", {}, t("parents")), roots.length ? h("ul", { class: "tree" }, roots.map(branch)) : h("p", {}, t("parents.none"))))));
}

/** What a picture was made from, and what that was made from: {id, picture, relation, parents}. Each is shown once. */
async function ancestry(picture, seen, depth) {
  if (depth >= DEEPEST) return [];
  const fresh = picture.parents.filter((id) => !seen.has(id));
  for (const id of fresh) seen.add(id);
  return Promise.all(fresh.map(async (id) => {
    const row = await api.picture(id).catch((error) => { if (error.status === 404) return null; throw error; });
    const relation = picture.action === "edited" && id === picture.parents[0] ? "parentOf" : "inputTo";
    return { id, picture: row, relation, parents: row ? await ancestry(row, seen, depth + 1) : [] };
  }));
}

function branch(node) {
  const { picture } = node;
  return h("li", {}, picture ? h("a", { class: "leaf", href: `#/seal/${picture.id}` }, h("span", { class: "checkered" }, img(picture, { small: true })), h("span", {}, h("b", {}, describe(picture)),
    h("small", {}, [t(`relation.${node.relation}`), picture.engine, picture.seed !== null && picture.seed !== undefined && t("seed.of", { seed: picture.seed })].filter(Boolean).join(" · "))))
    : h("span", { class: "leaf" }, h("span", {}, h("b", {}, node.id), h("small", {}, t("parents.gone")))),
  node.parents?.length > 0 && h("ul", {}, node.parents.map(branch)));
}
