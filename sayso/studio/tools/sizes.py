"""Sizes: what "auto" means for an edit, and bringing pixels to an exact size."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from sayso.types import Picture

STRETCH = 0.12  # logarithm: a picture may be made longer by an eighth, not more; 3:2 is 0.105 from 5:3
MULTIPLE, LEAST, MOST = 16, 64, 2048  # of the sides that engines are asked for


def drawable(width: int, height: int) -> tuple[int, int]:
    """The nearest size with sides that are multiples of 16 from 64 to 2048, in about the same shape."""
    scale = min(1.0, MOST / max(width, height)) * max(1.0, LEAST / min(width, height) if max(width, height) < MOST else 1.0)
    return _side(width * scale), _side(height * scale)


def _side(pixels: float) -> int:
    return max(LEAST, min(MOST, round(pixels / MULTIPLE) * MULTIPLE))


def nearest(width: int, height: int, shapes: Sequence[str]) -> tuple[int, int] | None:
    """The size among `shapes` ("WIDTHxHEIGHT") from which a picture is stretched least to `width` x `height`.

    None when that is more than STRETCH, or when the engine can be asked for the size itself, as it has just such a shape.
    """
    known = [(int(across), int(down)) for across, _, down in (shape.partition("x") for shape in shapes)]
    far, best = min((abs(math.log(width * down / (height * across))), (across, down)) for across, down in known)
    return None if far > STRETCH or (far == 0 and drawable(width, height) == (width, height)) else best


def within(width: int, height: int, side: int, pixels: int) -> tuple[int, int]:
    """The size itself, or the largest of its shape within the bounds."""
    scale = min(1.0, side / max(width, height), (pixels / (width * height)) ** 0.5)
    return max(1, int(width * scale)), max(1, int(height * scale))


def fit(picture: Picture, width: int, height: int) -> Picture:
    """Resampled to a size through premultiplied colours, so that transparent edges stay clean."""
    if (picture.width, picture.height) == (width, height):
        return picture
    image = Image.fromarray(picture.pixels).convert("RGBa").resize((width, height), Image.Resampling.LANCZOS)
    return Picture(np.asarray(image.convert("RGBA")), picture.origin)


def on_white(picture: Picture) -> Picture:
    """Without transparency: laid on white. An opaque picture comes back as it is."""
    if bool((picture.pixels[..., 3] == 255).all()):
        return picture
    alpha = picture.pixels[..., 3:].astype(np.float32) / 255
    flat = (picture.pixels[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    return Picture(np.dstack((flat, np.full(flat.shape[:2], 255, np.uint8))), picture.origin)
