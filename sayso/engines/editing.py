"""What an edit paints and what it keeps, from the plans before and after it.

What goes is painted over with what lies behind it, and what comes is laid on top, on nothing of its own: so the old picture shows
to the edge of the new thing, and its ground need not be painted again.

Axes: H, W pixels of the finished picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from PIL import Image

from sayso.engines import keeping
from sayso.types import Picture, Plan, PlanItem, PlanText
from sayso.world import masks, plan

CUT = 0.02, 0.04  # of the canvas: what may change around a thing whose plan is known, and one whose plan was read off a picture
PLAIN = 12.0  # levels by which a pixel differs wholly from a ground of one colour
Part = TypeVar("Part", PlanItem, PlanText)


@dataclass(frozen=True, eq=False)
class Edit:
    """`plan`: of the picture after it. `base`: the picture that keeps the rest, None where nothing of any is kept. `free`: bool
    [H, W], where it may change. `behind`, `filled`: what is painted, and where, in place of what goes (None: nothing goes).
    `on_top`: what is laid over that (None: nothing comes). `carried`: uint8 [H, W, 4], what was moved or sized with its own pixels."""

    plan: Plan
    base: Picture | None = None
    free: np.ndarray | None = None
    behind: Plan | None = None
    filled: np.ndarray | None = None
    on_top: Plan | None = None
    carried: np.ndarray | None = None

    @property
    def painted(self) -> tuple[Plan, ...]:
        """The plans to be painted, in the order in which `applied` wants their pictures."""
        return tuple(p for p in (self.behind, self.on_top) if p is not None)

    def applied(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """The picture after it, uint8 [H, W, 4]; outside `free` every pixel is the old one's."""
        if self.base is None or self.free is None:
            return pictures[0]
        out = self.base.pixels
        if self.filled is not None:
            out = keeping.masked(out, pictures[0], self.filled)
        if self.on_top is not None:
            out = keeping.laid_over(out, pictures[-1])
        if self.carried is not None:
            out = keeping.laid_over(out, self.carried)
        return keeping.masked(self.base.pixels, out, self.free)


def nothing(plan: Plan, base: Picture) -> Edit:
    """The picture as it is."""
    return Edit(plan, base, np.zeros((base.height, base.width), bool))


def anew(after: Plan) -> Edit:
    """A picture of which nothing is kept."""
    return Edit(after, behind=after)


def inside(after: Plan, base: Picture, mask: np.ndarray) -> Edit:
    """What a person marked is painted anew, whatever was there; `mask`: bool [H, W]."""
    return Edit(after, base, mask, after, mask)


def between(before: Plan, after: Plan, base: Picture, known: bool, layered: bool) -> Edit | None:
    """The edit that leads from a picture of one plan to one of another. None where all of it changes.

    `known`: whether `before` is what the picture was painted after. `layered`: whether what comes may be laid on by itself.
    """
    boxes = plan.changed(before, after)
    if boxes is None:
        return None
    width, height = base.width, base.height
    free = masks.of_boxes(boxes, width, height, CUT[not known])
    rest = _kept(before, after) if layered else None
    if rest is None:
        return Edit(after, base, free, after, free)
    new, old = _new(after.items, rest.items), _new(before.items, rest.items)
    pairs = _pairs(old, new) if _plain(after) else []
    carried = _carried(base.pixels, pairs, rest, CUT[not known]) if pairs else None
    new = tuple(item for item in new if item not in [there for _, there in pairs])
    come = replace(after, background="transparent", items=new, lettering=_new(after.lettering, rest.lettering))
    gone = plan.changed(before, rest) or ()
    filled = masks.of_boxes(gone, width, height, CUT[not known]) if gone else None
    return Edit(after, base, free, rest if gone else None, filled, come if come.items or come.lettering else None, carried)


def _plain(shown: Plan) -> bool:
    """Whether one colour, or nothing, lies behind everything."""
    return plan.background_of(shown.background).kind in ("transparent", "solid")


