"""Plain picture arithmetic for `looks`: blurs, edges, grain, resampling, dots. Numpy only; all arrays float32.

Axes: H height, W width. Positions and radii are in pixels.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


def luma(rgb: np.ndarray) -> np.ndarray:
    """[H, W, 3] in 0..1 → [H, W] (Rec. 709 weights)."""
    out: np.ndarray = rgb @ LUMA
    return out


def blur(x: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian of deviation `sigma` over the first two axes, edges continued."""
    if sigma <= 0:
        return x
    reach = max(1, int(np.ceil(3 * sigma)))
    at = np.arange(-reach, reach + 1, dtype=np.float32)
    kernel = np.exp(-(at**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for axis in (0, 1):
        wide = [(0, 0)] * x.ndim
        wide[axis] = (reach, reach)
        padded = np.pad(x, wide, mode="edge")
        length = x.shape[axis]
        cut = [slice(None)] * x.ndim
        total = np.zeros_like(x, dtype=np.float32)
        for k, weight in enumerate(kernel):
            cut[axis] = slice(k, k + length)
            total += weight * padded[tuple(cut)]
        x = total
    return x


def gradient(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sobel derivatives of [H, W] (per pixel) along x and along y."""
    p = np.pad(x, 1, mode="edge")
    gx = (p[:-2, 2:] + 2 * p[1:-1, 2:] + p[2:, 2:] - p[:-2, :-2] - 2 * p[1:-1, :-2] - p[2:, :-2]) / 8
    gy = (p[2:, :-2] + 2 * p[2:, 1:-1] + p[2:, 2:] - p[:-2, :-2] - 2 * p[:-2, 1:-1] - p[:-2, 2:]) / 8
    return gx, gy


def edges(rgba: np.ndarray, sigma: float) -> np.ndarray:
    """[H, W, 4] → [H, W]: how steep the picture is, the steepest channel at each pixel, in units of full steps about 0..1."""
    soft = blur(rgba, sigma)
    steep = [np.hypot(*gradient(soft[..., c])) for c in range(soft.shape[-1])]
    return np.clip(np.maximum.reduce(steep) * 2.5 * max(sigma, 0.6), 0, 1)


@lru_cache(16)
def grain(height: int, width: int, size: float, seed: int) -> np.ndarray:
    """[H, W] smooth noise of mean 0 and deviation about 1, features of about `size` pixels; the same for the same arguments."""
    rng = np.random.Generator(np.random.PCG64(seed))
    rows, columns = int(height / size) + 3, int(width / size) + 3
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    y, x = np.arange(height, dtype=np.float32) / size, np.arange(width, dtype=np.float32) / size
    out = sample(coarse[..., None], x[None, :].repeat(height, 0), y[:, None].repeat(width, 1))[..., 0]
    out.flags.writeable = False
    return out * 1.5


def sample(x: np.ndarray, at_x: np.ndarray, at_y: np.ndarray) -> np.ndarray:
    """Bilinear values of [H, W, C] at positions (clamped to the picture) → [..., C]."""
    H, W = x.shape[:2]
    at_x, at_y = np.clip(at_x, 0, W - 1.001), np.clip(at_y, 0, H - 1.001)
    left, top = at_x.astype(np.int32), at_y.astype(np.int32)
    right, bottom = np.minimum(left + 1, W - 1), np.minimum(top + 1, H - 1)
    fx, fy = (at_x - left)[..., None], (at_y - top)[..., None]
    over = x[top, left] * (1 - fx) + x[top, right] * fx
    under = x[bottom, left] * (1 - fx) + x[bottom, right] * fx
    out: np.ndarray = over * (1 - fy) + under * fy
    return out


def blocks(x: np.ndarray, side: float) -> np.ndarray:
    """[H, W, C] → the mean of every square of about `side` pixels: [rows, columns, C]."""
    H, W, _ = x.shape
    return area(x, max(1, round(H / side)), max(1, round(W / side)))


def area(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """[H, W, C] → [height, width, C]: area means for smaller sizes, linear in between for larger ones."""
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(x[..., c])).resize(
                (width, height), Image.Resampling.BOX if height <= x.shape[0] and width <= x.shape[1] else Image.Resampling.BILINEAR
            )
        )
        for c in range(x.shape[-1])
    ]
    return np.stack(planes, -1)


def enlarge(x: np.ndarray, height: int, width: int) -> np.ndarray:
    """[rows, columns, C] → [height, width, C] without any smoothing."""
    rows, columns = np.arange(height) * x.shape[0] // height, np.arange(width) * x.shape[1] // width
    out: np.ndarray = x[rows][:, columns]
    return out


def step(x: np.ndarray, at: float | np.ndarray, soft: float) -> np.ndarray:
    """0 below `at`, 1 above, a smooth ramp of width `soft` between."""
    t = np.clip((x - at) / soft + 0.5, 0, 1)
    out: np.ndarray = t * t * (3 - 2 * t)
    return out


def kuwahara(x: np.ndarray, radius: int) -> np.ndarray:
    """[H, W, C] → each pixel the mean of that of its four corner squares which varies least (Kuwahara et al. 1976)."""
    H, W, C = x.shape
    r = radius
    padded = np.pad(x, ((r, r), (r, r), (0, 0)), mode="edge").astype(np.float64)
    both = np.concatenate([padded, padded**2], -1)
    sums = np.pad(both.cumsum(0).cumsum(1), ((1, 0), (1, 0), (0, 0)))
    best, least = np.zeros((H, W, C)), np.full((H, W), np.inf)
    for dy in (0, r):
        for dx in (0, r):
            a, b = sums[dy : dy + H, dx : dx + W], sums[dy : dy + H, dx + r + 1 : dx + r + 1 + W]
            c, d = sums[dy + r + 1 : dy + r + 1 + H, dx : dx + W], sums[dy + r + 1 : dy + r + 1 + H, dx + r + 1 : dx + r + 1 + W]
            mean = (a + d - b - c) / (r + 1) ** 2
            spread = (mean[..., C:] - mean[..., :C] ** 2).sum(-1)
            better = spread < least
            best[better], least[better] = mean[better][:, :C], spread[better]
    return best.astype(np.float32)
