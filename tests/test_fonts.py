"""Lettering outlines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.errors import BadInput, Unknown
from sayso.paths import WORLD_DATA
from sayso.world import fonts
from sayso.world.render import GLYPH_BOX, glyph_sprite

ASCII = "".join(chr(c) for c in range(0x20, 0x7F))


def hanzi() -> str:
    lines = (WORLD_DATA / "hanzi_500.txt").read_text(encoding="utf-8").splitlines()
    return "".join(line for line in lines if not line.startswith("#"))


def test_the_list_has_500_different_characters() -> None:
    assert len(hanzi()) == len(set(hanzi())) == 500


def test_every_font_has_ascii_and_the_chinese_ones_the_common_characters() -> None:
    for font in fonts.FONTS:
        assert fonts.covers(font, ASCII)
        assert fonts.covers(font, hanzi() + "，。！？") == (font in fonts.CHINESE)


def test_the_words_to_letter_are_covered() -> None:
    for font in fonts.CHINESE:
        assert fonts.covers(font, "".join((WORLD_DATA / "words_zh.txt").read_text(encoding="utf-8").split()))


@pytest.mark.parametrize("font", fonts.FONTS)
def test_glyphs_have_ink_and_stay_inside_their_box(font: str) -> None:
    for char in ASCII[1:] + (hanzi()[::12] if font in fonts.CHINESE else ""):
        ink = glyph_sprite(font, char, 48)
        assert ink.shape == (48, 48) and ink.dtype == np.uint8
        assert ink.max() > 60, char
        border = np.concatenate([ink[0], ink[-1], ink[:, 0], ink[:, -1]])
        assert border.max() == 0, char
    assert glyph_sprite(font, " ", 32).max() == 0


def test_a_capital_stands_on_the_baseline_that_glyph_box_states() -> None:
    px = 320
    rows = np.flatnonzero(glyph_sprite("sans", "H", px).max(axis=1) > 127)
    baseline = px / 2 + fonts.MIDDLE * px / GLYPH_BOX
    assert abs(rows[-1] + 1 - baseline) <= 1
    columns = np.flatnonzero(glyph_sprite("mono", "H", px).max(axis=0) > 127)
    assert abs((columns[0] + columns[-1] + 1) / 2 - px / 2) <= 2


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet=ASCII, max_size=12), st.text(alphabet=ASCII, max_size=12))
def test_width_adds_up(left: str, right: str) -> None:
    for font in fonts.FONTS:
        assert fonts.width(font, left + right) == pytest.approx(fonts.width(font, left) + fonts.width(font, right))


def test_fonts_look_different() -> None:
    drawn = [glyph_sprite(font, "a", 64).astype(int) for font in fonts.FONTS]
    for i, first in enumerate(drawn):
        for second in drawn[i + 1 :]:
            assert np.abs(first - second).mean() > 1


def test_a_missing_character_names_a_font_that_has_it_and_a_missing_font_the_nearest() -> None:
    with pytest.raises(BadInput, match='"sans" has no character "你"; use the font "hei"'):
        fonts.outline("sans", "你")
    with pytest.raises(Unknown, match='did you mean "script"'):
        fonts.width("skript", "a")