def _pairs(old: tuple[PlanItem, ...], new: tuple[PlanItem, ...]) -> list[tuple[PlanItem, PlanItem]]:
    """Things that are the same but for their place and size, before and after."""
    left, out = list(old), []
    for item in new:
        same = next((o for o in left if replace(o, box=item.box) == item), None)
        if same is not None:
            left.remove(same)
            out.append((same, item))
    return out


def _carried(pixels: np.ndarray, pairs: Sequence[tuple[PlanItem, PlanItem]], rest: Plan, grow: float) -> np.ndarray:
    """The things of the pairs as they are in the picture, in their new places: uint8 [H, W, 4], clear elsewhere.

    On a ground of one colour a thing is what differs from it; where it does not differ, the ground shows through unseen.
    """
    height, width = pixels.shape[:2]
    top = np.zeros_like(pixels)
    others = masks.of_boxes([(x0 / 100, y0 / 100, x1 / 100, y1 / 100) for x0, y0, x1, y1 in (i.box for i in rest.items)], width, height, 0)
    for old, new in pairs:
        (left, upper, right, lower), scale = old.box, (new.box[2] - new.box[0]) / (old.box[2] - old.box[0])
        edges = (left / 100 - grow, upper / 100 - grow, right / 100 + grow, lower / 100 + grow)
        x0, y0, x1, y1 = (round(edge * side) for edge, side in zip(edges, (width, height, width, height), strict=True))
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
        piece = _lifted(pixels[y0:y1, x0:x1], others[y0:y1, x0:x1])
        size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
        middle = [(a[0] + a[2]) / 200 for a in (old.box, new.box)], [(a[1] + a[3]) / 200 for a in (old.box, new.box)]
        x = round(middle[0][1] * width + scale * (x0 - middle[0][0] * width))
        y = round(middle[1][1] * height + scale * (y0 - middle[1][0] * height))
        sheet = Image.new("RGBA", (width, height))
        sheet.paste(Image.fromarray(keeping.resized(piece, *size), "RGBA"), (x, y))
        top = keeping.laid_over(top, np.asarray(sheet))
    return top


def _lifted(piece: np.ndarray, others: np.ndarray) -> np.ndarray:
    """A part of a picture, uint8 [h, w, 4], without the one colour of its rim and without what lies in `others`, bool [h, w]."""
    rim = np.concatenate([piece[0], piece[-1], piece[:, 0], piece[:, -1]])
    ground = np.median(rim, axis=0)
    if ground[3] < 128:
        return np.where(others[..., None], 0, piece).astype(np.uint8)
    differs = np.abs(piece.astype(np.float32) - ground).max(-1)
    out = piece.copy()
    out[..., 3] = np.where(others, 0, piece[..., 3] * (differs / PLAIN).clip(0, 1)).astype(np.uint8)
    return out


def _kept(before: Plan, after: Plan) -> Plan | None:
    """What both plans show, in the order of both; None where they differ in it, or where something new lies below what is kept."""
    old, mine = (replace(one, items=_common(one.items, two.items), lettering=_common(one.lettering, two.lettering))
                 for one, two in ((before, after), (after, before)))
    if (old.items, old.lettering) != (mine.items, mine.lettering) or after.look:
        return None
    new = _new(after.items, mine.items)
    for k, item in enumerate(after.items):
        if item in new and any(_overlap(item.box, other.box) for other in after.items[k + 1 :] if other not in new):
            return None
    return mine


def _common(mine: tuple[Part, ...], other: tuple[Part, ...]) -> tuple[Part, ...]:
    """What of `mine` is in `other`, as often as it is there."""
    left, out = list(other), []
    for part in mine:
        if part in left:
            left.remove(part)
            out.append(part)
    return tuple(out)


def _new(mine: tuple[Part, ...], kept: tuple[Part, ...]) -> tuple[Part, ...]:
    """What of `mine` is not in `kept`."""
    left, out = list(kept), []
    for part in mine:
        if part in left:
            left.remove(part)
        else:
            out.append(part)
    return tuple(out)


def _overlap(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
