"""Does a line of lettering show an asked text in one of the world's own faces: letter by letter against exact outlines.

Tesseract reads without knowing what was asked, but stumbles over brush and script faces, and cannot tell "Cape" from "cape" where
there is no second line to compare with. Here the asked text is drawn in every face that has it, laid box on box over the line that is
seen, and each letter must match on its own, so that one wrong letter in a long word is not forgiven.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image
from scipy import ndimage

from sayso.world.judge.seen import Seen

TALL = 48  # samples over the line's height
MATCH = 0.945  # least Dice similarity of each letter; one wrong letter of a like shape (O, Q) comes to 0.92
ASPECT = 0.12  # how far the proportions of the two lines may differ
REACH = 0.045  # letters nearer to each other than this share of the picture belong to one heap
STRAY = 0.12  # how far a pixel's colour may lie beside the way from the background to the ink


@lru_cache(maxsize=512)
def _drawn(font: str, text: str) -> tuple[np.ndarray, tuple[float, ...]] | None:
    """A text's ink, cropped to it, [h, w] in 0..1, and where its letters end across, as shares of the crop's width."""
    from sayso.world import fonts
    from sayso.world.render import render
    from sayso.world.scene import Background, Lettering, Scene

    if not fonts.covers(font, text):
        return None
    em = 96
    wide = fonts.width(font, text)
    width, height = int(em * (wide + 1.2)), int(em * 1.9)
    scene = Scene(width, height, Background("transparent"), (), (Lettering(text, font, 0.5, 0.5, em / min(width, height), "#000000"),))
    ink = render(scene)[..., 3].astype(np.float32) / 255
    y, x = np.nonzero(ink > 0.5)
    if not len(x):
        return None
    left, right = int(x.min()), int(x.max()) + 1
    pen, ends = (width - wide * em) / 2, []
    for char in text:
        pen += fonts.width(font, char) * em
        ends.append((pen - left) / (right - left))
    return ink[int(y.min()) : int(y.max()) + 1, left:right], tuple(ends)


def _fit(image: np.ndarray, width: int) -> np.ndarray:
    """[h, w] in 0..1 resized to [TALL, width]."""
    small = Image.fromarray((255 * image).astype(np.uint8)).resize((width, TALL), Image.Resampling.BOX if image.shape[0] > TALL else
                                                                   Image.Resampling.BICUBIC)
    return np.asarray(small, np.float32) / 255


def likeness(found: np.ndarray, text: str, font: str) -> float:
    """Least Dice similarity of a letter of `text` in `font` to the ink [h, w] in its place; 0 where the proportions differ."""
    drawn = _drawn(font, text)
    if drawn is None:
        return 0.0
    ink, ends = drawn
    y, x = np.nonzero(found > 0.5)
    if len(x) < 8:
        return 0.0
    found = found[int(y.min()) : int(y.max()) + 1, int(x.min()) : int(x.max()) + 1]
    mine, theirs = found.shape[1] / found.shape[0], ink.shape[1] / ink.shape[0]
    if abs(np.log(mine / theirs)) > ASPECT:
        return 0.0
    width = max(8, round(TALL * theirs))
    soft = 1.0 + 0.3 * TALL / found.shape[0]  # a picture of few pixels has no sharper edges than they
    a, b = (ndimage.gaussian_filter(_fit(i, width), soft) for i in (found, ink))
    least, start = 1.0, 0
    for end, char in zip(ends, text):
        stop = min(width, max(start + 1, round(end * width)))
        if not char.isspace():
            one, two = a[:, start:stop], b[:, start:stop]
            least = min(least, float(1 - ((one - two) ** 2).sum() / max(float((one**2).sum() + (two**2).sum()), 1e-6)))
        start = stop
    return least


def matches(found: np.ndarray, text: str) -> bool:
    """Whether ink [h, w] in 0..1 shows that text in one of the world's faces."""
    from sayso.world import fonts

    return any(likeness(found, text, font) >= MATCH for font in fonts.FONTS)


def stands(seen: Seen, text: str, colour: str) -> bool:
    """Whether the text is written anywhere in that colour ("#rrggbb"): heaps of its ink are compared, one after the other.

    For lettering that the first look took for something else: a brush stroke for a thing, a joined script for a drawing.
    """
    ink = _inked(seen, colour)
    bold = ink > 0.5
    reach = max(3, round(REACH * min(ink.shape)))
    heaps, _ = ndimage.label(ndimage.binary_dilation(bold, np.ones((reach, reach), bool)))
    for index, place in enumerate(ndimage.find_objects(heaps), 1):
        mine = np.where(heaps[place] == index, ink[place], 0)
        if mine.shape[0] >= 0.06 * ink.shape[0] and matches(mine, text):
            return True
    return False


def _inked(seen: Seen, colour: str) -> np.ndarray:
    """How much of every pixel is ink of that colour over the background, [H, W] in 0..1; other colours count as none."""
    height, width = seen.pixels.shape[:2]
    rgba = seen.pixels.astype(np.float32) / 255
    field = Image.fromarray((seen.background.field * 255).astype(np.uint8)).resize((width, height), Image.Resampling.BILINEAR)
    behind = np.asarray(field, np.float32) / 255
    towards = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255 - behind
    away = rgba[..., :3] * rgba[..., 3:] + behind * (1 - rgba[..., 3:]) - behind
    share = np.clip((away * towards).sum(-1) / np.maximum((towards**2).sum(-1), 1e-3), 0, 1)
    return np.where(np.abs(away - share[..., None] * towards).max(-1) < STRAY, share, 0)
