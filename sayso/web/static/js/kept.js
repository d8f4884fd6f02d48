// What this browser remembers. Where it may not remember anything, the page does until it is closed.

function shelf(open) {
  let store = null;
  try { store = open(); store.getItem("sayso"); } catch { store = null; }
  const own = new Map();
  return {
    get(name) {
      if (own.has(name)) return own.get(name);
      try { return store?.getItem(`sayso.${name}`) ?? null; } catch { return null; }
    },
    /** Remembers a text; null forgets. */
    set(name, text) {
      own.delete(name);
      try {
        if (text === null) store?.removeItem(`sayso.${name}`);
        else if (store) store.setItem(`sayso.${name}`, text);
        else own.set(name, text);
      } catch { own.set(name, text); } // it is full
    },
    take(name) {
      const text = this.get(name);
      this.set(name, null);
      return text;
    },
  };
}

/** For good. */
export const lasting = shelf(() => localStorage);
/** For this tab. */
export const brief = shelf(() => sessionStorage);
