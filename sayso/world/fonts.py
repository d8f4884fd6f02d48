"""Lettering outlines: four Latin faces and three that also have common Chinese, as vector paths.

The outlines in `world/data/fonts.xz` are written by scripts/build_fonts.py; sources and licences are in
data/ATTRIBUTION.md. No system font is ever used, so lettering looks the same everywhere.
"""

from __future__ import annotations

import functools
import json
import lzma

from sayso.errors import BadInput, Unknown
from sayso.paths import WORLD_DATA

LATIN: tuple[str, ...] = ("sans", "slab", "script", "mono")
CHINESE: tuple[str, ...] = ("hei", "kuaile", "brush")
FONTS: tuple[str, ...] = LATIN + CHINESE
"""sans (Inter), slab (Zilla Slab), script (Pacifico), mono (JetBrains Mono); Chinese and Latin: hei (Noto Sans SC),
kuaile (ZCOOL KuaiLe, playful), brush (Ma Shan Zheng)."""

MIDDLE = 0.35
"""A line is centred on the height that lies this many em above its baseline: about half a capital's height."""


@functools.cache
def _table() -> dict[str, dict[str, object]]:
    table: dict[str, dict[str, object]] = json.loads(lzma.decompress((WORLD_DATA / "fonts.xz").read_bytes()))
    return table


@functools.cache
def _face(font: str) -> tuple[int, dict[str, tuple[int, str]]]:
    """(units per em, char → (advance, path))."""
    if font not in FONTS:
        raise Unknown("font", font, FONTS)
    face = _table()[font]
    units, found = face["units"], face["glyphs"]
    assert isinstance(units, int) and isinstance(found, dict)
    return units, {char: (advance, path) for char, (advance, path) in found.items()}


@functools.cache
def glyphs(font: str) -> frozenset[str]:
    """The characters a font has. Raises Unknown for the font."""
    return frozenset(_face(font)[1])


def covers(font: str, text: str) -> bool:
    """Whether the font has every character of the text."""
    return set(text) <= glyphs(font)


def outline(font: str, char: str) -> tuple[str, int, int]:
    """(SVG path with its origin on the baseline and y down, advance, units per em), all in font units.

    Raises BadInput where the font lacks the character.
    """
    units, table = _face(font)
    if char not in table:
        able = [f for f in FONTS if char in _face(f)[1]]
        remedy = "use the font " + " or ".join(f'"{f}"' for f in able) if able else "leave it out"
        raise BadInput(f'the font "{font}" has no character "{char}"; {remedy}')
    advance, path = table[char]
    return path, advance, units


def width(font: str, text: str) -> float:
    """Length of a line in em: the sum of its advances (no kerning). Raises BadInput for a character the font lacks."""
    return sum(advance / units for _, advance, units in (outline(font, c) for c in text))


def line_path(font: str, text: str, x: float, y: float, em: float) -> list[tuple[str, str]]:
    """A line of text centred on x, y: (path, transform) of each visible character, for an em of `em` user units.

    The line's middle is its advance width's middle and the height MIDDLE em above the baseline.
    """
    pen = x - width(font, text) * em / 2
    baseline = y + MIDDLE * em
    placed = []
    for char in text:
        path, advance, units = outline(font, char)
        if path:
            placed.append((path, f"translate({pen:.4f} {baseline:.4f}) scale({em / units:.8f})"))
        pen += advance / units * em
    return placed
