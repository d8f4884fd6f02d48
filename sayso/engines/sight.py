"""Readings of a picture checked by drawing them: of several the one whose drawing is nearest, then brought nearer thing by thing.

A reading that is wrong looks wrong, and the model that reads can also paint. That seeing is drawing backwards is the idea of
analysis by synthesis (Yuille and Kersten, "Vision as Bayesian inference", 2006).

Axes: H, W pixels in which pictures are compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from sayso.engines import layers
from sayso.engines.keeping import resized
from sayso.engines.layers import Layers
from sayso.types import Plan
from sayso.world.layout import frame
from sayso.world.plan import scene_of, to_plan
from sayso.world.scene import STYLES, Item, Scene, Style

READINGS = 8  # of a picture: the likeliest and others
MOST = 9  # things up to which each is brought nearer
DOUBT = 0.005  # mean difference over a thing's square by which it must be nearer to be taken for something else

CLOSE = 0.6  # side of a thing in the cut that is taken of it for a closer look
NARROW = 0.25  # least size of a thing in such a cut: what is smaller is something else's edge

Paint = Callable[[Sequence[Plan], bool], list[np.ndarray]]
"""Sheets uint8 [·, ·, 4] of plans, all of them on a square canvas (True) or all on the picture's own (False)."""

Read = Callable[[Sequence[np.ndarray]], list[Plan | None]]
"""The likeliest plans of square pictures uint8 [side, side, 4]."""


class Sight:
    """Compares drawings of plans with one picture (uint8, straight alpha), at [H, W]."""

    def __init__(self, picture: np.ndarray, height: int, width: int, paint: Paint, read: Read):
        self.picture, self.height, self.width = picture, height, width
        self.target, self.paint, self.read = _premultiplied(resized(picture, width, height)), paint, read
        self.grounds: dict[Plan, np.ndarray] = {}
        self.pieces: dict[Plan, np.ndarray] = {}

    def nearest(self, readings: Sequence[Plan]) -> Plan:
        """The reading whose drawing is nearest to the picture, brought nearer."""
        if any(p.look for p in readings):
            return readings[0]  # a look is not painted in sheets
        plans = list(dict.fromkeys(replace(p, background=readings[0].background) for p in readings))  # large, and seldom in doubt
        self._prepare(plans)
        best = min(plans, key=self.far)
        if len(best.items) > MOST:
            return best
        items = [item for p in plans for item in scene_of(p).items]
        return self._nearer(best, [*items, *self._closer(scene_of(best))])

    def _closer(self, scene: Scene) -> list[Item]:
        """The scene's things as they are read where each is cut out and enlarged: a lone large thing is read best."""
        across, down = frame(scene.width, scene.height)
        cuts = [(item, item.size / CLOSE) for item in scene.items]
        found = []
        for (item, side), plan in zip(cuts, self.read([self._cut(item, side) for item, side in cuts]) if cuts else (), strict=True):
            large = [i for i in scene_of(plan).items if i.size >= NARROW] if plan is not None else []
            if large:
                seen = min(large, key=lambda i: math.hypot(i.x - 0.5, i.y - 0.5))
                x, y = item.x + (seen.x - 0.5) * side / across, item.y + (seen.y - 0.5) * side / down
                found.append(replace(seen, x=x, y=y, size=seen.size * side))
        return found

    def _cut(self, item: Item, side: float) -> np.ndarray:
        """A square around a thing, `side` shorter sides of the picture long; beyond the frame its edge goes on."""
        height, width = self.picture.shape[:2]
        long = max(2, round(side * min(height, width)))
        rows, columns = (np.arange(long) + round(middle - long / 2) for middle in (item.y * height, item.x * width))
        return self.picture[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)[None]]

    def far(self, plan: Plan) -> float:
        """Mean difference of the plan's drawing from the picture, 0..1."""
        parts = layers.taken_apart(plan)
        self._paint([parts])
        sheets = [self.grounds[p] for p in (parts.ground,) if p is not None] + [self.pieces[p] for p in parts.pieces]
        drawn = layers.composed(parts, sheets, self.width, self.height)
        return float(np.abs(_premultiplied(drawn) - self.target).mean())

    def _nearer(self, plan: Plan, read: list[Item]) -> Plan:
        """The plan with every thing as it fits best. `read`: the things of all readings, any of which may be right."""
        best, least = plan, self.far(plan)
        for tried in TRIES:
            self._prepare(to_plan(s) for k in range(len(best.items)) for s, _ in tried(scene_of(best), k, read))
            for k in reversed(range(len(best.items))):
                for other, doubt in tried(scene_of(best), k, read):
                    made = to_plan(other)
                    if made != best and (off := self.far(made)) < least - doubt:
                        best, least = made, off
        return best

    def _prepare(self, plans: Iterable[Plan]) -> None:
        """Paints at once what several plans need."""
        self._paint([layers.taken_apart(p) for p in plans])

    def _paint(self, many: Sequence[Layers]) -> None:
        for square, known, wanted in (
            (False, self.grounds, [one.ground for one in many if one.ground is not None]),
            (True, self.pieces, [p for one in many for p in one.pieces]),
        ):
            new = [p for p in dict.fromkeys(wanted) if p not in known]
            known.update(zip(new, self.paint(new, square), strict=True) if new else ())


