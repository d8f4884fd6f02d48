"""Build the art packs and the concept table of the drawn world from public npm packages.

    mkdir art && cd art && npm install @iconify-json/fluent-emoji@1.2.7 @iconify-json/fluent-emoji-flat@1.2.6 \
        @iconify-json/fluent-emoji-high-contrast@1.2.6 @iconify-json/noto@1.2.9 @iconify-json/twemoji@1.2.5 \
        cldr-annotations-full@48.2.0 emojibase-data@17.0.0
    python scripts/build_art.py --npm art

writes sayso/world/data/{fluent,flat,line,noto,twemoji}.xz and concepts.json. The same packages give the same bytes.
Names come from scripts/art_names.txt where it has the concept and from the short names of Unicode CLDR elsewhere.
"""

from __future__ import annotations

import argparse
import json
import lzma
import re
from pathlib import Path
from typing import Any

OUT = Path(__file__).resolve().parent.parent / "sayso" / "world" / "data"
NAMES = Path(__file__).with_name("art_names.txt")
SETS = {
    "fluent": "fluent-emoji",
    "flat": "fluent-emoji-flat",
    "line": "fluent-emoji-high-contrast",
    "noto": "noto",
    "twemoji": "twemoji",
}
NOT_PLURAL = ("ss", "us", "is")
_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 26}]


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def single_code_points(chars: dict[str, str]) -> dict[str, str]:
    """{"1f98a-fe0f": name} → {"🦊": name} of the characters that are one code point beside the variation selector."""
    found: dict[str, str] = {}
    for key, name in chars.items():
        points = [p for p in key.split("-") if p != "fe0f"]
        if len(points) == 1:
            found.setdefault(chr(int(points[0], 16)), name)
    return found


def read_sets(npm: Path) -> dict[str, dict[str, tuple[str, float, float]]]:
    """style → char → (SVG body, width, height), of the characters that every set has."""
    maps: dict[str, dict[str, str]] = {}
    icons: dict[str, dict[str, Any]] = {}
    for style, package in SETS.items():
        folder = npm / "node_modules" / "@iconify-json" / package
        icons[style] = read_json(folder / "icons.json")
        maps[style] = single_code_points(read_json(folder / "chars.json"))
    maps["fluent"] = {c: n for c, n in maps["flat"].items() if resolve(icons["fluent"], n) is not None}  # it ships no chars
    common = set.intersection(*(set(m) for m in maps.values()))
    sets: dict[str, dict[str, tuple[str, float, float]]] = {}
    for style, chars in maps.items():
        pack = icons[style]
        sets[style] = {}
        for char in common:
            icon = resolve(pack, chars[char])
            if icon is None:
                raise SystemExit(f"{SETS[style]} lists {char} but has no icon for it; install the pinned versions")
            size = (icon.get("width", pack.get("width", 16)), icon.get("height", pack.get("height", 16)))
            sets[style][char] = (icon["body"], *size)
    return sets


def resolve(pack: dict[str, Any], name: str) -> dict[str, Any] | None:
    while name in pack.get("aliases", {}):
        name = pack["aliases"][name]["parent"]
    icon: dict[str, Any] | None = pack["icons"].get(name)
    return icon


def tidy(body: str) -> str:
    """The body with its ids renamed "@@0", "@@1", … so that a renderer can make them unique for every copy it places."""
    ids = list(dict.fromkeys(re.findall(r'\bid="([^"]+)"', body)))
    new = {old: f"@@{i}" for i, old in enumerate(ids)}
    body = re.sub(r'\bid="([^"]+)"', lambda m: f'id="{new[m[1]]}"', body)
    body = re.sub(r"url\(#([^)]+)\)", lambda m: f"url(#{new[m[1]]})", body)
    body = re.sub(r'href="#([^"]+)"', lambda m: f'href="#{new[m[1]]}"', body)
    return re.sub(r"<filter .*?</filter>", lambda m: plain_filter(m[0]), re.sub(r">\s+<", "><", body))


_INNER = re.compile(r'(<fe\w+ [^>]*)/><feComposite in2="hardAlpha" k2="-1" k3="1" operator="arithmetic"/>')


def plain_filter(body: str) -> str:
    """The same filter without arithmetic composites, on which resvg 0.48 can run out of bounds.

    hardAlpha - shadow, which is hardAlpha * (1 - shadow) because hardAlpha is 0 or 1, is written as "hardAlpha out shadow".
    """
    return _INNER.sub(r'\1 result="shadow"/><feComposite in="hardAlpha" in2="shadow" operator="out"/>', body)


def clean(name: str) -> str:
    """A CLDR short name as it reads in a sentence: lower case, plain letters."""
    name = name.lower().replace("’", "").replace("“", "").replace("”", "").replace("!", "")
    name = re.sub(r"\s*\(.*?\)", "", name).replace(":", "").replace("person blond hair", "person with blond hair")
    return re.sub(r"\s+", " ", name.replace("person beard", "person with a beard")).strip()


