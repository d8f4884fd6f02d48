"""Where things go: boxes, cells, scattering, and what makes a relation geometrically true.

Lengths here are in shorter sides of the canvas, so a frame is W x H with min(W, H) = 1; a spot is (u, v, size), the
centre and side of an item's square art box in that unit. `Scene` stores centres as fractions of width and height.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace

from sayso.world.scene import Item, Relation, Scene

SIZES = (1, 2, 3, 4, 6)  # parts along the side of a snapped item
Spot = tuple[float, float, float]
Box = tuple[float, float, float, float]


def frame(width: int, height: int) -> tuple[float, float]:
    """The canvas in shorter sides: (W, H), the smaller of them 1."""
    short = min(width, height)
    return width / short, height / short


def spread(turn: float) -> float:
    """How much wider the upright box around a square gets when the square is turned by `turn` degrees."""
    angle = math.radians(turn)
    return abs(math.cos(angle)) + abs(math.sin(angle))


def box(item: Item, width: int, height: int) -> Box:
    """x0, y0, x1, y1 of the upright box around the (turned) art box, in shorter sides of a width x height canvas."""
    w, h = frame(width, height)
    half = item.size * spread(item.turn) / 2
    return item.x * w - half, item.y * h - half, item.x * w + half, item.y * h + half


def overlap(a: Box, b: Box) -> float:
    """Shared area of two boxes as a share of the smaller one."""
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    return wide * high / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def cells(rows: int, columns: int, area: Box) -> list[Box]:
    """The cells of a grid over `area` in reading order."""
    x0, y0, x1, y1 = area
    wide, high = (x1 - x0) / columns, (y1 - y0) / rows
    return [(x0 + c * wide, y0 + r * high, x0 + (c + 1) * wide, y0 + (r + 1) * high) for r in range(rows) for c in range(columns)]


def grid_for(rng: random.Random, n: int, area: Box) -> tuple[int, int]:
    """(rows, columns) with room for n whose cells are near to square; sometimes the second best, for variety."""
    aspect = (area[2] - area[0]) / (area[3] - area[1])
    best = sorted(
        (-min(aspect / columns, 1 / rows) + 0.004 * (rows * columns - n), rows, columns)
        for rows in range(1, n + 1)
        for columns in (-(-n // rows),)
    )
    pick = best[0] if len(best) == 1 or rng.random() < 0.75 else best[1]
    return pick[1], pick[2]


def place_in(rng: random.Random, cell: Box, fill_low: float, fill_high: float) -> Spot:
    """A spot of `fill` times the cell's shorter side, anywhere inside the cell."""
    x0, y0, x1, y1 = cell
    size = min(x1 - x0, y1 - y0) * (fill_low + rng.random() * (fill_high - fill_low))
    return x0 + size / 2 + rng.random() * (x1 - x0 - size), y0 + size / 2 + rng.random() * (y1 - y0 - size), size


def jittered(rng: random.Random, n: int, area: Box, fill: tuple[float, float] = (0.72, 0.96)) -> list[Spot]:
    """n spots without overlap, one in each of n cells of a grid over `area`, in random order."""
    rows, columns = grid_for(rng, n, area)
    chosen = rng.sample(cells(rows, columns, area), n)
    return [place_in(rng, cell, *fill) for cell in chosen]


def scattered(rng: random.Random, n: int, area: Box, low: float, high: float) -> list[Spot] | None:
    """n spots of size low..high thrown at random without overlap; None when 60 throws were not enough."""
    x0, y0, x1, y1 = area
    spots: list[Spot] = []
    for _ in range(60):
        size = low + rng.random() * (high - low)
        u, v = x0 + size / 2 + rng.random() * (x1 - x0 - size), y0 + size / 2 + rng.random() * (y1 - y0 - size)
        if all(max(abs(u - a), abs(v - b)) >= (size + s) / 2 for a, b, s in spots):
            spots.append((u, v, size))
            if len(spots) == n:
                return spots
    return None


def row(rng: random.Random, n: int, area: Box, upright: bool = False) -> list[Spot]:
    """n spots of nearly one size side by side (or one under the other when `upright`), centred, evenly spaced."""
    x0, y0, x1, y1 = area
    along, across = (y1 - y0, x1 - x0) if upright else (x1 - x0, y1 - y0)
    size = min(along / n, across) * (0.78 + 0.18 * rng.random())
    pitch = size + rng.random() * (along - n * size) / n
    start = (along - (n - 1) * pitch) / 2
    line = size / 2 + (across - size) * (0.5 if rng.random() < 0.4 else rng.random())
    if upright:
        return [(x0 + line, y0 + start + k * pitch, size) for k in range(n)]
    return [(x0 + start + k * pitch, y0 + line, size) for k in range(n)]


