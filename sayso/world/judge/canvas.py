"""The picture as the judge works on it: reduced to one working size, premultiplied, with a measure of its sharpness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from sayso.errors import BadInput

SIDE = 128  # working pixels along the shorter side: twice what the smallest model draws, enough for an item of 1/10 canvas
SHARP = 0.32  # between the most detailed picture of 64 px (0.30) and the plainest of 128 px (0.35) of 60 scenes
SMALLEST, LONGEST = 16, 4.0  # pixels along a side, and the most elongated picture that is looked at


@dataclass(frozen=True, eq=False)
class Canvas:
    """`premultiplied`: float32 [h, w, 3] in 0..1, colour times alpha; `alpha`: float32 [h, w]; `fine`: 1 for a picture that
    is sharp at the working size, 0.5 for one that was enlarged from half of it."""

    premultiplied: np.ndarray
    alpha: np.ndarray
    fine: float

    @property
    def height(self) -> int:
        return int(self.alpha.shape[0])

    @property
    def width(self) -> int:
        return int(self.alpha.shape[1])

    def over(self, colour: np.ndarray) -> np.ndarray:
        """The picture laid over `colour` ([3] or [h, w, 3] in 0..1) → [h, w, 3]."""
        return np.asarray(self.premultiplied + (1 - self.alpha[..., None]) * colour, dtype=np.float32)


def working_size(width: int, height: int) -> tuple[int, int]:
    """Pixels of a picture → (w, h) of its working size, shorter side SIDE. Raises BadInput when it is too small or too long."""
    if min(width, height) < SMALLEST or max(width, height) > LONGEST * min(width, height):
        raise BadInput(f"a picture of {width}x{height} cannot be judged; it needs sides of at least {SMALLEST} pixels "
                       f"and an aspect of at most {LONGEST:g}:1")
    scale = SIDE / min(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def reduce(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 [H, W, 4] straight alpha → float32 [height, width, 4] premultiplied in 0..1; area mean down, bicubic up."""
    image = Image.fromarray(pixels, "RGBA").convert("RGBa")
    method = Image.Resampling.BOX if width <= image.width else Image.Resampling.BICUBIC
    return np.asarray(image.resize((width, height), method), dtype=np.float32) / 255.0


def reduce_as(pixels: np.ndarray, seen: Canvas) -> np.ndarray:
    """As `reduce`, to the size of a working picture and as soft as it is."""
    if seen.fine == 1.0:
        return reduce(pixels, seen.width, seen.height)
    small = reduce(pixels, max(1, seen.width // 2), max(1, seen.height // 2))
    back = Image.fromarray(np.clip(small * 255 + 0.5, 0, 255).astype(np.uint8), "RGBa")
    return np.asarray(back.resize((seen.width, seen.height), Image.Resampling.BICUBIC), dtype=np.float32) / 255.0


def _sharpness(rgb: np.ndarray) -> float:
    """Share of the detail below 1/32 canvas that also lies below 1/64: about 0 for a picture enlarged from 64 px."""
    def halved(x: np.ndarray) -> np.ndarray:
        h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
        return np.asarray(x[:h, :w].reshape(h // 2, 2, w // 2, 2, 3).mean((1, 3)))

    half = halved(rgb)
    quarter = halved(half)
    top = float(rgb[: 2 * half.shape[0], : 2 * half.shape[1]].var() - half.var())
    middle = float(half[: 2 * quarter.shape[0], : 2 * quarter.shape[1]].var() - quarter.var())
    return top / max(middle, 1e-9)


def canvas(pixels: np.ndarray) -> Canvas:
    """uint8 [H, W, 4] → the working picture. Raises BadInput for another shape, type or size."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 4:
        raise BadInput(f"a picture to judge must be uint8 [height, width, 4], not {pixels.dtype} {list(pixels.shape)}")
    width, height = working_size(pixels.shape[1], pixels.shape[0])
    small = reduce(np.ascontiguousarray(pixels), width, height)
    alpha = np.clip(small[..., 3], 0, 1)
    premultiplied = np.clip(small[..., :3], 0, alpha[..., None])
    grey = premultiplied + (1 - alpha[..., None]) * 0.5
    return Canvas(premultiplied, alpha, 1.0 if _sharpness(grey) > SHARP else 0.5)
