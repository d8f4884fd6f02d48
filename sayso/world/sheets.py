"""What of a scene is painted by itself: each thing and each line of lettering alone on a square sheet, on nothing.

Lengths are in sides of a sheet.
"""

from __future__ import annotations

from dataclasses import replace

from sayso.world import fonts
from sayso.world.scene import Background, Item, Lettering, Scene

LARGE = 0.75  # side of a thing: the largest that training lays on the lines of the patches (layout.SIZES)
TALLEST, WIDEST = 0.62, 0.92  # em and length of a line: the most that training shows of lettering alone
DESIGN = 64  # pixels along a sheet as scenes count them
_NOTHING = Scene(DESIGN, DESIGN, Background("transparent"))


def of_item(item: Item) -> Scene:
    """The thing upright, in the middle and large; mirrored and turned it is when it is laid."""
    return replace(_NOTHING, items=(Item(item.concept, item.style, 0.5, 0.5, LARGE, tint=item.tint),))


def of_line(line: Lettering) -> Scene:
    """The line in the middle, as tall as it fits."""
    return replace(_NOTHING, lettering=(Lettering(line.text, line.font, 0.5, 0.5, tallest(line), line.colour),))


def tallest(line: Lettering) -> float:
    """The em of the line on its sheet."""
    wide = fonts.width(line.font, line.text)
    return min(TALLEST, WIDEST / wide) if wide > 0 else TALLEST


def bare(scene: Scene) -> Scene:
    """What lies behind."""
    return replace(scene, items=(), lettering=(), relations=(), grid=None)


def all_of(scene: Scene) -> list[Scene]:
    """Every sheet of the scene; the one that lies behind comes first, on the scene's own canvas, and not where it is empty."""
    behind = [] if scene.background.kind == "transparent" else [bare(scene)]
    return [*behind, *map(of_item, scene.items), *map(of_line, scene.lettering)]
