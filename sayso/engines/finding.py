"""Things in a picture, from what the eye says of its patches.

The name and the style of a thing are what its patches say together, and which part of it each of them shows tells how it is turned and
which way it faces.

Lengths are in shorter sides of the picture.
"""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from sayso.engines import behind, lines
from sayso.engines.inks import tint_of
from sayso.engines.votes import Found, Look, Votes, closely, groups, kinds, split
from sayso.world.grounds import FIRST_FONT, MANNERS, Known
from sayso.world.layout import frame
from sayso.world.scene import MAX_ITEMS, Item, Scene, Style

SAME = 0.35  # of a thing's side: votes for its centre that lie nearer to each other are for one thing
TURNED = 6.0  # degrees from which on a thing is taken as turned


def items(votes: Votes, known: Known, width: int, height: int) -> list[Item]:
    """The items of a canvas of width × height, from the top left on; but a larger one that meets a smaller lies below it."""
    mine, _ = split(votes, known)
    ordered: list[Found] = []
    for one in sorted(groups(mine, votes, SAME * mine.side, mine.side), key=lambda one: one.x + 3 * one.y):
        above = (k for k, other in enumerate(ordered) if _meet(one, other) and other.side < one.side)
        ordered.insert(next(above, len(ordered)), one)
    return [_item(one, known, width, height) for one in ordered]


def _meet(a: Found, b: Found) -> bool:
    return max(abs(a.x - b.x), abs(a.y - b.y)) < (a.side + b.side) / 2


def _item(found: Found, known: Known, width: int, height: int) -> Item:
    w, h = frame(width, height)
    v = found.votes
    name = known.concepts[int(v.things[:, kinds(known)[0]].sum(0).argmax())]
    style = cast(Style, MANNERS[int(v.manners[:, :FIRST_FONT].sum(0).argmax())])
    turn, flip = _stance(found)
    return Item(name, style, found.x / w, found.y / h, found.side, turn, flip, tint_of(v) if v.tint[:, 0].mean() > 0.5 else None)


def _stance(found: Found) -> tuple[float, bool]:
    """(turn in degrees, whether mirrored): how the parts that patches show lie around the centre."""
    v = found.votes
    du, dv = (v.x - found.x) / found.side, (v.y - found.y) / found.side
    best = max(_turn(v.part[:, 0] * facing, v.part[:, 1], du, dv) + (facing,) for facing in (1, -1))
    turn = best[1] if abs(best[1]) >= TURNED and len(du) > 3 else 0.0
    return turn, best[2] < 0


def _turn(u: np.ndarray, v: np.ndarray, du: np.ndarray, dv: np.ndarray) -> tuple[float, float]:
    """(how well they fit, degrees) of the turn that brings places du, dv to parts u, v: least squares in the plane (Kabsch 1976)."""
    along, across = float((u * du + v * dv).sum()), float((u * dv - v * du).sum())
    return math.hypot(along, across), math.degrees(math.atan2(across, along))


def found(picture: np.ndarray, whole: Votes, said: np.ndarray, known: Known, width: int, height: int, look: Look) -> Scene:
    """The scene, on a canvas of width × height, that a picture (uint8 [H, W, 4]) shows. `whole`, `said`: what the eye says of it as a
    whole, and of what lies behind (`Named.behind`)."""
    votes = closely(picture, whole, look)
    things = items(votes, known, width, height)[:MAX_ITEMS]
    lettered = lines.letterings(picture, votes, known, width, height, look)
    return Scene(width, height, behind.background(picture, votes, said), tuple(things), tuple(lettered))
