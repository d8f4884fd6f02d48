// Keyboard shortcuts: a table of the page and one of the view that is open.

const page = new Map();
let view = new Map();

/** How a key press is written: "ctrl+enter", "shift+?", "b". Meta counts as ctrl. */
export function written(event) {
  const name = event.key === " " ? "space" : event.key.toLowerCase();
  return `${event.ctrlKey || event.metaKey ? "ctrl+" : ""}${event.altKey ? "alt+" : ""}${name}`;
}

/** Shortcuts that always hold: [key, words, action]. */
export function always(rows) {
  page.clear();
  for (const [key, words, act] of rows) page.set(key, { words, act });
}

/** Shortcuts of a view; they go when the next view sets its own. */
export function here(rows) {
  view = new Map(rows.map(([key, words, act]) => [key, { words, act }]));
}

export function all() {
  return [[...view], [...page]].map((rows) => rows.filter(([, row]) => row.words).map(([key, row]) => [key, row.words]));
}

function typing(target) {
  return target instanceof Element && target.closest("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=range])");
}

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open]")) return;
    const key = written(event);
    if (typing(event.target) && !/^(?:ctrl|alt)\+/.test(key) && key !== "escape") return;
    const row = view.get(key) || page.get(key);
    if (row && row.act(event) !== false) event.preventDefault();
  });
}
