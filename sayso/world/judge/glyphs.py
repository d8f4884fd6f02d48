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

from sayso.world.judge.lettering import cover
from sayso.world.judge.seen import Seen, SeenLine

TALL = 48  # samples over the line's height
MATCH = 0.945  # least Dice similarity of each letter; one wrong letter of a like shape (O, Q) comes to 0.92
ASPECT = 0.12  # how far the proportions of the two lines may differ


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


def likeness(seen: Seen, line: SeenLine, text: str, font: str) -> float:
    """Least Dice similarity of a letter of `text` in `font` to what stands in its place; 0 where the proportions differ."""
    drawn = _drawn(font, text)
    if drawn is None:
        return 0.0
    ink, ends = drawn
    found = cover(seen, line, 0.2)
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


def matches(seen: Seen, line: SeenLine, text: str) -> bool:
    """Whether the line shows that text in one of the world's faces."""
    from sayso.world import fonts

    return any(likeness(seen, line, text, font) >= MATCH for font in fonts.FONTS)
