"""Take the outlines that lettering needs out of open fonts from npm.

    mkdir fonts && cd fonts && npm install @fontsource/inter@5.3.0 @fontsource/zilla-slab@5.3.0 @fontsource/pacifico@5.3.0 \
        @fontsource/jetbrains-mono@5.3.0 @fontsource/noto-sans-sc@5.3.0 @fontsource/zcool-kuaile@5.3.0 \
        @fontsource/ma-shan-zheng@5.3.1
    python scripts/build_fonts.py --npm fonts          (needs fonttools and brotli)

writes sayso/world/data/fonts.xz and the licences: printable ASCII in every font, and in the Chinese ones the characters of
data/hanzi_500.txt, those that data/words_zh.txt needs beyond them, and common punctuation. The same packages give the
same bytes.
"""

from __future__ import annotations

import argparse
import json
import lzma
import re
from pathlib import Path

from fontTools.pens.svgPathPen import SVGPathPen
from fontTools.pens.transformPen import TransformPen
from fontTools.ttLib import TTFont

DATA = Path(__file__).resolve().parent.parent / "sayso" / "world" / "data"
FONTS = {  # name: (package, weight, has Chinese)
    "sans": ("inter", 700, False),
    "slab": ("zilla-slab", 700, False),
    "script": ("pacifico", 400, False),
    "mono": ("jetbrains-mono", 700, False),
    "hei": ("noto-sans-sc", 700, True),
    "kuaile": ("zcool-kuaile", 400, True),
    "brush": ("ma-shan-zheng", 400, True),
}
ASCII = "".join(chr(c) for c in range(0x20, 0x7F))
PUNCTUATION = "，。！？、：；“”‘’（）《》…—·"
_LZMA = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME}]


def wanted(chinese: bool) -> str:
    if not chinese:
        return ASCII
    listed = [line for line in (DATA / "hanzi_500.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    words = DATA / "words_zh.txt"
    more = words.read_text(encoding="utf-8") if words.exists() else ""
    hanzi = dict.fromkeys(c for c in "".join(listed) + more if "\u4e00" <= c <= "\u9fff")
    return ASCII + PUNCTUATION + "".join(hanzi)


def files_of(folder: Path, weight: int) -> list[Path]:
    """The woff2 files of one weight that its style sheet names, the Latin one first."""
    sheet = (folder / f"{weight}.css").read_text(encoding="utf-8")
    names = re.findall(r"url\(\./files/([^)]+-normal\.woff2)\)", sheet)
    return [folder / "files" / n for n in sorted(names, key=lambda n: ("-latin-" + str(weight) not in n, n))]


def path_of(font: TTFont, glyph: str) -> str:
    """The outline as an SVG path in whole font units, y down."""
    glyphs = font.getGlyphSet()
    pen = SVGPathPen(glyphs, ntos=lambda value: str(round(value)))
    glyphs[glyph].draw(TransformPen(pen, (1, 0, 0, -1, 0, 0)))
    return str(pen.getCommands())


def read_font(folder: Path, weight: int, chars: str) -> dict[str, object]:
    glyphs: dict[str, list[object]] = {}
    units = 0
    for file in files_of(folder, weight):
        font = TTFont(file)
        cmap = font.getBestCmap()
        here = [c for c in chars if ord(c) in cmap and c not in glyphs]
        if not here:
            continue
        if units not in (0, font["head"].unitsPerEm):
            raise SystemExit(f"{folder.name} mixes em sizes")
        units = font["head"].unitsPerEm
        for char in here:
            name = cmap[ord(char)]
            glyphs[char] = [font["hmtx"][name][0], path_of(font, name)]
    missing = [c for c in chars if c not in glyphs]
    print(f"{folder.name}: {len(glyphs)} characters, {units} units per em, missing: {''.join(missing) or 'none'}")
    return {"units": units, "glyphs": {c: glyphs[c] for c in chars if c in glyphs}}


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the lettering outlines of the drawn world.")
    parser.add_argument("--npm", type=Path, required=True, help="folder that holds node_modules")
    source = parser.parse_args().npm / "node_modules" / "@fontsource"
    fonts = {name: read_font(source / package, weight, wanted(chinese)) for name, (package, weight, chinese) in FONTS.items()}
    raw = json.dumps(fonts, ensure_ascii=False, separators=(",", ":")).encode()
    packed = lzma.compress(raw, lzma.FORMAT_XZ, filters=_LZMA)
    (DATA / "fonts.xz").write_bytes(packed)
    licences = DATA / "LICENSES"
    licences.mkdir(parents=True, exist_ok=True)
    for package, _, _ in FONTS.values():
        text = (source / package / "LICENSE").read_text(encoding="utf-8")
        (licences / f"OFL-{package}.txt").write_text(text, encoding="utf-8")
    print(f"fonts.xz: {len(raw) / 1e6:.2f} MB, packed {len(packed) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