def snapped(scene: Scene, parts: int) -> Scene:
    """The scene with every upright item moved and resized: of one of SIZES, on lines `parts` to a shorter side.

    Large items stand in the middle, those of half the canvas on every other line. Items grow where there is room, else they
    shrink. Scenes whose relations would no longer hold or whose items would meet stay as they are.
    """
    for slack in (0.95, 0.35):
        out = replace(scene, items=tuple(i if i.turn else _snapped(i, scene, parts, slack) for i in scene.items))
        boxes = [box(i, scene.width, scene.height) for i in out.items]
        apart = all(overlap(a, b) <= 0.1 for k, a in enumerate(boxes) for b in boxes[:k])
        if apart and all(relation_holds(out, r) for r in out.relations):
            return out
    return scene


def _snapped(item: Item, scene: Scene, parts: int, slack: float) -> Item:
    w, h = frame(scene.width, scene.height)
    side = max(s for s in SIZES if s <= max(1, item.size * parts + slack))
    left, top = (_line(centre * extent * parts - side / 2, side, round(extent * parts)) for centre, extent in ((item.x, w), (item.y, h)))
    return replace(item, x=round((left + side / 2) / (w * parts), 4), y=round((top + side / 2) / (h * parts), 4), size=side / parts)


def _line(edge: float, side: int, lines: int) -> int:
    """The line nearest to an edge at which an item of `side` parts may begin on an axis of so many lines."""
    free = lines - side
    if side >= 6:
        return free // 2
    step = 2 if side == 4 else 1
    return min(max(round(edge / step) * step, 0), free)


def direction(a: Spot, b: Spot) -> str | None:
    """The plain word for where a is seen from b ("left of", ...), or None when it is not plain to see."""
    du, dv, apart = a[0] - b[0], a[1] - b[1], (a[2] + b[2]) / 2
    if abs(du) >= apart and abs(du) >= 1.6 * abs(dv):
        return "left of" if du < 0 else "right of"
    if abs(dv) >= apart and abs(dv) >= 1.6 * abs(du):
        return "above" if dv < 0 else "below"
    return None


def spot(item: Item, width: int, height: int) -> Spot:
    """The item's centre and upright size in shorter sides."""
    w, h = frame(width, height)
    return item.x * w, item.y * h, item.size * spread(item.turn)


def relation_holds(scene: Scene, relation: Relation) -> bool:
    """Whether the geometry of the scene makes the relation plainly true."""
    a = spot(scene.items[relation.subject], scene.width, scene.height)
    b = spot(scene.items[relation.objects[0]], scene.width, scene.height)
    du, dv = (a[0] - b[0]) / b[2], (a[1] - b[1]) / b[2]  # in sides of the object
    if relation.kind in ("left of", "right of"):
        sign = -1 if relation.kind == "left of" else 1
        return sign * (a[0] - b[0]) >= 0.95 * (a[2] + b[2]) / 2 and abs(a[0] - b[0]) >= abs(a[1] - b[1])
    if relation.kind in ("above", "below"):
        sign = -1 if relation.kind == "above" else 1
        return sign * (a[1] - b[1]) >= 0.95 * (a[2] + b[2]) / 2 and abs(a[1] - b[1]) >= abs(a[0] - b[0])
    if relation.kind == "between":
        c = spot(scene.items[relation.objects[1]], scene.width, scene.height)
        along = (c[0] - b[0], c[1] - b[1])
        length = math.hypot(*along)
        part = ((a[0] - b[0]) * along[0] + (a[1] - b[1]) * along[1]) / length**2
        off = abs((a[0] - b[0]) * along[1] - (a[1] - b[1]) * along[0]) / length**2
        return 0.2 <= part <= 0.8 and off <= 0.2
    if relation.kind == "inside":
        return max(abs(du), abs(dv)) + a[2] / b[2] / 2 <= 0.5
    if relation.kind == "on":
        return abs(du) <= 0.3 and -0.5 <= dv + a[2] / b[2] / 2 <= 0.0
    # Wearing and holding: the object touches the one who wears or holds it.
    gap_u, gap_v = abs(a[0] - b[0]), abs(a[1] - b[1])
    touches = max(gap_u, gap_v) < (a[2] + b[2]) / 2
    return touches and b[2] < a[2] and (gap_u <= 0.25 * a[2] and b[1] <= a[1] if relation.kind == "wearing" else True)
