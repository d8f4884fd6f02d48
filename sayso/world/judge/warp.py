"""Sampling pictures at moved, scaled and turned places; grids and resampling matrices that the bank and the matcher share."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def sample(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """image [h, w, C], pixel coordinates x, y of any shape [...] (0, 0 = middle of the first pixel) → bilinear [..., C], 0 outside."""
    h, w, channels = image.shape
    padded = np.zeros((h + 2, w + 2, channels), np.float32)
    padded[1:-1, 1:-1] = image
    flat = padded.reshape(-1, channels)
    px, py = np.clip(x + 1, 0, w + 0.999), np.clip(y + 1, 0, h + 0.999)
    ix, iy = px.astype(np.int32), py.astype(np.int32)
    fx, fy = (px - ix)[..., None].astype(np.float32), (py - iy)[..., None].astype(np.float32)
    at = iy * (w + 2) + ix
    top = flat[at] * (1 - fx) + flat[at + 1] * fx
    bottom = flat[at + w + 2] * (1 - fx) + flat[at + w + 3] * fx
    return np.asarray(top * (1 - fy) + bottom * fy)


@lru_cache(maxsize=16)
def unit_grid(n: int, half: float) -> tuple[np.ndarray, np.ndarray]:
    """n x n sample points over -half..half → u [n * n] rightwards, v [n * n] downwards."""
    line = ((np.arange(n, dtype=np.float32) + 0.5) / n * 2 - 1) * half
    v, u = np.meshgrid(line, line, indexing="ij")
    return u.reshape(-1), v.reshape(-1)


def place(u: np.ndarray, v: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points [n] of an art box (unit side, centre 0) under box [K, 5] = x, y, side (pixels), turn (radians, clockwise),
    mirror (1 or -1) → pixel coordinates [K, n], [K, n]."""
    cos, sin = np.cos(box[:, 3:4]), np.sin(box[:, 3:4])
    a, b = u[None] * box[:, 4:5] * box[:, 2:3], v[None] * box[:, 2:3]
    return box[:, 0:1] + a * cos - b * sin, box[:, 1:2] + a * sin + b * cos


@lru_cache(maxsize=256)
def resampler(source: int, n: int, half: float, sigma: float) -> np.ndarray:
    """Matrix [n, source] that reads n samples over -half..half of a source on -0.5..0.5 through a Gaussian of `sigma` (unit sides)."""
    at = ((np.arange(n) + 0.5) / n * 2 - 1) * half
    pixel = (np.arange(source) + 0.5) / source - 0.5
    # A source beyond its edge is empty, so the kernel is normalised over the whole line, not over the pixels that exist.
    kernel = np.exp(-((at[:, None] - pixel[None]) ** 2) / (2 * sigma**2)) / (sigma * np.sqrt(2 * np.pi) * source)
    return np.asarray(kernel, dtype=np.float32)


def halves(image: np.ndarray, levels: int) -> list[np.ndarray]:
    """image [h, w, C] and its halvings by area mean (odd edges repeated) → list of levels + 1 arrays."""
    out = [image]
    for _ in range(levels):
        top = out[-1]
        top = np.pad(top, ((0, top.shape[0] % 2), (0, top.shape[1] % 2), (0, 0)), mode="edge")
        out.append(top.reshape(top.shape[0] // 2, 2, top.shape[1] // 2, 2, -1).mean((1, 3)).astype(np.float32))
    return out
