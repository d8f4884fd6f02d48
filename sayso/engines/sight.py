"""What was found in a picture, checked by drawing it and brought nearer thing by thing.

A thing that was misread looks wrong when it is drawn, and the model that sees can also paint. That seeing is drawing backwards is the
idea of analysis by synthesis (Yuille and Kersten, "Vision as Bayesian inference", 2006).

Axes: H, W pixels in which pictures are compared.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from sayso.engines import layers
from sayso.engines.keeping import premultiplied, resized
from sayso.engines.layers import Layers
from sayso.engines.votes import cut
from sayso.types import Plan
from sayso.world.colours import ITEM_COLOURS, rgb
from sayso.world.layout import frame
from sayso.world.plan import scene_of, to_plan
from sayso.world.scene import STYLES, Item, Scene, Style

MOST = 9  # things up to which each is brought nearer
FEW = 3  # things up to which each is moved and sized at once
DOUBT = 0.005  # mean difference over a thing's square by which it must be nearer to be taken for something else

INKS = 3  # colours that a thing may be recoloured with, of those of the drawn world
CLOSE = 0.6  # side of a thing in the cut that is taken of it for a closer look
TURNS = (-30.0, -15.0, 15.0, 30.0)  # degrees by which a thing may lie otherwise than it seems
SPANS = (1.0, 1.25, 1.5)  # of its size: of a thing that lies askew the eye sees a part for the whole
NARROW = 0.25  # least size of a thing in such a cut: what is smaller is something else's edge

Paint = Callable[[Sequence[Plan], bool], list[np.ndarray]]
"""Sheets uint8 [·, ·, 4] of plans, all of them on a square canvas (True) or all on the picture's own (False)."""

Find = Callable[[Sequence[np.ndarray]], list[list[Item]]]
"""What is found in square pictures uint8 [side, side, 4]."""


class Sight:
    """Compares drawings of plans with one picture (uint8, straight alpha), at [H, W]."""

    def __init__(self, picture: np.ndarray, height: int, width: int, paint: Paint, find: Find, said: Sequence[str] = ()):
        """`said`: concepts that the person speaks of, which may well be in the picture."""
        self.picture, self.height, self.width = picture, height, width
        self.target, self.paint, self.find, self.said = premultiplied(resized(picture, width, height)), paint, find, said
        self.grounds: dict[Plan, np.ndarray] = {}
        self.pieces: dict[Plan, np.ndarray] = {}
        self.close: list[Item] = []  # things as a closer look shows them

    def nearer(self, plan: Plan) -> Plan:
        """What was found, with its things brought nearer to the picture; lettering, which they do not touch, is not drawn for it."""
        if len(plan.items) > MOST:
            return plan
        best = replace(plan, lettering=())
        for tries in TRIES:
            self.close = list(dict.fromkeys(self._closer(scene_of(best))))
            best = self._nearer(best, tries)
        return replace(best, lettering=plan.lettering)

    def _closer(self, scene: Scene) -> list[Item]:
        """The scene's things as they are found where each is cut out and enlarged: a lone large thing is seen best."""
        across, down = frame(scene.width, scene.height)
        cuts = [(item, item.size / CLOSE) for item in scene.items]
        pictures = [cut(self.picture, item.x * across, item.y * down, side) for item, side in cuts]
        found = []
        for (item, side), seen in zip(cuts, self.find(pictures) if cuts else (), strict=True):
            large = [i for i in seen if i.size >= NARROW]
            if large:
                main = min(large, key=lambda i: math.hypot(i.x - 0.5, i.y - 0.5))
                x, y = item.x + (main.x - 0.5) * side / across, item.y + (main.y - 0.5) * side / down
                found.append(replace(main, x=x, y=y, size=main.size * side))
        return found

    def far(self, plan: Plan) -> float:
        """Mean difference of the plan's drawing from the picture, 0..1."""
        parts = layers.taken_apart(plan)
        self._paint([parts])
        sheets = [self.grounds[p] for p in (parts.ground,) if p is not None] + [self.pieces[p] for p in parts.pieces]
        drawn = layers.composed(parts, sheets, self.width, self.height)
        return float(np.abs(premultiplied(drawn) - self.target).mean())

    def _nearer(self, plan: Plan, tries: Sequence[Try]) -> Plan:
        """The plan with every thing as it fits best."""
        best, least = plan, self.far(plan)
        for tried in tries:
            self._prepare(to_plan(s) for k in range(len(best.items)) for s, _ in tried(self, scene_of(best), k))
            for k in reversed(range(len(best.items))):
                for other, doubt in tried(self, scene_of(best), k):
                    made = to_plan(other)
                    if made != best and (off := self.far(made)) < least - doubt:
                        best, least = made, off
        return best

    def inks(self, item: Item) -> list[str | None]:
        """What the thing may be recoloured with: nothing, or what is nearest to the colours in its middle."""
        across, down = item.x * self.width, item.y * self.height
        reach = max(1.0, 0.3 * item.size * min(self.width, self.height))
        rows = slice(max(0, int(down - reach)), max(1, int(down + reach)))
        columns = slice(max(0, int(across - reach)), max(1, int(across + reach)))
        seen = self.target[rows, columns, :3].reshape(-1, 3)
        if not len(seen):
            return [None]
        away = {c.hex: float(np.abs(seen - np.array(rgb(c.hex), np.float32) / 255).sum(-1).mean()) for c in ITEM_COLOURS}
        return [None, *sorted(away, key=lambda hexed: away[hexed])[:INKS]]

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
Try = Callable[[Sight, Scene, int], Other]


