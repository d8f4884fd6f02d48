"""What an edit leaves alone stays as it was, to the pixel: pictures as numpy arrays, before and after.

Axes: H, W pixels of the finished picture; h, w pixels as the model drew it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

CHANGED = 0.09  # difference of premultiplied colours (0..1) from which a pixel counts as changed by the model
MOST = 0.7  # share of changed pixels from which the whole picture counts as new (another background or style)


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


def within(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """The picture as large as it fits into a size with its own aspect, transparent around it."""
    scale = min(width / pixels.shape[1], height / pixels.shape[0])
    w, h = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    out = np.zeros((height, width, 4), np.uint8)
    x, y = (width - w) // 2, (height - h) // 2
    out[y : y + h, x : x + w] = resized(pixels, w, h)
    return out


def _premultiplied(pixels: np.ndarray) -> np.ndarray:
    x = pixels.astype(np.float32) / 255
    return np.concatenate([x[..., :3] * x[..., 3:], x[..., 3:]], -1)


def _straight(x: np.ndarray) -> np.ndarray:
    alpha = x[..., 3:]
    colour = np.where(alpha > 0, x[..., :3] / np.maximum(alpha, 1e-5), 0)
    out: np.ndarray = np.round(np.concatenate([colour, alpha], -1).clip(0, 1) * 255).astype(np.uint8)
    return out


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """bool [h, w]: where two uint8 [h, w, 4] of the model's own size differ, with one pixel around; specks left out."""
    far = np.abs(_premultiplied(before) - _premultiplied(after)).max(-1) > CHANGED
    solid = _grown(_shrunk(far))  # a speck of one pixel is noise
    return _grown(_grown(solid & _grown(far)))


def _grown(mask: np.ndarray) -> np.ndarray:
    p = np.pad(mask, 1)
    out: np.ndarray = p[1:-1, 1:-1] | p[:-2, 1:-1] | p[2:, 1:-1] | p[1:-1, :-2] | p[1:-1, 2:]
    return out


def _shrunk(mask: np.ndarray) -> np.ndarray:
    p = np.pad(mask, 1, mode="edge")
    out: np.ndarray = mask & ((p[:-2, 1:-1] & p[2:, 1:-1]) | (p[1:-1, :-2] & p[1:-1, 2:]))
    return out


def masked(before: np.ndarray, after: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4]: `after` where the mask (bool [H, W]) is True, outside it `before` to the last bit."""
    assert before.shape == after.shape and mask.shape == before.shape[:2]
    return np.where(mask[..., None], after, before)


def kept(before: np.ndarray, after: np.ndarray, small_before: np.ndarray, small_after: np.ndarray) -> np.ndarray:
    """The finished picture [H, W, 4] with the old pixels wherever the model (at its own size) left them as they were."""
    mask = changed(small_before, small_after)
    if mask.mean() > MOST:
        return after
    H, W = before.shape[:2]
    soft = np.asarray(Image.fromarray(mask.astype(np.float32)).resize((W, H), Image.Resampling.BILINEAR))[..., None]
    mixed = _straight(_premultiplied(after) * soft + _premultiplied(before) * (1 - soft))
    return np.where(soft <= 0, before, np.where(soft >= 1, after, mixed))
