"""Where things stand: the rules by which a relation is seen to hold, and the cells of a grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sayso.world.judge.seen import SeenItem
from sayso.world.scene import Item

APART = 0.15  # how far to one side a centre must lie, in mean sizes of the two, to count as lying there (GenEval's rule)


@dataclass(frozen=True)
class Spot:
    """Centre and side of an item in shorter sides of the canvas."""

    u: float
    v: float
    size: float


def spot(item: Item | SeenItem, aspect: float) -> Spot:
    """An item of a scene or of a picture whose width / height is `aspect`."""
    return Spot(item.x * max(1.0, aspect), item.y * max(1.0, 1 / aspect), item.size)


def directions(a: Spot, b: Spot) -> frozenset[str]:
    """Every plain direction in which a lies from b: of "left of", "right of", "above", "below"."""
    margin = APART * (a.size + b.size) / 2
    du, dv = a.u - b.u, a.v - b.v
    found = {"left of": du < -margin, "right of": du > margin, "above": dv < -margin, "below": dv > margin}
    return frozenset(kind for kind, holds in found.items() if holds)


def holds(kind: str, a: Spot, others: tuple[Spot, ...]) -> bool:
    """Whether a is `kind` the others (two for "between", else one), with the slack that a drawn picture deserves."""
    b = others[0]
    if kind in ("left of", "right of", "above", "below"):
        return kind in directions(a, b)
    if kind == "between":
        c = others[1]
        along, length = (c.u - b.u, c.v - b.v), math.hypot(c.u - b.u, c.v - b.v)
        if length < 1e-6:
            return False
        part = ((a.u - b.u) * along[0] + (a.v - b.v) * along[1]) / length**2
        off = abs((a.u - b.u) * along[1] - (a.v - b.v) * along[0]) / length**2
        return 0.15 <= part <= 0.85 and off <= 0.3
    du, dv = (a.u - b.u) / b.size, (a.v - b.v) / b.size
    if kind == "inside":
        return max(abs(du), abs(dv)) <= 0.3 and a.size < 0.85 * b.size
    if kind == "on":
        return abs(du) <= 0.45 and -0.75 <= dv + a.size / b.size / 2 <= 0.15
    touches = max(abs(a.u - b.u), abs(a.v - b.v)) < 0.55 * (a.size + b.size)
    if kind == "wearing":
        return touches and b.size < a.size and abs(a.u - b.u) <= 0.35 * a.size and b.v <= a.v + 0.1 * a.size
    return touches and b.size < a.size


def cell(item: Item | SeenItem, grid: tuple[int, int]) -> tuple[int, int]:
    """(row, column) of the grid's cell that an item's centre lies in."""
    rows, columns = grid
    return min(rows - 1, max(0, int(item.y * rows))), min(columns - 1, max(0, int(item.x * columns)))
