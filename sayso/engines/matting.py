"""Where the things of a picture end and what lies behind them begins, by the pixels themselves; and grounds carried on without a seam.

Axes: H, W pixels, C values of each. Colours are levels of 0..255.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from sayso.types import Plan
from sayso.world import plan
from sayso.world.render import render
from sayso.world.scene import Scene

APART = 12.0  # levels by which a pixel differs from a smooth ground that a thing shows
LEAST = 0.05  # share of the picture that must be ground, or it was misread
SMALL = 128  # pixels along the shorter side at which is looked what hangs together
DEEP = 0.02  # of the shorter side: how far inside its painted outline a thing's pixels are its own, whatever their colour
STEPS = 512  # pixels at that size: a labyrinth would take minutes
RIM = 3  # pixels at the finished size over which a thing's edge is mixed with what lies behind
SEAM = 0.03  # of the shorter side: how far around a filled part is looked for what it must meet
MEETS = 40.0  # levels up to which what was painted and what is there are the same ground


def grown(mask: np.ndarray, by: int) -> np.ndarray:
    """bool [H, W]: the mask and what lies at most `by` pixels beside it, across, down or both."""
    for axis in (0, 1):
        before = [(by + 1, by) if k == axis else (0, 0) for k in (0, 1)]
        sums = np.cumsum(np.pad(mask, before), axis, dtype=np.int32)  # whose differences count a window of any width at one cost
        first, last = (np.take(sums, np.arange(mask.shape[axis]) + at, axis) for at in (0, 2 * by + 1))
        mask = last > first
    return mask


def hanging(seed: np.ndarray, within: np.ndarray) -> np.ndarray:
    """bool [H, W]: the parts of `within` that hang together with some of `seed`, no farther from it than STEPS; found at a small size."""
    height, width = seed.shape
    scale = max(1, min(height, width) // SMALL)
    rows, columns = -(-height // scale), -(-width // scale)

    def reduced(mask: np.ndarray) -> np.ndarray:
        full = np.zeros((rows * scale, columns * scale), bool)
        full[:height, :width] = mask
        out: np.ndarray = np.asarray(full.reshape(rows, scale, columns, scale).any((1, 3)))
        return out

    room = reduced(within)
    found, before = reduced(seed & within), -1
    for step in range(STEPS):
        found = grown(found, 1) & room
        if step % 8 == 7:
            count = int(found.sum())
            if count == before:
                break
            before = count
    return within & np.kron(found, np.ones((scale, scale), bool))[:height, :width]


def spread(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """float32 [H, W, C]: the values where they are known, and between them what leads smoothly from one to the other.

    Pull-push over halved sizes, after Gortler et al., "The Lumigraph" (1996). Zero where nothing at all is known.
    """
    height, width = known.shape
    if known.all() or not known.any() or max(height, width) == 1:
        return np.where(known[..., None], values, values[known].mean(0) if known.any() else 0).astype(np.float32)
    even = np.pad(known, ((0, height % 2), (0, width % 2))).astype(np.float32)
    padded = np.pad(values, ((0, height % 2), (0, width % 2), (0, 0))) * even[..., None]
    shape = even.shape[0] // 2, 2, even.shape[1] // 2, 2
    weight = even.reshape(shape).sum((1, 3))
    half = padded.reshape(*shape, values.shape[2]).sum((1, 3)) / np.maximum(weight, 1)[..., None]
    coarse = spread(half.astype(np.float32), weight > 0)
    planes = [Image.fromarray(np.ascontiguousarray(coarse[..., c])) for c in range(values.shape[2])]
    fine = [np.asarray(p.resize((even.shape[1], even.shape[0]), Image.Resampling.BILINEAR))[:height, :width] for p in planes]
    return np.where(known[..., None], values, np.stack(fine, -1)).astype(np.float32)


def shows(pixels: np.ndarray, shown: Plan) -> np.ndarray | None:
    """bool [H, W]: where a picture, uint8 [H, W, 4], of a plan shows a thing: before nothing, one colour or a gradient its pixels tell.

    None before other grounds, and where the plan's is not there.
    """
    kind = plan.background_of(shown.background).kind
    if kind == "transparent":
        return pixels[..., 3] > 0
    if kind not in ("solid", "gradient"):
        return None
    height, width = pixels.shape[:2]
    ground = render(Scene(width, height, plan.background_of(shown.background)), width, height)
    things = np.abs(pixels.astype(np.float32) - ground).max(-1) > APART
    return things if things.mean() < 1 - LEAST else None


def cut_out(pixels: np.ndarray, things: np.ndarray, painted: np.ndarray | None = None) -> np.ndarray:
    """The things of a picture, uint8 [H, W, 4], without its ground. `things`: where pixels differ from it. `painted`: the same things
    as they are painted on nothing: they tell of what has the ground's colour, and is enclosed by a thing or far inside it, whether it is
    part of it."""
    if pixels[..., 3].min() < 255 or things.all():  # nothing lies behind
        return pixels
    frame = np.ones(things.shape, bool)
    frame[1:-1, 1:-1] = False
    enclosed = ~things & ~hanging(~things & frame, ~things)
    solid = things
    if painted is not None:
        body = painted[..., 3] > 127
        solid = things | (enclosed & body) | ~grown(~body, max(RIM, round(DEEP * min(body.shape))))
    colours = pixels[..., :3].astype(np.float32)
    ground = spread(colours, ~grown(solid, RIM))
    away = np.abs(colours - ground).max(-1)
    image = Image.fromarray(np.where(solid, away, 0).round().clip(0, 255).astype(np.uint8))
    most = np.asarray(image.filter(ImageFilter.MaxFilter(2 * RIM + 1)), np.float32)
    rim = grown(~solid, RIM)
    alpha = np.where(rim, (away / np.maximum(most, 1)).clip(0, 1), 1.0) * grown(solid, 1)
    alpha = np.where(alpha < APART / 255, 0, alpha)[..., None]
    mine = (colours - (1 - alpha) * ground) / np.maximum(alpha, 0.1)
    return np.concatenate((mine.clip(0, 255), 255 * alpha), -1).round().astype(np.uint8)


def met(painted: np.ndarray, there: np.ndarray, where: np.ndarray) -> np.ndarray:
    """A painted ground, uint8 [H, W, 4], brought to the colours of the picture around the part that it is to fill.

    The difference at the seam is led smoothly over the part, as in membrane interpolation (Pérez et al., "Poisson image editing", 2003).
    """
    reach = max(2, round(SEAM * min(where.shape)))
    off = there.astype(np.float32) - painted
    seam = grown(where, reach + 2) & ~grown(where, 2) & (np.abs(off).max(-1) < MEETS)
    if not seam.any():
        return painted
    moved = painted + np.where(painted[..., 3:] > 0, spread(off, seam), 0)
    return moved.round().clip(0, 255).astype(np.uint8)
