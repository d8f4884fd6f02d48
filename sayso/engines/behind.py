"""What lies behind the things of a picture: the eye says of what kind it is, the picture's own pixels which colours it has.

Axes: H, W pixels, M pixels that show nothing but background.
"""

from __future__ import annotations

import numpy as np

from sayso.engines.inks import named
from sayso.engines.keeping import resized
from sayso.engines.votes import Votes
from sayso.world import grounds
from sayso.world.colours import rgb
from sayso.world.layout import frame
from sayso.world.scene import BACKDROPS, BACKGROUND_KINDS, PATTERNS, Background

SHORT = 128  # pixels along the shorter side at which colours are measured
BARE = 0.8  # chance from which on a patch is taken to show no thing
FEWEST = 24  # pixels that are enough to go by; where there are fewer all are taken
ANGLES = (0, 45, 90, 135)  # of gradients; the others are these with the colours the other way round
NEAR = 4.0  # of 255: a colour no farther from a named one is that one
EVEN = 12  # of 255: a gradient whose ends are no farther apart is one colour
STRAY = 3.0  # median differences from a gradient from which on a pixel is something else's


def background(picture: np.ndarray, votes: Votes, said: np.ndarray) -> Background:
    """The background of a picture, uint8 [H, W, 4], whose patches say `votes` and which as a whole is said to be `said` [S]."""
    scale = SHORT / min(picture.shape[:2])
    small = resized(picture, round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    height, width = small.shape[:2]
    bare = _bare(votes, height, width)
    pixels = small[bare].astype(np.float64)
    clear = float(np.median(pixels[:, 3])) < 128
    order = [BACKGROUND_KINDS[k] for k in np.argsort(-said[grounds.KIND])]
    kind = "transparent" if clear else next(k for k in order if k != "transparent")
    if kind in ("solid", "gradient"):  # which of them the pixels tell better
        made = _gradient(pixels[:, :3], np.argwhere(bare), height, width)
        apart = max(abs(a - b) for a, b in zip(*map(rgb, made.colours), strict=True))
        return made if apart > EVEN else Background("solid", (named(np.median(pixels[:, :3], 0), NEAR),))
    names = said[grounds.NAME]
    if kind == "pattern":
        name = PATTERNS[int(names[: len(PATTERNS)].argmax())]
        return Background("pattern", _pair(pixels[:, :3], (said[grounds.COLOURS].reshape(2, 3) + 1) * 127.5), name)
    if kind == "backdrop":
        name = BACKDROPS[int(names[len(PATTERNS) :].argmax())]
        return Background("backdrop", name=name, variant=int(said[grounds.VARIANT].argmax()))
    return Background("transparent")


def _bare(votes: Votes, height: int, width: int) -> np.ndarray:
    """bool [H, W]: the pixels of patches that show no thing."""
    out, short = np.ones((height, width), bool), min(height, width)
    for patch in np.nonzero(votes.things[:, grounds.NOTHING] <= BARE)[0]:
        rows, columns = (
            slice(round((at[patch] - votes.grain[patch] / 2) * short), round((at[patch] + votes.grain[patch] / 2) * short))
            for at in (votes.y, votes.x)
        )
        out[rows, columns] = False
    return out if out.sum() >= FEWEST else np.ones((height, width), bool)


def _gradient(pixels: np.ndarray, places: np.ndarray, height: int, width: int) -> Background:
    """The gradient nearest to pixels [M, 3] at `places` [M, 2] (row, column), by least squares without what strays from it."""
    w, h = frame(width, height)
    y, x = ((places + 0.5) / min(width, height) - (h / 2, w / 2)).T
    best: tuple[float, int, np.ndarray] | None = None
    for angle in ANGLES:
        dx, dy = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
        along = 0.5 + (dx * x + dy * y) / (abs(dx) * w + abs(dy) * h)
        terms, keep = np.stack((1 - along, along), 1), np.ones(len(pixels), bool)
        for _ in range(3):
            ends, *_ = np.linalg.lstsq(terms[keep], pixels[keep], rcond=None)
            off = np.abs(terms @ ends - pixels).mean(1)
            keep = off <= max(1.0, STRAY * float(np.median(off)))
        if best is None or float(np.median(off)) < best[0]:
            best = float(np.median(off)), angle, ends
    assert best is not None
    return Background("gradient", (named(best[2][0], NEAR), named(best[2][1], NEAR)), angle=best[1])


def _pair(pixels: np.ndarray, said: np.ndarray) -> tuple[str, str]:
    """The two colours of a pattern: of the pixels [M, 3] that are nearer to each of those said [2, 3], the middle one.

    The eye may blend the two of a fine pattern, so that it is also begun from two that the pixels themselves have, far from each other;
    that pair counts which the pixels are nearer to, in the order that is nearer to what was said.
    """
    middle = np.median(pixels, 0)
    one = pixels[np.argsort(np.abs(pixels - middle).sum(1))[int(0.9 * len(pixels))]]  # the farthest may be something else's
    other = pixels[np.argsort(np.abs(pixels - one).sum(1))[int(0.9 * len(pixels))]]
    pairs = [_settled(pixels, begun) for begun in (said, np.stack((one, other)))]
    best = min(pairs, key=lambda pair: float(np.abs(pixels[:, None] - pair).sum(-1).min(1).mean()))
    first, second = min((best, best[::-1]), key=lambda pair: float(np.abs(pair - said).sum()))
    return named(first, NEAR), named(second, NEAR)


def _settled(pixels: np.ndarray, pair: np.ndarray) -> np.ndarray:
    """Two colours [2, 3] moved to the middle of the pixels that are nearer to each."""
    for _ in range(4):
        nearer = np.abs(pixels[:, None] - pair).sum(-1).argmin(1)
        pair = np.stack([np.median(pixels[nearer == k], 0) if (nearer == k).sum() >= FEWEST else pair[k] for k in (0, 1)])
    return pair
