"""What an edit leaves alone stays as it was, to the pixel: pictures as numpy arrays, before and after.

Axes: H, W pixels of a picture.
"""

from __future__ import annotations

import numpy as np
from PIL import Image


def resized(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Straight-alpha uint8 [H, W, 4] at another size, through premultiplied colours so that edges stay clean.

    Smaller sizes are area means, larger ones Lanczos.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    smaller = height <= pixels.shape[0] and width <= pixels.shape[1]
    how = Image.Resampling.BOX if smaller else Image.Resampling.LANCZOS
    image = Image.fromarray(pixels, "RGBA").convert("RGBa").resize((width, height), how)
    return np.array(image.convert("RGBA"))


def masked(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4]: `after` where the mask (bool [H, W]) is True, outside it `before` to the last bit."""
    assert before.shape == after.shape and mask.shape == before.shape[:2]
    return np.where(mask[..., None], after, before)


def premultiplied(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4] → float32 in 0..1, colours times alpha."""
    out = pixels.astype(np.float32) / 255
    out[..., :3] *= out[..., 3:]
    return out


def straight(pixels: np.ndarray) -> np.ndarray:
    """The inverse of `premultiplied`, rounded; what is wholly transparent is black."""
    alpha = pixels[..., 3:]
    colour = np.where(alpha > 0, pixels[..., :3] / np.maximum(alpha, 1e-6), 0)
    out: np.ndarray = (np.concatenate((colour, alpha), -1).clip(0, 1) * 255).round().astype(np.uint8)
    return out


def laid_over(before: np.ndarray, top: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4]: `top` over `before`, both straight alpha; where `top` is transparent every bit is the old one's."""
    assert before.shape == top.shape
    over = premultiplied(top)
    out = straight(over + premultiplied(before) * (1 - over[..., 3:]))
    return np.where(top[..., 3:] > 0, out, before)
