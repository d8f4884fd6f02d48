"""Sizes in pixels: what a request is drawn at, what a picture is edited at, and how pictures get there and back."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from sayso.engines.hidream.variants import SIDE
from sayso.errors import BadInput

UNIT = 16  # pixels along a patch of latents
LONGEST = 4.0  # long side : short side, at most
LEAST, MOST = 64, 4096  # pixels along a side that may be asked for


def check(width: int, height: int) -> None:
    """Raises BadInput for sides out of range or a shape that the models have not seen."""
    if not LEAST <= min(width, height) <= max(width, height) <= MOST:
        raise BadInput(f"size {width}x{height} cannot be drawn; sides are {LEAST} to {MOST} pixels, for example 1024x1024 or 1360x768")
    if max(width, height) > LONGEST * min(width, height):
        raise BadInput(f"size {width}x{height} is too oblong; one side may be at most {LONGEST:g} times the other, for example 1760x576")


def drawn(width: int, height: int, area: int = SIDE**2) -> tuple[int, int]:
    """The size that a request is drawn at: its shape at about `area` pixels, each side cut to a multiple of UNIT, as the releases do it."""
    scale = math.sqrt(area / (width * height))
    return max(UNIT, int(width * scale // UNIT * UNIT)), max(UNIT, int(height * scale // UNIT * UNIT))


def exact(width: int, height: int, max_tokens: int, across: int = 1) -> tuple[int, int]:
    """The size itself, when it can be drawn as it stands. `across`: pictures side by side in the grid. Raises BadInput."""
    if width % UNIT or height % UNIT:
        near = tuple(max(UNIT, round(side / UNIT) * UNIT) for side in (width, height))
        raise BadInput(f"size {width}x{height} cannot be drawn exactly, sides are multiples of {UNIT}; the nearest is {near[0]}x{near[1]}")
    rows, columns = height // UNIT, width // UNIT * across
    if rows != columns and rows * columns > max_tokens:
        raise BadInput(f"size {width}x{height} has {rows * columns} patches and this model takes {max_tokens}; take a smaller one")
    return width, height


def edited(width: int, height: int, area: int = SIDE**2) -> tuple[int, int]:
    """The size that E1.1 edits a picture at: the largest of the four roundings of its shape that does not exceed `area`."""
    while min(width, height) >= 2 * math.isqrt(area):
        width, height = width // 2, height // 2
    scale = math.sqrt(area / (width * height))
    sides = [{int(cut(side * scale)) // UNIT * UNIT for cut in (round, math.floor)} for side in (width, height)]
    fitting = [(w, h) for w in sides[0] for h in sides[1] if 0 < w * h <= area]
    return max(fitting, key=lambda size: (size[0] * size[1], size))


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels))


def covering(pixels: np.ndarray, width: int, height: int, resample: Image.Resampling = Image.Resampling.LANCZOS) -> np.ndarray:
    """uint8 [·, ·, 3] scaled until it covers width × height, then cut from its middle; nothing is stretched."""
    h, w = pixels.shape[:2]
    if (w, h) == (width, height):
        return pixels
    scale = max(width / w, height / h)
    size = max(width, round(w * scale)), max(height, round(h * scale))
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    return np.asarray(_image(pixels).resize(size, resample).crop((left, top, left + width, top + height)))


def for_editing(pixels: np.ndarray, square: int | None, area: int = SIDE**2) -> np.ndarray:
    """uint8 [·, ·, 3] as the editing models want it: E1 takes a square whatever the shape, E1.1 its own shape."""
    if square is not None:
        return np.asarray(_image(pixels).resize((square, square), Image.Resampling.BICUBIC))
    image = _image(pixels)
    while min(image.size) >= 2 * math.isqrt(area):
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
    return covering(np.asarray(image), *edited(image.width, image.height, area), Image.Resampling.BICUBIC)


def back(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """An edited picture at the size that it came in."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(_image(pixels).resize((width, height), Image.Resampling.LANCZOS))