def _with(scene: Scene, k: int, *items: Item) -> Scene:
    return replace(scene, items=(*scene.items[:k], *items, *scene.items[k + 1 :]), relations=(), grid=None)


def _apart(scene: Scene, a: Item, b: Item) -> float:
    """Between centres, in shorter sides."""
    across, down = frame(scene.width, scene.height)
    return math.hypot((a.x - b.x) * across, (a.y - b.y) * down)


def named(sight: Sight, scene: Scene, k: int) -> Other:
    """The k-th thing as a closer look shows it, there or where it is: believed where it is not farther off."""
    item = scene.items[k]
    for other in sight.close:
        if _apart(scene, other, item) < item.size / 2:
            for one in dict.fromkeys((other, replace(other, x=item.x, y=item.y, size=item.size))):
                if one != item:
                    yield _with(scene, k, one), -DOUBT * item.size**2


def spoken(sight: Sight, scene: Scene, k: int) -> Other:
    """The k-th thing as one that the person speaks of, in its own colours or recoloured."""
    item = scene.items[k]
    for name in sight.said if not all(any(i.concept == name for i in scene.items) for name in sight.said) else ():
        if name != item.concept:
            for ink in sight.inks(item):
                yield _with(scene, k, replace(item, concept=name, tint=ink)), 0.0


def tinted(sight: Sight, scene: Scene, k: int) -> Other:
    """The k-th thing in its own colours, or recoloured."""
    item = scene.items[k]
    for ink in sight.inks(item):
        if ink != item.tint:
            yield _with(scene, k, replace(item, tint=ink)), DOUBT * item.size**2


def dressed(sight: Sight, scene: Scene, k: int) -> Other:
    """The k-th thing in other styles and the other way round."""
    item = scene.items[k]
    for style in STYLES:
        for flip in (False, True):
            if (style, flip) != (item.style, item.flip):
                yield _with(scene, k, replace(item, style=cast(Style, style), flip=flip)), 2 * DOUBT * item.size**2


def alike(sight: Sight, scene: Scene, k: int) -> Other:
    """Everything in one style, as most pictures are: believed where it is not farther off than several styles."""
    several = len({item.style for item in scene.items}) > 1
    doubt = DOUBT * sum(item.size**2 for item in scene.items) * (-1 if several else 1)
    for style in STYLES if k == 0 and len(scene.items) > 1 else ():
        if several or style != scene.items[0].style:
            yield replace(scene, items=tuple(replace(item, style=cast(Style, style)) for item in scene.items)), doubt


def turned(sight: Sight, scene: Scene, k: int) -> Other:
    """The k-th thing lying askew."""
    item = scene.items[k]
    for turn, span, flip in itertools.product(TURNS, SPANS, (item.flip, not item.flip)):
        lying = (item.turn + turn) % 360
        yield _with(scene, k, replace(item, turn=lying, size=item.size * span, flip=flip)), 2 * DOUBT * item.size**2


def fewer(sight: Sight, scene: Scene, k: int) -> Other:
    """Without the k-th thing, where another lies in the same place: it must not be missed."""
    item = scene.items[k]
    if any(j != k and _apart(scene, item, other) < min(item.size, other.size) / 2 for j, other in enumerate(scene.items)):
        yield _with(scene, k), -DOUBT * item.size**2


def moved(step: float) -> Try:
    """The k-th thing a step (in shorter sides) away to each side, larger and smaller, or of a few things all of these at once."""

    def tried(sight: Sight, scene: Scene, k: int) -> Other:
        item, (w, h) = scene.items[k], frame(scene.width, scene.height)
        for dx, dy, ds in itertools.product((0, -1, 1), (0, -1, 1), (0, -2, 2)):
            if len(scene.items) > FEW and abs(dx) + abs(dy) + abs(ds / 2) > 1:
                continue
            if item.size + ds * step > step:
                there = replace(item, x=item.x + dx * step / w, y=item.y + dy * step / h, size=item.size + ds * step)
                yield _with(scene, k, there), 0.0

    return tried


TRIES: tuple[tuple[Try, ...], ...] = (
    (named, spoken, moved(0.03), moved(0.03), fewer, dressed, turned, tinted, alike),
    (named, spoken, moved(0.03), moved(0.015), dressed, tinted, alike, moved(0.015)),
)
"""What is tried, in order, after a first and after a second closer look."""
