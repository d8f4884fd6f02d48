"""What the eye says of the patches of a picture (models/naming.py), as votes, and votes that agree.

Every patch votes for where the thing lies that it shows a part of; votes for one place are one thing.

Axes: T patches, N things that can be named, Y manners. Lengths are in shorter sides of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from sayso.models.naming import Named
from sayso.world.grounds import NOTHING, Known, centres

TILE, TILES = 0.5, 0.25  # side of the squares in which a picture is seen again, and from one to the next: half of it, as in training
RIM = 0.06  # of a part, by which a thing may reach out of it
ALIKE = 1.6  # ratio of sides from which on votes are for different things
MOST = 256  # things of one kind that are looked for, the surest first: noise would have thousands
SEEN = 0.3  # share of the patches in its square that must vote for a thing

Look = Callable[[Sequence[np.ndarray]], "list[Votes]"]
"""What the eye says of square pictures uint8 [side, side, 4], each with its patches in 0..1."""


@dataclass(frozen=True, eq=False)
class Votes:
    """What patches say. `x`, `y`, `grain` [T]: a patch's centre and side; `things` [T, N], `manners` [T, Y]: chances; `part` [T, 2],
    `tint` [T, 4] as in Named (the first of `tint` a chance); `to_x`, `to_y`, `side` [T]: of the thing it belongs to."""

    x: np.ndarray
    y: np.ndarray
    grain: np.ndarray
    things: np.ndarray
    manners: np.ndarray
    part: np.ndarray
    tint: np.ndarray
    to_x: np.ndarray
    to_y: np.ndarray
    side: np.ndarray

    def __getitem__(self, which: np.ndarray) -> Votes:
        return Votes(*(getattr(self, f.name)[which] for f in fields(self)))

    def moved(self, x: float, y: float, scale: float) -> Votes:
        """Of a square whose top left corner lies at x, y of the picture and whose side is `scale` long there."""
        measures = {name: getattr(self, name) * scale for name in ("grain", "side")}
        measures |= {name: x + self.__dict__[name] * scale for name in ("x", "to_x")}
        measures |= {name: y + self.__dict__[name] * scale for name in ("y", "to_y")}
        return Votes(**{**self.__dict__, **measures})


@dataclass(frozen=True)
class Found:
    """A thing that votes agree on: its centre, its side, and they."""

    x: float
    y: float
    side: float
    votes: Votes


def votes_of(named: Named, b: int, rows: int, columns: int) -> Votes:
    """What is said of the b-th picture of rows × columns patches."""
    x, y = centres(rows, columns)
    things, manners = (_chances(of[b].float().cpu().numpy()) for of in (named.things, named.manners))
    part, place, tint = (of[b].float().cpu().numpy().astype(np.float64) for of in (named.part, named.place, named.tint))
    tint[:, 0] = 1 / (1 + np.exp(-tint[:, 0]))
    grain = np.full(len(x), 1 / min(rows, columns))
    return Votes(x, y, grain, things, manners, part, tint, x + place[:, 0], y + place[:, 1], np.maximum(place[:, 2], 0.02))


def _chances(logits: np.ndarray) -> np.ndarray:
    out = np.exp(logits - logits.max(-1, keepdims=True))
    chances: np.ndarray = out / out.sum(-1, keepdims=True)
    return chances


def closely(picture: np.ndarray, whole: Votes, look: Look) -> Votes:
    """The votes of a picture uint8 [H, W, 4] as a whole, and those of its parts enlarged for things that do not reach out of them."""
    across, down = (side / min(picture.shape[:2]) for side in (picture.shape[1], picture.shape[0]))
    places = [(x, y, TILE) for y in _tiles(down) for x in _tiles(across)]
    seen = look([cut(picture, *place) for place in places])
    parts = [_inside(v).moved(x - side / 2, y - side / 2, side) for v, (x, y, side) in zip(seen, places, strict=True)]
    return joined([whole, *parts])


def _inside(votes: Votes) -> Votes:
    """Without the votes for what reaches out of a part."""
    reach = np.maximum(abs(votes.to_x - 0.5), abs(votes.to_y - 0.5)) + votes.side / 2
    return votes[(votes.things[:, NOTHING] > 0.5) | (reach < 0.5 + RIM)]


def _tiles(long: float) -> np.ndarray:
    """Middles of the tiles along a side."""
    return np.linspace(TILE / 2, long - TILE / 2, 1 + math.ceil((long - TILE) / TILES - 1e-6))


def joined(many: Sequence[Votes]) -> Votes:
    return Votes(*(np.concatenate([getattr(v, f.name) for v in many]) for f in fields(Votes)))


def cut(picture: np.ndarray, x: float, y: float, side: float) -> np.ndarray:
    """A square of a picture around x, y; beyond the frame its edge goes on."""
    height, width = picture.shape[:2]
    short = min(height, width)
    long = max(2, round(side * short))
    rows, columns = (np.arange(long) + round(middle * short - long / 2) for middle in (y, x))
    return picture[np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)[None]]


# --- votes that agree ------------------------------------------------------------------------------------------------------


def groups(votes: Votes, every: Votes, reach: np.ndarray, wide: np.ndarray) -> list[Found]:
    """Votes of one kind put together. `every`: votes of all kinds. `reach`, `wide` [T]: how near to each other votes for one centre
    lie, and how wide the thing of each is; it is as high as its side."""
    found = []
    left = np.ones(len(votes.x), bool)
    sure = 1 - votes.things[:, NOTHING]
    for _ in range(MOST):
        if not left.any():
            break
        seed = int(np.argmax(np.where(left, sure * votes.things.max(1), -1)))
        x, y, side, near = votes.to_x[seed], votes.to_y[seed], votes.side[seed], left
        for _ in range(2):
            agree = np.hypot(votes.to_x - x, votes.to_y - y) < reach[seed]
            near = left & agree & (votes.side < ALIKE * side) & (side < ALIKE * votes.side)
            if not near.any():
                break
            x, y, side = (float(np.median(v[near])) for v in (votes.to_x, votes.to_y, votes.side))
        near[seed] = True
        within = (np.abs(every.x - x) < float(np.median(wide[near])) / 2) & (np.abs(every.y - y) < side / 2)
        if (votes.grain[near] ** 2 * sure[near]).sum() > SEEN * (every.grain[within] ** 2).sum():
            found.append(Found(float(x), float(y), float(side), votes[near]))
        left &= ~near
    return found


def split(votes: Votes, known: Known) -> tuple[Votes, Votes]:
    """(votes for items, votes for characters); those for nothing are left out."""
    items, characters = (votes.things[:, part].sum(1) for part in kinds(known))
    some = votes.things[:, NOTHING] < 0.5
    return votes[some & (items >= characters)], votes[some & (items < characters)]


def kinds(known: Known) -> tuple[slice, slice]:
    """Columns of concepts and of characters."""
    return slice(2, 2 + len(known.concepts)), slice(2 + len(known.concepts), known.count)
