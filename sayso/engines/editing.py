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

from sayso.engines import keeping, matting
from sayso.types import Picture, Plan, PlanItem, PlanText
from sayso.world import masks, plan
from sayso.world.layout import spread

CUT = 0.02, 0.04  # of the canvas: what may change around a thing whose plan is known, and one whose plan was read off a picture
AROUND = 0.012, 0.025  # of the shorter side: what is filled around the outline of a thing that goes, known or read off a picture
Part = TypeVar("Part", PlanItem, PlanText)


@dataclass(frozen=True, eq=False)
class Edit:
    """`plan`: of the picture after it. `base`: the picture that keeps the rest, None where nothing of any is kept. `free`: bool
    [H, W], where it may change. `behind`, `filled`: what is painted, and where, in place of what goes (None: nothing goes).
    `outlined`, `margin`: what goes, painted on nothing: where there is neither it nor a margin of pixels around it, nothing is filled.
    `on_top`: what is laid over that (None: nothing comes). `carried`: uint8 [H, W, 4], what was moved or sized with its own pixels.
    `standing`, `things`: what is cut out of the picture and laid on another ground: painted on nothing, and where pixels show it.
    `look`: a look that comes, put on over all when the rest is done."""

    plan: Plan
    base: Picture | None = None
    free: np.ndarray | None = None
    behind: Plan | None = None
    filled: np.ndarray | None = None
    outlined: Plan | None = None
    margin: int = 0
    on_top: Plan | None = None
    carried: np.ndarray | None = None
    standing: Plan | None = None
    things: np.ndarray | None = None
    look: str = ""

    @property
    def painted(self) -> tuple[Plan, ...]:
        """The plans to be painted, in the order in which `applied` wants their pictures."""
        return tuple(p for p in (self.behind, self.outlined, self.standing, self.on_top) if p is not None)

    @property
    def changes(self) -> bool:
        """Whether anything may come out otherwise than it was."""
        return bool(self.painted or self.look)

    def applied(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """The picture after it, uint8 [H, W, 4]; outside `free` every pixel is the old one's."""
        if self.base is None or self.free is None:
            return pictures[0]
        out, made = self.base.pixels, iter(pictures)
        behind = None if self.behind is None else next(made)
        if self.filled is not None and behind is not None:
            where = self.filled
            if self.outlined is not None:
                where = where & matting.grown(next(made)[..., 3] > 0, self.margin)
            even = plan.background_of(self.plan.background).kind not in ("pattern", "transparent")
            out = keeping.masked(out, matting.met(behind, out, where) if even else behind, where)
        if self.standing is not None and self.things is not None:
            out = matting.cut_out(out, self.things, next(made))
            out = out if behind is None else keeping.laid_over(behind, out)
        if self.on_top is not None:
            out = keeping.laid_over(out, next(made))
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
    if after.look and not before.look:
        edit = between(before, replace(after, look=""), base, known, layered)
        return None if edit is None else replace(edit, plan=after, look=after.look)
    if before == after:
        return nothing(after, base)
    boxes = plan.changed(before, after)
    if boxes is None:
        return _on_another_ground(before, after, base)
    width, height = base.width, base.height
    free = masks.of_boxes(boxes, width, height, CUT[not known])
    rest = _kept(before, after) if layered else None
    if rest is None:
        return Edit(after, base, free, after, free)
    new, old = _new(after.items, rest.items), _new(before.items, rest.items)
    shown = matting.shows(base.pixels, before)
    pairs = _pairs(old, new) if shown is not None else []
    carried = _carried(matting.cut_out(base.pixels, shown), pairs, rest, CUT[not known]) if pairs and shown is not None else None
    new = tuple(item for item in new if item not in [there for _, there in pairs])
    come = replace(after, background="transparent", items=new, lettering=_new(after.lettering, rest.lettering))
    on_top = come if come.items or come.lettering else None
    gone = plan.changed(before, rest) or ()
    if not gone:
        return Edit(after, base, free, on_top=on_top, carried=carried)
    filled = masks.of_boxes(gone, width, height, CUT[not known])
    margin = max(2, round(AROUND[not known] * min(width, height)))
    if shown is not None:  # every pixel tells whether it shows a thing
        stay = masks.of_boxes([*map(_box, rest.items), *map(_box, rest.lettering)], width, height, 0)
        filled = matting.grown(matting.hanging(filled, shown & ~stay), margin) & ~(stay & ~filled)
        return Edit(after, base, free | filled, rest, filled, on_top=on_top, carried=carried)
    leaves = replace(before, background="transparent", items=old, lettering=_new(before.lettering, rest.lettering))
    return Edit(after, base, free, rest, filled, leaves, margin, on_top, carried)


def _on_another_ground(before: Plan, after: Plan, base: Picture) -> Edit | None:
    """The edit to the same things on another ground, which keeps their pixels where the old ground can be told from them."""
    if replace(before, background=after.background) != after or before.look:
        return None
    things = matting.shows(base.pixels, before)
    if things is None:
        return None
    behind = None if after.background == "transparent" else Plan(after.width, after.height, after.background)
    return Edit(after, base, np.ones(things.shape, bool), behind, standing=replace(before, background="transparent"), things=things)


def _box(part: PlanItem | PlanText) -> masks.Box:
    """In fractions."""
    x0, y0, x1, y1 = part.box
    return x0 / 100, y0 / 100, x1 / 100, y1 / 100


def _pairs(old: tuple[PlanItem, ...], new: tuple[PlanItem, ...]) -> list[tuple[PlanItem, PlanItem]]:
    """Things that are the same but for their place and size, before and after."""
    left, out = list(old), []
    for item in new:
        same = next((o for o in left if replace(o, box=item.box) == item), None)
        if same is not None:
            left.remove(same)
            out.append((same, item))
    return out


def _carried(cut: np.ndarray, pairs: Sequence[tuple[PlanItem, PlanItem]], rest: Plan, grow: float) -> np.ndarray:
    """The things of the pairs as they are in the picture, of which all but things is `cut` away, in their new places: uint8 [H, W, 4]."""
    height, width = cut.shape[:2]
    top = np.zeros_like(cut)
    others = masks.of_boxes([_box(item) for item in rest.items], width, height, 0)
    for old, new in pairs:
        (left, upper, right, lower), scale = old.box, (new.box[2] - new.box[0]) / (old.box[2] - old.box[0])
        wide, high = (grow + (spread(old.turn) - 1) * (b - a) / 200 for a, b in ((left, right), (upper, lower)))  # askew it reaches out
        edges = (left / 100 - wide, upper / 100 - high, right / 100 + wide, lower / 100 + high)
        x0, y0, x1, y1 = (round(edge * side) for edge, side in zip(edges, (width, height, width, height), strict=True))
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
        piece = np.where(others[y0:y1, x0:x1, None], 0, cut[y0:y1, x0:x1]).astype(np.uint8)
        size = max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))
        middle = [(a[0] + a[2]) / 200 for a in (old.box, new.box)], [(a[1] + a[3]) / 200 for a in (old.box, new.box)]
        x = round(middle[0][1] * width + scale * (x0 - middle[0][0] * width))
        y = round(middle[1][1] * height + scale * (y0 - middle[1][0] * height))
        sheet = Image.new("RGBA", (width, height))
        sheet.paste(Image.fromarray(keeping.resized(piece, *size), "RGBA"), (x, y))
        top = keeping.laid_over(top, np.asarray(sheet))
    return top


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
