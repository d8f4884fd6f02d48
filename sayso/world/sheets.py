"""What of a scene is painted by itself: each thing and each character of lettering alone on a square sheet, on nothing.

Lengths are in sides of a sheet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sayso.world import fonts
from sayso.world.scene import Background, Item, Lettering, Scene

LARGE = 0.75  # side of a thing: the largest that training lays on the lines of the patches (layout.SIZES)
EM = 0.7  # of a character
OVERHANG = 0.2  # em by which a character may reach beyond its advance, as those of a script do
CLOSE = (0.42, 0.7)  # em of a line that is looked at closely, cut off by the sheet's sides
DESIGN = 64  # pixels along a sheet as scenes count them
_NOTHING = Scene(DESIGN, DESIGN, Background("transparent"))


def of_item(item: Item) -> Scene:
    """The thing upright, in the middle and large; mirrored and turned it is when it is laid."""
    return replace(_NOTHING, items=(Item(item.concept, item.style, 0.5, 0.5, LARGE, tint=item.tint),))


def of_character(character: str, font: str, colour: str) -> Scene:
    """The character in the middle."""
    return replace(_NOTHING, lettering=(Lettering(character, font, 0.5, 0.5, EM, colour),))


def characters(line: Lettering) -> Iterator[tuple[str, float, float]]:
    """The characters of a line that can be seen: (character, where its middle lies to the right of the line's, its advance), in em."""
    pen = -fonts.width(line.font, line.text) / 2
    for character in line.text:
        wide = fonts.width(line.font, character)
        if not character.isspace():
            yield character, pen + wide / 2, wide
        pen += wide


def bare(scene: Scene) -> Scene:
    """What lies behind."""
    return replace(scene, items=(), lettering=(), relations=(), grid=None)


def all_of(scene: Scene) -> list[Scene]:
    """Every sheet of the scene; the one that lies behind comes first, on the scene's own canvas, and not where it is empty."""
    behind = [] if scene.background.kind == "transparent" else [bare(scene)]
    letters = [of_character(c, line.font, line.colour) for line in scene.lettering for c, _, _ in characters(line)]
    return [*behind, *map(of_item, scene.items), *letters]