def read_names() -> tuple[dict[str, tuple[list[str], list[str], str]], int]:
    """The hand-written table: char → (English, Chinese, form), and how many of its first rows are the core."""
    table: dict[str, tuple[list[str], list[str], str]] = {}
    core = 0
    for line in NAMES.read_text(encoding="utf-8").splitlines():
        if line == "=|extra":
            core = len(table)
        elif line and not line.startswith("#"):
            char, en, zh, form = line.split("|")
            char = char.replace("\ufe0f", "")
            if char in table:
                raise SystemExit(f"{NAMES.name} names {char} twice")
            table[char] = (en.split(","), zh.split(","), form)
    return table, core


def slug_of(name: str) -> str:
    plain = name.replace("ñ", "n").replace("é", "e")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def concept_rows(npm: Path, chars: set[str]) -> list[dict[str, Any]]:
    """One row a concept: those named by hand in their own order, then the rest in Unicode order."""
    annotations = npm / "node_modules" / "cldr-annotations-full" / "annotations"
    cldr = {lang: read_json(annotations / lang / "annotations.json")["annotations"]["annotations"] for lang in ("en", "zh")}
    base = npm / "node_modules" / "emojibase-data"
    meta = read_json(base / "meta" / "groups.json")
    known = {e["emoji"].replace("\ufe0f", ""): e for e in read_json(base / "en" / "data.json")}
    by_hand, core = read_names()
    order = {char: i for i, char in enumerate(by_hand)}
    rest = sorted((c for c in chars if c not in order), key=lambda c: (known.get(c, {}).get("order", 9999), c))
    missing = [c for c in by_hand if c not in chars]
    if missing:
        raise SystemExit(f"{NAMES.name} names {missing} which some set lacks")
    rows = []
    for index, char in enumerate([*order, *rest]):
        short = {lang: clean(cldr[lang][char]["tts"][0]) for lang in cldr}
        en, zh, form = by_hand.get(char, ([short["en"]], [short["zh"]], ""))
        entry = known.get(char, {})
        keys = {lang: [k for k in dict.fromkeys([short[lang], *cldr[lang][char].get("default", [])])] for lang in cldr}
        rows.append({
            "slug": slug_of(en[0]), "char": char, "en": en, "zh": zh, "form": form or form_of(en[0]), "core": index < core,
            "group": meta["groups"].get(str(entry.get("group")), "symbols"),
            "subgroup": meta["subgroups"].get(str(entry.get("subgroup")), "other-symbol"),
            "keywords_en": [k for k in keys["en"] if k not in en], "keywords_zh": [k for k in keys["zh"] if k not in zh],
        })
    return rows


def form_of(name: str) -> str:
    """p where the noun that the name is about ends like a plural, else c."""
    head = re.split(r" (?:with|of|on|in|showing|holding|without|to) ", name)[0]
    return "p" if head.endswith("s") and not head.endswith(NOT_PLURAL) else "c"


def check(rows: list[dict[str, Any]]) -> list[str]:
    """What stands against the table: names that two concepts share."""
    faults = []
    for field in ("en", "zh"):
        owner: dict[str, str] = {}
        for row in rows:
            for name in dict.fromkeys(row[field]):
                if name in owner:
                    faults.append(f"{row['char']} and {owner[name]} are both named {name!r}")
                owner[name] = row["char"]
    slugs = [row["slug"] for row in rows]
    faults += [f"slug {s!r} is used twice" for s in sorted({s for s in slugs if slugs.count(s) > 1})]
    return faults


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the art packs of the drawn world.")
    parser.add_argument("--npm", type=Path, required=True, help="folder that holds node_modules")
    npm = parser.parse_args().npm
    sets = read_sets(npm)
    cldr = read_json(npm / "node_modules" / "cldr-annotations-full" / "annotations" / "en" / "annotations.json")
    chars = {c for c in sets["fluent"] if c in cldr["annotations"]["annotations"]}
    rows = concept_rows(npm, chars)
    if faults := check(rows):
        raise SystemExit("\n".join(faults))
    OUT.mkdir(parents=True, exist_ok=True)
    table = "[\n" + ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows) + "\n]\n"
    (OUT / "concepts.json").write_text(table, encoding="utf-8")
    for style, art in sets.items():
        pack = {r["slug"]: [tidy(art[r["char"]][0]), *art[r["char"]][1:]] for r in rows}
        raw = json.dumps(pack, ensure_ascii=False, separators=(",", ":")).encode()
        packed = lzma.compress(raw, lzma.FORMAT_XZ, filters=_LZMA)
        (OUT / f"{style}.xz").write_bytes(packed)
        print(f"{style}: {len(pack)} concepts, {len(raw) / 1e6:.1f} MB, packed {len(packed) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
