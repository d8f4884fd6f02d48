"""What the judge reports of a picture: plain data, in the coordinates of `world.scene`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sayso.world.judge.background import FoundBackground


@dataclass(frozen=True)
class SeenItem:
    """`x`, `y`, `size`, `turn`, `flip`: as in scene.Item. `tint`: "#rrggbb" it is recoloured with, None = its own colours.

    `colour`: the tint as an item colour word; `main`: its most frequent colour as hex; `score`: 0..1, how well the exact drawing
    explains the picture there; `rivals`: the best drawings tried there (concept, style, score), best first.
    """

    concept: str
    style: str
    x: float
    y: float
    size: float
    turn: float
    flip: bool
    tint: str | None
    colour: str | None
    main: str
    shadow: bool
    score: float
    rivals: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True)
class SeenLine:
    """Something that looks like a line of lettering: x0, y0, x1, y1 as fractions of width and height, and its colour."""

    box: tuple[float, float, float, float]
    colour: str


@dataclass(frozen=True, eq=False)
class Seen:
    """`items`: from the top left, row by row. `lines`: lettering, unread. `unknown`: boxes of what is neither.
    `notes`: sentences on what was uncertain. `aspect`: width / height. `pixels`: the picture itself."""

    background: FoundBackground
    items: tuple[SeenItem, ...]
    lines: tuple[SeenLine, ...]
    unknown: tuple[tuple[float, float, float, float], ...]
    notes: tuple[str, ...]
    aspect: float
    pixels: np.ndarray
