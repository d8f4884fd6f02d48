"""Characters told apart by what the fonts would have set, on exact pictures."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.engines import letters
from sayso.world import fonts
from sayso.world.render import render
from sayso.world.scene import Background, Lettering, Scene
from sayso.world.sheets import characters

INK, LATIN = "#2563eb", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
BLUE = np.array((0x25, 0x63, 0xEB), np.float32)
ALIKE = [set(some) for some in ("Il1i", "O0oQD", "Ss5", "CcG", "VvYy", "Ww", "Xx", "Zz2", "Uu", "Pp", "Kk", "B8", "EF", "Mm")]


def line(text: str, font: str, ground: str = "#ffffff") -> tuple[np.ndarray, Lettering]:
    set_ = Lettering(text, font, 0.5, 0.5, 0.16, INK)
    return render(Scene(64, 64, Background("solid", (ground,)), lettering=(set_,)), 256, 256), set_


def alike(a: str, b: str) -> bool:
    return a == b or any(a in some and b in some for some in ALIKE)


@pytest.mark.parametrize("font", fonts.FONTS)
@pytest.mark.parametrize("ground", ["#ffffff", "#f7d020", "#222222"])
def test_the_ink_alone_tells_which_letter_it_is(font: str, ground: str) -> None:
    """Of all letters, when the eye has no idea; but for those that differ in size alone."""
    right = 0
    for word in ("QUEEN", "hedge", "Stamp7"):
        picture, set_ = line(word, font, ground)
        chances = np.full(len(LATIN), 1 / len(LATIN))
        chances[[LATIN.index(c) for c in set(word)]] *= 1.01  # among the first of equals
        for want, away, _ in characters(set_):
            said, x = letters.told_apart(picture, 0.5 + away * 0.16 + 0.01, 0.5, 0.16, BLUE, font, LATIN, chances)
            right += alike(said, want)
            assert abs(x - 0.5 - away * 0.16) < 0.03
    assert right >= 13, f"{right} of 16"


def test_chinese_characters_that_the_eye_confuses() -> None:
    font = next(f for f in fonts.FONTS if fonts.covers(f, "生日快乐帆顺"))
    some = "土生日曰快决乐机帆顺饭"
    for word in ("生日快乐", "一帆风顺"):
        picture, set_ = line(word, font)
        for want, away, _ in characters(set_):
            if want in some:
                said, _ = letters.told_apart(picture, 0.5 + away * 0.16, 0.5, 0.16, BLUE, font, some, np.full(len(some), 0.09))
                assert said == want or {said, want} == {"日", "曰"}


def test_where_there_is_no_ink_nothing_is_read() -> None:
    blank = np.full((128, 128, 4), 255, np.uint8)
    assert letters.told_apart(blank, 0.5, 0.5, 0.2, BLUE, "sans", LATIN, np.full(62, 1 / 62))[0] == ""
    assert letters.told_apart(blank, 0.5, 0.5, 0.2, BLUE, "sans", LATIN, np.eye(62)[7])[0] == LATIN[7], "but what the eye is sure of stays"
    assert letters.missed(blank, 0.5, 0.5, 0.2, BLUE, "sans", LATIN, 0.4) == ""


def test_a_letter_that_the_eye_did_not_see_is_found_in_its_gap_and_a_space_stays_one() -> None:
    picture, set_ = line("Ham on", "sans")
    by = {k: (away, wide) for k, (_, away, wide) in enumerate(characters(set_))}
    away, wide = by[1]
    assert letters.missed(picture, 0.5 + away * 0.16, 0.5, 0.16, BLUE, "sans", LATIN, wide) == "a"
    space = (by[2][0] + by[2][1] / 2 + by[3][0] - by[3][1] / 2) / 2
    assert letters.missed(picture, 0.5 + space * 0.16, 0.5, 0.16, BLUE, "sans", LATIN, fonts.width("sans", " ")) == ""


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.02, 0.9), st.floats(-0.2, 1.2), st.floats(-0.2, 1.2))
def test_any_picture_can_be_asked(seed: int, em: float, x: float, y: float) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (40, 60, 4), dtype=np.uint8)
    said, _ = letters.told_apart(noise, x, y, em, BLUE, "sans", LATIN, np.random.default_rng(seed).random(62))
    assert said in {"", *LATIN}


@pytest.mark.parametrize("candidates", ["AIm", "ImA"])
def test_fits_agrees_with_correlating_one_by_one(candidates: str) -> None:
    picture, _ = line("A", "sans")
    fast, _ = letters.fits(picture, 0.5, 0.5, 0.16, BLUE, "sans", candidates)
    shown, wide = round(letters.FINE * letters.SHOWN), round(letters.FINE * letters.SHOWN) + 2 * letters.AWAY
    half = min(shown // 2, round(letters.FINE * (fonts.width("sans", candidates[0]) / 2 + letters.BESIDE)))
    for k, one in enumerate(candidates):
        glyph, best = letters._glyph("sans", one)[:, (shown - 2 * half) // 2 : (shown + 2 * half) // 2], -1.0
        for size in letters.SIZES:
            from sayso.engines.keeping import resized
            from sayso.engines.votes import cut

            seen = letters.inked(resized(cut(picture, 0.5, 0.5, 0.16 * size * wide / letters.FINE), wide, wide), BLUE)
            for dy in range(wide - shown + 1):
                for dx in range(wide - shown + 1):
                    part = seen[dy : dy + shown, dx : dx + shown][:, (shown - 2 * half) // 2 : (shown + 2 * half) // 2]
                    if part.std() > 0 and glyph.std() > 0:
                        best = max(best, float(np.corrcoef(part.ravel(), glyph.ravel())[0, 1]))
        assert fast[k] == pytest.approx(best, abs=2e-3)
