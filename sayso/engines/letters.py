"""Characters that the eye is in doubt about, told apart by laying what the fonts would have set over the picture.

To check what was read by drawing it is what `sight` does with things. Lengths are in shorter sides of the picture, or in em.

Axes: K candidates, P pixels of a glyph's square, S places at which it is laid.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from sayso.engines.keeping import resized
from sayso.engines.votes import cut
from sayso.world import fonts
from sayso.world.render import GLYPH_BOX, glyph_sprite

FINE = 24  # pixels to the em at which glyphs are compared
SHOWN = 1.1  # em: side of the square that is compared
BESIDE = 0.04  # em to both sides of a character's advance that are compared too
AWAY = 3  # pixels by which a glyph may lie otherwise than was seen
SIZES = (0.92, 1.0, 1.09)  # of the em that was seen
MOST = 24  # candidates, the likeliest by the eye
FAITH = 0.05  # correlation that an e-fold of the eye's chance outweighs
NONE = 0.4  # correlation up to which a character is no more than doubt
CERTAIN = 0.5  # chance from which on the eye is believed against the ink: no font is like it, or it is no ink of one colour
SURE = 0.65  # correlation from which on a character that the eye did not see stands in a gap
LOOSE = 0.2  # em by which its width may differ from the gap's
LEAST = 1e-4  # chance below which the eye says nothing


@functools.lru_cache(8192)
def _glyph(font: str, character: str) -> np.ndarray:
    """Its coverage over the middle square of SHOWN em, float32 [H, H]."""
    side, shown = round(FINE * GLYPH_BOX), round(FINE * SHOWN)
    rim = (side - shown) // 2
    return glyph_sprite(font, character, side)[rim : rim + shown, rim : rim + shown].astype(np.float32)


def _even(patches: np.ndarray) -> np.ndarray:
    """[..., P] with mean 0 and length 1."""
    patches = patches - patches.mean(-1, keepdims=True)
    out: np.ndarray = patches / np.maximum(np.linalg.norm(patches, axis=-1, keepdims=True), 1e-3)
    return out


def inked(pixels: np.ndarray, ink: np.ndarray) -> np.ndarray:
    """float32 [H, W]: how far each pixel of a picture, uint8 [H, W, 4], is of the ink [3] and not of what lies around it, 0..1."""
    off = np.abs(pixels[..., :3].astype(np.float32) - ink).max(-1)
    off = np.where(pixels[..., 3] > 127, off, 255.0)
    ground = max(float(np.quantile(off, 0.7)), 24.0)
    covered: np.ndarray = (1 - off / ground).clip(0, 1)
    return covered


def fits(
    picture: np.ndarray, x: float, y: float, em: float, ink: np.ndarray, font: str, candidates: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """How well each candidate explains the ink around x, y of a picture, uint8 [H, W, 4]: the best correlation [K] over some places and
    sizes, as far to both sides as the first candidate is wide: beyond that its neighbours begin. And how far to the right [K] that is."""
    shown = round(FINE * SHOWN)
    wide = shown + 2 * AWAY
    half = min(shown // 2, round(FINE * (fonts.width(font, candidates[0]) / 2 + BESIDE)))
    middle = slice((shown - 2 * half) // 2, (shown + 2 * half) // 2)
    templates = _even(np.stack([_glyph(font, c)[:, middle].ravel() for c in candidates]))
    best, right = np.full(len(candidates), -1.0, np.float32), np.zeros(len(candidates))
    for size in SIZES:
        seen = resized(cut(picture, x, y, em * size * wide / FINE), wide, wide)
        windows = np.lib.stride_tricks.sliding_window_view(inked(seen, ink), (shown, shown))[..., middle]
        alike = _even(windows.reshape(-1, shown * 2 * half)) @ templates.T
        place, better = alike.argmax(0), alike.max(0) > best
        right = np.where(better, (place % (2 * AWAY + 1) - AWAY) * em * size / FINE, right)
        best = np.maximum(best, alike.max(0))
    return best, right


def told_apart(
    picture: np.ndarray, x: float, y: float, em: float, ink: np.ndarray, font: str, characters: Sequence[str], chances: np.ndarray
) -> tuple[str, float]:
    """The character that the eye's chances [N] of `characters` and the ink around x, y speak for together, and its x; "" where the ink
    is like none and the eye in doubt."""
    order = [int(k) for k in np.argsort(-chances)[:MOST] if fonts.covers(font, characters[int(k)])]
    likely = [characters[k] for k in order]
    alike, right = fits(picture, x, y, em, ink, font, likely)
    best = int((alike + FAITH * np.log(np.maximum(chances[order], LEAST))).argmax())
    if alike[best] > NONE:
        return likely[best], x + float(right[best])
    return likely[0] if chances[order[0]] > CERTAIN else "", x


def missed(picture: np.ndarray, x: float, y: float, em: float, ink: np.ndarray, font: str, characters: Sequence[str], gap: float) -> str:
    """The character that stands in a gap (em) around x, y though the eye saw none; "" where nothing stands there."""
    likely = [c for c in characters if abs(fonts.width(font, c) - gap) < LOOSE and c.isascii() and c.isalnum()]
    if not likely:
        return ""
    likely.sort(key=lambda c: -fonts.width(font, c))
    alike, _ = fits(picture, x, y, em, ink, font, likely)
    return likely[int(alike.argmax())] if alike.max() > SURE else ""