# --- what else it could be: scenes with one thing changed, each with the difference by which it must be nearer -----------------

Other = Iterator[tuple[Scene, float]]


def _with(scene: Scene, k: int, *items: Item) -> Scene:
    return replace(scene, items=(*scene.items[:k], *items, *scene.items[k + 1 :]), relations=(), grid=None)


def _apart(scene: Scene, a: Item, b: Item) -> float:
    """Between centres, in shorter sides."""
    across, down = frame(scene.width, scene.height)
    return math.hypot((a.x - b.x) * across, (a.y - b.y) * down)


def named(scene: Scene, k: int, read: list[Item]) -> Other:
    """The k-th thing as it is in other readings, there or where it is."""
    item = scene.items[k]
    for other in dict.fromkeys(r for r in read if _apart(scene, r, item) < item.size / 2):
        here = replace(other, x=item.x, y=item.y, size=item.size)
        for one in dict.fromkeys((other, here)):
            if one != item:
                yield _with(scene, k, one), DOUBT * item.size**2


def dressed(scene: Scene, k: int, read: list[Item]) -> Other:
    """The k-th thing in other styles and the other way round."""
    item = scene.items[k]
    for style in STYLES:
        for flip in (False, True):
            if (style, flip) != (item.style, item.flip):
                yield _with(scene, k, replace(item, style=cast(Style, style), flip=flip)), DOUBT * item.size**2


def fewer(scene: Scene, k: int, read: list[Item]) -> Other:
    """Without the k-th thing, where another lies in the same place: it must not be missed."""
    item = scene.items[k]
    if any(j != k and _apart(scene, item, other) < min(item.size, other.size) / 2 for j, other in enumerate(scene.items)):
        yield _with(scene, k), -DOUBT * item.size**2


def more(scene: Scene, k: int, read: list[Item]) -> Other:
    """With one thing more, where another reading has one and this has none."""
    for other in dict.fromkeys(read) if k == 0 else ():
        if all(_apart(scene, other, item) > min(other.size, item.size) / 2 for item in scene.items):
            yield replace(scene, items=(*scene.items, other), relations=(), grid=None), DOUBT * other.size**2


def moved(step: float) -> Callable[[Scene, int, list[Item]], Other]:
    """The k-th thing a step (in shorter sides) away to each side, larger and smaller."""

    def tried(scene: Scene, k: int, read: list[Item]) -> Other:
        item, (w, h) = scene.items[k], frame(scene.width, scene.height)
        for dx, dy, ds in ((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, 2), (0, 0, -2)):
            if item.size + ds * step > step:
                there = replace(item, x=item.x + dx * step / w, y=item.y + dy * step / h, size=item.size + ds * step)
                yield _with(scene, k, there), 0.0

    return tried


TRIES = (
    named, dressed, moved(0.03), moved(0.03), more, fewer, named, dressed, moved(0.03), moved(0.015), dressed, moved(0.015)
)  # fmt: skip


def _premultiplied(pixels: np.ndarray) -> np.ndarray:
    out = pixels.astype(np.float32) / 255
    out[..., :3] *= out[..., 3:]
    return out
