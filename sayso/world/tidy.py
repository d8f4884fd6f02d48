"""Plans as they are written, made fit to be seen: lettering that can be read and is inside the frame, gaps between many things, room for
what comes anew.

Lengths are in shorter sides of the canvas, as in world/layout.py, but for the whole percents of a plan's boxes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from sayso.types import Plan, PlanText
from sayso.world import art, fonts
from sayso.world.colours import BY_WORD, COLOURS, difference, rgb, to_lab
from sayso.world.contrast import all_apart
from sayso.world.layout import Box, box, frame, overlap, relation_holds
from sayso.world.plan import background_of, scene_of, to_plan
from sayso.world.scene import Item, Lettering, Relation, Scene
from sayso.world.staging import shown_by

MANY, NEAR, GAP = 6, 2, 0.06  # things; percents of the canvas; share of a thing's side that is taken off each of its sides
MARGIN = 0.03  # that letterings keep from the frame
CONTRAST = 30.0  # lightness (L*) that a lettering's ink keeps from what is behind
OVER = 0.06  # share of the smaller of two things that may lie under or over the other
LEAST, LEAST_LINE = 0.26, 0.12  # sides of a thing and of a lettering below which they are not made smaller to find room
YIELDS = (1.0, 0.85, 0.7, 0.6)  # shares of its side to which what is in the way gives room
_SHRINKS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
_DEAR = 0.6  # being made smaller by half is as bad as being moved by half of this


def inked(plan: Plan, said: str) -> Plan:
    """The plan with letterings that can hardly be read on its background in the nearest named colour that can, unless the words name
    their colour."""
    words, shown = said.casefold(), shown_by(background_of(plan.background))

    def apart(ink: str) -> float:
        """Least difference of its lightness from those shown."""
        return min((abs(_lightness(ink) - _lightness(other)) for other in shown), default=100.0)

    def ink(line: PlanText) -> str:
        names = [name for name, code in BY_WORD.items() if code == line.colour]
        if apart(line.colour) >= CONTRAST or any(name in words for name in (line.colour, *names)):
            return line.colour
        if clear := [c.hex for c in COLOURS if apart(c.hex) >= CONTRAST]:
            return min(clear, key=lambda other: difference(line.colour, other))
        if all_apart((line.colour,), shown):  # by its hue, where what is behind is both light and dark
            return line.colour
        return max((c.hex for c in COLOURS), key=lambda other: min(difference(other, one) for one in shown))

    return replace(plan, lettering=tuple(replace(line, colour=ink(line)) for line in plan.lettering))


@functools.cache
def _lightness(colour: str) -> float:
    """CIE L*, 0..100."""
    return float(to_lab(np.array(rgb(colour)))[0])


def framed(plan: Plan) -> Plan:
    """The plan with letterings that the frame would cut made smaller and moved into it."""
    scene = scene_of(plan)
    across, down = frame(scene.width, scene.height)
    lines = []
    for line in scene.lettering:
        wide = fonts.width(line.font, line.text)
        em = min(line.height, (across - 2 * MARGIN) / wide) if wide else line.height
        reach = MARGIN + wide * em / 2
        x, y = line.x * across, min(max(line.y * down, MARGIN + em / 2), down - MARGIN - em / 2)
        lines.append(replace(line, x=min(max(x, reach), across - reach) / across, y=y / down, height=em))
    if all(abs(a.height - b.height) + abs(a.x - b.x) + abs(a.y - b.y) < 0.005 for a, b in zip(lines, scene.lettering, strict=True)):
        return plan
    return replace(to_plan(replace(scene, lettering=tuple(lines))), items=plan.items, look=plan.look)


def spaced(plan: Plan) -> Plan:
    """The plan with things made a little smaller where they are many that touch and do not overlap, as the cells of a grid do: what
    is learnt on the lines of the patches leaves no gaps."""
    boxes = [item.box for item in plan.items]
    if len(boxes) < MANY or any(_shared(a, b) > 0 for a, b in itertools.combinations(boxes, 2)):
        return plan
    if not any(_shared((a[0] - NEAR, a[1] - NEAR, a[2] + NEAR, a[3] + NEAR), b) for a, b in itertools.combinations(boxes, 2)):
        return plan

    def smaller(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        x, y = (max(1, round(GAP * side)) for side in (box[2] - box[0], box[3] - box[1]))
        return box[0] + x, box[1] + y, box[2] - x, box[3] - y

    return replace(plan, items=tuple(replace(item, box=smaller(item.box)) for item in plan.items))


def _shared(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> int:
    """Area that two boxes share."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


# --- room ----------------------------------------------------------------------------------------------------------------


def roomed(before: Plan, after: Plan) -> Plan:
    """The plan `after`, where what is new in it or was moved lies over nothing else: it is laid where there is room nearby, smaller if
    need be, and what is in the way made smaller where there is none. What is worn or held stays."""
    was = scene = scene_of(after)
    for k in _came(before, after):
        scene = _room_for_item(scene, k)
    told = {line.text for line in before.lettering}
    for k, line in enumerate(after.lettering):
        if line.text not in told:
            scene = _room_for_line(scene, k)
    if scene == was:
        return after
    made = to_plan(scene)
    items = [new if a != b else old for new, old, a, b in zip(made.items, after.items, scene.items, was.items, strict=True)]
    lines = [new if a != b else old for new, old, a, b in zip(made.lettering, after.lettering, scene.lettering, was.lettering, strict=True)]
    return replace(after, items=tuple(items), lettering=tuple(lines))


