"""Which parts of a picture look like a line of lettering: near parts of one plain colour in a row that no drawing explains well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sayso.world.judge.parts import Node

PLAIN = 0.10  # distance (0..1 sRGB) from the straight way between background and ink up to which a pixel is of that ink
PURE = 0.9  # share of such pixels in a part of one colour
SAME = 0.16  # distance up to which two parts are of the same colour
CERTAIN = 0.975  # score from which a thing is certainly no letter
LONE = 0.8  # the same for a single part, which is more often an odd item than a letter
DRAWN = 0.87  # mean score of drawings from which a row is a row of items


class Explained(Protocol):
    """A thing as `look` makes it."""

    mask: np.ndarray

    @property
    def score(self) -> float: ...


@dataclass(frozen=True, eq=False)
class Row:
    """A line of lettering: its pixels and its colour as hex."""

    mask: np.ndarray
    colour: str


@dataclass(eq=False)
class _Part:
    mask: np.ndarray
    box: tuple[int, int, int, int]
    colour: np.ndarray
    plain: bool
    area: int

    @property
    def high(self) -> int:
        return self.box[3] - self.box[1]


def _part(mask: np.ndarray, rgb: np.ndarray, field: np.ndarray) -> _Part:
    y, x = np.nonzero(mask)
    colours, behind = rgb[y, x], field[y, x]
    # Soft edges mix ink with background, so the ink is what differs from the background most.
    strength = ((colours - behind) ** 2).sum(-1)
    ink = np.median(colours[strength >= np.quantile(strength, 0.6)], axis=0)
    way = ink - behind
    along = np.clip(((colours - behind) * way).sum(-1) / np.maximum((way**2).sum(-1), 1e-4), 0, 1)
    off = np.sqrt(((colours - behind - along[:, None] * way) ** 2).sum(-1))
    return _Part(mask, (int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1), ink,
                 float((off < PLAIN).mean()) >= PURE, len(x))


def _beside(a: _Part, b: _Part) -> bool:
    """Whether two parts can be of one line: same colour, and side by side no wider apart than a space, or a small one over a tall one."""
    if float(np.sqrt(((a.colour - b.colour) ** 2).sum())) >= SAME:
        return False
    over = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    across = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    tall, low = max(a.high, b.high), max(1, min(a.high, b.high))
    if over >= 0.3 * low:
        return -across <= 0.6 * tall
    # Dots, accents, and the strokes of a character that do not touch.
    high = max(a.box[3], b.box[3]) - min(a.box[1], b.box[1])
    narrow = min(a.box[2] - a.box[0], b.box[2] - b.box[0])
    return across >= 0.4 * narrow and -over <= 0.3 * tall and high <= max(1.4 * tall, 1.6 * low + 0.4 * tall)


def find_rows(things: Sequence[Explained], parts: Sequence[Node], rgb: np.ndarray, field: np.ndarray) -> list[Row]:
    """The lines of lettering among the finest parts, given the things that drawings were found for."""
    sure = np.logical_or.reduce([t.mask for t in things if t.score >= CERTAIN] or [np.zeros(rgb.shape[:2], bool)])
    small = [p for p in (_part(n.mask, rgb, field) for n in parts if not (n.mask & sure).any()) if p.plain]
    groups: list[list[_Part]] = []
    for part in sorted(small, key=lambda p: p.box[0]):
        joined = [g for g in groups if any(_beside(part, other) for other in g)]
        groups = [g for g in groups if all(g is not j for j in joined)] + [[part, *(p for g in joined for p in g)]]
    out = []
    for group in groups:
        mask = np.logical_or.reduce([p.mask for p in group])
        inside = [t for t in things if (t.mask & mask).sum() > 0.5 * t.mask.sum()]
        if not inside or mask.sum() < 0.8 * np.logical_or.reduce([t.mask for t in inside]).sum():
            continue
        weights = [float(t.mask.sum()) for t in inside]
        if float(np.average([t.score for t in inside], weights=weights)) < (DRAWN if len(group) > 1 else LONE):
            out.append(_row(group))
    return out


def _row(group: Sequence[_Part]) -> Row:
    colour = np.average([p.colour for p in group], axis=0, weights=[p.area for p in group])
    return Row(np.logical_or.reduce([p.mask for p in group]), "#" + "".join(f"{round(float(v) * 255):02x}" for v in colour))


def is_plain(mask: np.ndarray, rgb: np.ndarray, field: np.ndarray) -> bool:
    """Whether what is seen at a mask is of one ink."""
    return _part(mask, rgb, field).plain


def joined_rows(rows: Sequence[Row], masks: Sequence[np.ndarray], rgb: np.ndarray, field: np.ndarray) -> list[Row]:
    """Lines of lettering and further masks of plain ink → the lines they are together; what is of like colour and near is one."""
    groups: list[list[_Part]] = []
    for mask in [r.mask for r in rows] + list(masks):
        part = _part(mask, rgb, field)
        joined = [g for g in groups if any(_beside(part, other) for other in g)]
        groups = [g for g in groups if all(g is not j for j in joined)] + [[part, *(p for g in joined for p in g)]]
    return [_row(g) for g in groups]
