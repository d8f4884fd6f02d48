// Building and changing the document: elements by function, text by textContent, styles by CSSOM. Nothing here parses HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element. `props`: attributes; `class`; `on` = listeners; `vars` = CSS properties; `prop` = DOM properties. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") node.className = value;
    else if (name === "on") for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    else if (name === "vars") for (const [key, text] of Object.entries(value)) node.style.setProperty(key, text);
    else if (name === "prop") Object.assign(node, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  put(node, children);
  return node;
}

/** Appends nodes, texts, and lists of them; skips what is null or false. */
export function put(node, children) {
  for (const child of children.flat(4)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

export function fill(node, ...children) {
  node.replaceChildren();
  return put(node, children);
}

/** One of the symbols in the page's sprite. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}

/** A button with an icon, a text or both. Without a text `label` is what screen readers and tooltips say. */
export function button({ label, text, glyph, kind = "", press, ...more }) {
  const name = text ? {} : { "aria-label": label, title: label };
  return h("button", { type: "button", class: `button ${kind}${text ? "" : " only-icon"}`, ...name, ...more, on: press ? { click: press } : {} },
    glyph && icon(glyph), text && h("span", {}, text));
}

/** A label over a control. */
export function field(label, control, hint) {
  const id = control.id || (control.id = `f${next()}`);
  const parts = [h("label", { for: id }, label), control];
  if (hint) {
    const tip = h("small", { id: `${id}h` }, hint);
    control.setAttribute("aria-describedby", tip.id);
    parts.push(tip);
  }
  return h("div", { class: "field" }, parts);
}

export function select(options, value, change, more = {}) {
  const node = h("select", { ...more, on: { change: () => change(node.value) } },
    options.map(([key, text, off]) => h("option", { value: key, selected: key === value, disabled: off }, text)));
  return node;
}

let counter = 0;
export function next() { counter += 1; return counter; }

/** Tells screen readers. */
export function announce(text) {
  const place = document.getElementById("live");
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = text; });
}

/** A short message at the edge of the page; errors stay until they are closed. */
export function toast(text, { bad = false, action = null, closeLabel = "✕" } = {}) {
  const place = document.getElementById("toasts");
  const box = h("div", { class: `toast${bad ? " bad" : ""}`, role: bad ? "alert" : "status" }, h("span", {}, text),
    action && h("button", { type: "button", class: "button plain", on: { click: () => { box.remove(); action.press(); } } }, action.text),
    h("button", { type: "button", class: "button plain only-icon", "aria-label": closeLabel, on: { click: () => box.remove() } }, icon("close")));
  place.append(box);
  while (place.children.length > 3) place.firstChild.remove();
  if (!bad) setTimeout(() => box.remove(), 6000);
  return box;
}

/** A modal dialog. `build(close)` gives its content; resolves with what close() was given, or null. */
export function dialog(title, build, { wide = false, closeLabel = "Close" } = {}) {
  return new Promise((resolve) => {
    const id = `d${next()}`;
    const close = (value = null) => { box.returnValue = ""; answer = value; box.close(); };
    let answer = null;
    const box = h("dialog", { class: wide ? "dialog wide" : "dialog", "aria-labelledby": id });
    put(box, [h("header", {}, h("h2", { id }, title),
      h("button", { type: "button", class: "button plain only-icon", "aria-label": closeLabel, on: { click: () => close() } }, icon("close"))),
    h("div", { class: "dialog-body" }, build(close))]);
    box.addEventListener("close", () => { box.remove(); resolve(answer); });
    box.addEventListener("pointerdown", (event) => { if (event.target === box) close(); });
    document.body.append(box);
    box.showModal();
    box.querySelector("[autofocus]")?.focus();
  });
}

/** A menu under a button. `items`: {text, glyph, press, off, note, bad} or null for a line. */
export function menu(anchor, items) {
  const box = h("div", { class: "menu", role: "menu", popover: "auto" });
  for (const item of items) {
    if (item === null) { box.append(h("hr")); continue; }
    const row = h("button", { type: "button", role: "menuitem", tabindex: "-1", class: item.bad ? "bad" : "", "aria-disabled": item.off ? "true" : null },
      item.glyph && icon(item.glyph), h("span", {}, item.text, item.note && h("small", {}, item.note)));
    row.addEventListener("click", () => { if (!item.off) { box.hidePopover(); item.press(); } });
    box.append(row);
  }
  document.body.append(box);
  box.showPopover();
  place(box, anchor);
  const rows = [...box.querySelectorAll("button")];
  rows[0]?.focus();
  box.addEventListener("keydown", (event) => {
    const at = rows.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (to !== undefined) { event.preventDefault(); rows.at(to % rows.length)?.focus(); }
    if (event.key === "Tab") box.hidePopover();
  });
  box.addEventListener("toggle", (event) => {
    if (event.newState === "closed") { box.remove(); anchor.setAttribute("aria-expanded", "false"); if (anchor.isConnected) anchor.focus(); }
  });
  anchor.setAttribute("aria-expanded", "true");
  return box;
}

/** Puts a floating box beside its anchor, inside the window. */
export function place(box, anchor) {
  const a = anchor.getBoundingClientRect();
  const b = box.getBoundingClientRect();
  const gap = 6;
  const below = a.bottom + gap + b.height <= innerHeight || a.top < b.height + gap;
  const top = below ? Math.min(a.bottom + gap, innerHeight - b.height - gap) : a.top - b.height - gap;
  const left = Math.min(Math.max(gap, a.left), innerWidth - b.width - gap);
  box.style.setProperty("top", `${Math.max(gap, top)}px`);
  box.style.setProperty("left", `${Math.max(gap, left)}px`);
}

/** Waits until calls stop coming. */
export function calm(work, ms = 200) {
  let timer = 0;
  return (...args) => { clearTimeout(timer); timer = setTimeout(() => work(...args), ms); };
}

/** Links a stylesheet that only some pages need; resolves when it applies. */
export function sheet(name) {
  const href = new URL(`../css/${name}.css`, import.meta.url).href;
  if ([...document.styleSheets].some((known) => known.href === href)) return Promise.resolve();
  return new Promise((resolve) => {
    document.head.append(h("link", { rel: "stylesheet", href, on: { load: resolve, error: resolve } }));
  });
}
