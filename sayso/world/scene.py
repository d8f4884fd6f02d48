"""A scene of the drawn world as data: canvas, background, items, lettering, and how the items relate.

Coordinates: x runs right as a fraction of the canvas width, y runs down as a fraction of its height; every `size` and
lettering `height` is a fraction of the canvas' shorter side. Angles are degrees clockwise. Later items lie over earlier
ones, lettering lies over all items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

STYLES = ("fluent", "flat", "line", "noto", "twemoji")
Style = Literal["fluent", "flat", "line", "noto", "twemoji"]

BACKGROUND_KINDS = ("transparent", "solid", "gradient", "pattern", "backdrop")
PATTERNS = ("stripes", "dots", "checks", "grid", "zigzag", "waves")
BACKDROPS = ("sky", "sea", "meadow", "night", "snow", "room", "street", "space")
BACKDROP_VARIANTS = 4

RELATIONS = ("left of", "right of", "above", "below", "between", "inside", "on", "wearing", "holding")
MAX_ITEMS = 20


@dataclass(frozen=True)
class Background:
    """`kind` picks which fields count.

    transparent: none. solid: colours[0]. gradient: colours[0] → colours[1] along `angle` (0 = top to bottom,
    90 = left to right). pattern: `name` of PATTERNS, colours[0] ground, colours[1] marks. backdrop: `name` of
    BACKDROPS, `variant` in range(BACKDROP_VARIANTS). Colours are "#rrggbb".
    """

    kind: Literal["transparent", "solid", "gradient", "pattern", "backdrop"]
    colours: tuple[str, ...] = ()
    name: str = ""
    variant: int = 0
    angle: int = 0


@dataclass(frozen=True)
class Item:
    """A concept drawn in one style. x, y: centre of its square art box; `size`: side of that box.

    `tint` recolours the art: each pixel's luma L (Rec. 709 weights on sRGB values, 0..1) gives tint * (0.4 + L), clamped
    to 1; in the "line" style the ink simply takes the tint.
    """

    concept: str
    style: Style
    x: float
    y: float
    size: float
    turn: float = 0.0
    flip: bool = False
    tint: str | None = None
    shadow: bool = False


@dataclass(frozen=True)
class Lettering:
    """One line of text centred on x, y. `height`: the em size. `font`: a name of `world.fonts`."""

    text: str
    font: str
    x: float
    y: float
    height: float
    colour: str


@dataclass(frozen=True)
class Relation:
    """items[subject] is `kind` items[objects[0]] (and items[objects[1]] for "between")."""

    kind: str
    subject: int
    objects: tuple[int, ...]


@dataclass(frozen=True)
class Scene:
    """`width`, `height`: the canvas in pixels of its design size; any renderer may draw it at another scale.

    `grid`: (rows, columns) when the items fill a grid in reading order.
    """

    width: int
    height: int
    background: Background
    items: tuple[Item, ...] = ()
    lettering: tuple[Lettering, ...] = ()
    relations: tuple[Relation, ...] = ()
    grid: tuple[int, int] | None = None