def _came(before: Plan, after: Plan) -> list[int]:
    """Things that are new or were moved, not those that only became larger or smaller."""
    boxes = {item.box for item in before.items}

    def grew(k: int) -> bool:
        name, (x0, y0, x1, y1) = after.items[k].name, after.items[k].box
        return any(
            name == item.name and abs(item.box[0] + item.box[2] - x0 - x1) <= 6 and abs(item.box[1] + item.box[3] - y0 - y1) <= 6
            for item in before.items
        )

    return [k for k, item in enumerate(after.items) if item.box not in boxes and not grew(k)]


def _line_box(line: Lettering, scene: Scene) -> Box:
    across, down = frame(scene.width, scene.height)
    half = fonts.width(line.font, line.text) * line.height / 2
    x, y = line.x * across, line.y * down
    return x - half, y - line.height / 2, x + half, y + line.height / 2


def _boxes(scene: Scene, item: int | None = None, line: int | None = None) -> list[Box]:
    """Of all things and letterings but these."""
    things = [box(i, scene.width, scene.height) for k, i in enumerate(scene.items) if k != item]
    return things + [_line_box(one, scene) for k, one in enumerate(scene.lettering) if k != line]


def _worn(scene: Scene, k: int) -> bool:
    """Whether a creature of the scene wears or holds the thing."""
    slug = scene.items[k].concept
    kinds = [("wearing", art.WEARERS)] if slug in art.WEARABLE_HATS + art.WEARABLE_EYES else []
    kinds += [("holding", art.CREATURES)] if slug in art.HOLDABLE else []
    return any(
        item.concept in owners and relation_holds(scene, Relation(kind, i, (k,)))
        for kind, owners in kinds
        for i, item in enumerate(scene.items)
        if i != k
    )


def _room_for_item(scene: Scene, k: int) -> Scene:
    item = scene.items[k]
    found = None if _worn(scene, k) else _room(scene, box(item, scene.width, scene.height), LEAST, item=k)
    if found is None:
        return scene
    yielded, x, y, share = found
    there = replace(item, x=x, y=y, size=item.size * share)
    return replace(yielded, items=(*yielded.items[:k], there, *yielded.items[k + 1 :]))


def _room_for_line(scene: Scene, k: int) -> Scene:
    line = scene.lettering[k]
    found = _room(scene, _line_box(line, scene), LEAST_LINE, line=k)
    if found is None:
        return scene
    yielded, x, y, share = found
    there = replace(line, x=x, y=y, height=line.height * share)
    return replace(yielded, lettering=(*yielded.lettering[:k], there, *yielded.lettering[k + 1 :]))


def _room(
    scene: Scene, mine: Box, least: float, item: int | None = None, line: int | None = None
) -> tuple[Scene, float, float, float] | None:
    """Room for the box of that item or line: the scene as it yields, the new centre in fractions of the canvas and the share of its size.

    None where it lies over nothing, or there is no room.
    """
    across, down = frame(scene.width, scene.height)
    if all(overlap(mine, other) <= OVER for other in _boxes(scene, item, line)):
        return None
    for yielded in _yielding(scene, mine, item):
        found = _free(mine, _boxes(yielded, item, line), (across, down), least)
        if found is not None:
            return replace(yielded, relations=()), found[0] / across, found[1] / down, found[2]
    return None


def _yielding(scene: Scene, mine: Box, but: int | None = None) -> Iterator[Scene]:
    """The scene, and with the things in the way made smaller, away from what needs the room."""
    for share in YIELDS:
        yield replace(scene, items=tuple(
            item if i == but or overlap(mine, box(item, scene.width, scene.height)) <= OVER else _away(item, mine, share, scene)
            for i, item in enumerate(scene.items)
        ))  # fmt: skip


def _away(item: Item, mine: Box, share: float, scene: Scene) -> Item:
    """The item smaller, its side that is far from the middle of a box where it was."""
    across, down = frame(scene.width, scene.height)
    x, y, room = item.x * across, item.y * down, item.size * (1 - share) / 2
    du, dv = x - (mine[0] + mine[2]) / 2, y - (mine[1] + mine[3]) / 2
    far = max(abs(du), abs(dv), 1e-6)
    return replace(item, x=(x + room * du / far) / across, y=(y + room * dv / far) / down, size=item.size * share)


def _free(mine: Box, others: Sequence[Box], across_down: tuple[float, float], least: float) -> tuple[float, float, float] | None:
    """Where and how small a box has room: (centre x, centre y, share of its size), as near and as large as can be."""
    x, y, wide, high = (mine[0] + mine[2]) / 2, (mine[1] + mine[3]) / 2, mine[2] - mine[0], mine[3] - mine[1]
    found = []
    for share in _SHRINKS:
        if share < 1 and high * share < least:
            break
        half_w, half_h = wide * share / 2, high * share / 2
        for u, v in itertools.product(_places(x, half_w, across_down[0]), _places(y, half_h, across_down[1])):
            there = (u - half_w, v - half_h, u + half_w, v + half_h)
            if all(overlap(there, other) <= OVER / 2 for other in others):
                found.append((abs(u - x) + abs(v - y) + _DEAR * (1 - share), u, v, share))
    return min(found)[1:] if found else None


def _places(at: float, half: float, end: float) -> list[float]:
    """Centres in steps from one end of the canvas to the other, and the present one."""
    low, high = half, end - half
    if low > high:
        return []
    return [min(max(at, low), high), *(low + (high - low) * n / 20 for n in range(21))]
