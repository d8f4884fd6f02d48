"""Is a picture drawn in the look that was asked for (pixel art, watercolour, …), and does it show the thing that was asked for.

Independent of the models that are judged: the asked scene is drawn exactly and put into every look, and the picture is
named after the one whose colours and textures are nearest. Things may lie elsewhere, be larger or smaller. Pictures are
compared at 64 pixels, so that one drawn small and enlarged is judged alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from PIL import Image

from sayso.world import looks, strokes
from sayso.world.render import render
from sayso.world.scene import Scene

SIDE = 64
PLAIN = "plain"  # the answer for a picture in none of the looks
ANSWERS = (*looks.NAMES, PLAIN)
SAME = 0.5  # likeness from which a picture counts as the exact one
_FLOOR = 0.12  # of a feature's spread over the looks: those that hardly differ must not decide
_SIZES = (0.7, 0.85, 1.0, 1.18, 1.4)  # how much smaller or larger a thing may be drawn


def reduced(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 4] of any size → float32 [SIDE, SIDE, 4] in 0..1, premultiplied."""
    x = pixels.astype(np.float32) / 255
    x = np.concatenate([x[..., :3] * x[..., 3:], x[..., 3:]], -1)
    planes = [np.asarray(Image.fromarray(np.ascontiguousarray(x[..., c])).resize((SIDE, SIDE), Image.Resampling.BOX)) for c in range(4)]
    return np.stack(planes, -1)


@lru_cache(1)
def _bands() -> np.ndarray:
    """int [SIDE, SIDE // 2 + 1]: the ring and direction of each frequency, −1 for the mean."""
    fy, fx = np.fft.fftfreq(SIDE)[:, None] * SIDE, np.fft.rfftfreq(SIDE)[None, :] * SIDE
    ring = np.clip(np.log2(np.maximum(np.hypot(fy, fx), 1)) * 2.2, 0, 11).astype(int)
    way = ((np.arctan2(fy, fx + 1e-9) / np.pi + 0.5) * 4 + 0.5).astype(int) % 4
    out = ring * 4 + way
    out[0, 0] = -1
    return out


def features(pixels: np.ndarray) -> np.ndarray:
    """float64 [F]: energies by frequency and direction of brightness and of colour, and statistics of colours and edges."""
    x = reduced(pixels)
    rgb = x[..., :3] + 0.5 * (1 - x[..., 3:])
    grey = strokes.luma(rgb)
    bands = _bands()
    out = []
    for plane in (grey, rgb.max(-1) - rgb.min(-1)):
        power = np.abs(np.fft.rfft2(plane - plane.mean())) ** 2
        energy = np.bincount(bands[bands >= 0], weights=power[bands >= 0], minlength=48)
        count = np.maximum(np.bincount(bands[bands >= 0], minlength=48), 1)
        out.append(np.log(energy / count + 1e-3))
    steep = np.hypot(*strokes.gradient(grey)).ravel()
    out.append(np.quantile(steep, (0.1, 0.3, 0.5, 0.7, 0.85, 0.95)))
    for plane in (*np.moveaxis(rgb, -1, 0), grey, rgb.max(-1) - rgb.min(-1), x[..., 3]):
        out.append(np.quantile(plane, (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)))
    cells = np.floor(rgb * 7.99).astype(int)
    share = np.sort(np.bincount((cells * (64, 8, 1)).sum(-1).ravel(), minlength=512))[::-1] / SIDE**2
    out.append(np.array([share[0], share[:2].sum(), share[:4].sum(), share[:12].sum()]))
    return np.concatenate(out)


def dressed(scene: Scene, look: str) -> np.ndarray:
    """The scene drawn exactly in a look of ANSWERS, uint8, 256 pixels along its shorter side."""
    plain = render(
        scene, round(256 * scene.width / min(scene.width, scene.height)), round(256 * scene.height / min(scene.width, scene.height))
    )
    return plain if look == PLAIN else looks.put_on(look, plain)


def coarse(pixels: np.ndarray) -> np.ndarray:
    """As a small model draws it: SIDE pixels, enlarged again. Exact pictures are compared in this form."""
    height, width = pixels.shape[:2]
    image = Image.fromarray(pixels, "RGBA").convert("RGBa").resize((SIDE, SIDE), Image.Resampling.BOX)
    return np.array(image.resize((width, height), Image.Resampling.BICUBIC).convert("RGBA"))


@lru_cache(4)
def _references(scene: Scene) -> np.ndarray:
    """float64 [ANSWERS, F]: the scene in every look, as a small model would draw it."""
    return np.stack([features(coarse(dressed(scene, name))) for name in ANSWERS])


def look_of(pixels: np.ndarray, scene: Scene) -> str:
    """uint8 [H, W, 4], a picture of the scene in some look → which of ANSWERS."""
    references = _references(scene)
    spread = references.std(0)
    spread = spread + _FLOOR * spread.mean() + 1e-3
    far = (((references - features(pixels)) / spread) ** 2).sum(-1)
    return ANSWERS[int(far.argmin())]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    """The largest correlation of two [SIDE, SIDE, 4] over all shifts (round the edges), −1..1."""
    both = np.fft.irfft2(np.fft.rfft2(a, axes=(0, 1)) * np.conj(np.fft.rfft2(b, axes=(0, 1))), s=(SIDE, SIDE), axes=(0, 1)).sum(-1)
    return float(both.max() / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-6))


def _scaled(x: np.ndarray, by: float) -> np.ndarray:
    """[SIDE, SIDE, C] scaled about its middle, cut or padded with zeros to its size."""
    at = (np.arange(SIDE) - SIDE / 2 + 0.5) / by + SIDE / 2 - 0.5
    grid_y, grid_x = np.meshgrid(at, at, indexing="ij")
    inside = ((grid_y > -0.5) & (grid_y < SIDE - 0.5) & (grid_x > -0.5) & (grid_x < SIDE - 0.5))[..., None]
    return strokes.sample(x, grid_x.astype(np.float32), grid_y.astype(np.float32)) * inside


def named(pixels: np.ndarray, scene: Scene, look: str, others: Sequence[str]) -> str:
    """Which of the scene's only concept and `others` the picture shows in that look: the one that correlates best."""
    assert len(scene.items) == 1, "one thing at a time"
    item = scene.items[0]
    empty = reduced(coarse(dressed(replace(scene, items=()), look)))
    seen = reduced(pixels) - empty
    best, winner = -2.0, ""
    for slug in (item.concept, *others):
        mine = reduced(coarse(dressed(replace(scene, items=(replace(item, concept=slug),)), look))) - empty
        score = max(_correlation(seen, flipped) for by in _SIZES for x in (_scaled(mine, by),) for flipped in (x, x[:, ::-1]))
        if score > best:
            best, winner = score, slug
    return winner


_SHUFFLED = np.random.Generator(np.random.PCG64(0)).permutation(SIDE * SIDE)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """How alike two uint8 pictures of one aspect are: 1 = the same, 0 = as unlike as b and its own pixels in random order."""
    x, y = reduced(a), reduced(b)
    apart = float(np.abs(y - y.reshape(-1, 4)[_SHUFFLED].reshape(y.shape)).mean())
    return 1 - float(np.abs(x - y).mean()) / max(apart, 0.02)
