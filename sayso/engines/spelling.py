"""What may be written of a plan, where the words before it leave no choice: letterings and the things of a grid are copied, not recalled.

Rules for the pieces of shorthand (world/shorthand.py): between quotation marks stands one of the texts that were said, and the things of
a grid come in the order in which they were named. So what is rare in lessons is spelt as surely as anything else.
"""

from __future__ import annotations

from collections.abc import Sequence

from sayso.models.tokens import Pieces
from sayso.world import fonts

LONGEST = 52  # pieces of a lettering, its quotation marks included


def letterable(pieces: Pieces, text: str) -> bool:
    """Whether a text is short enough to be lettered, and a font has all of its characters."""
    return len(pieces.encode(f'"{text}"')) - 2 <= LONGEST and any(fonts.covers(font, " ".join(text.split())) for font in fonts.FONTS)


class Spelling:
    """`said`: texts of which each lettering is one, None = any text. `listed`: concepts of the things, none = any things."""

    def __init__(self, pieces: Pieces, said: Sequence[str] | None, listed: Sequence[str] = ()):
        lines = [" ".join(text.split()) for text in said or ()]
        plain = all(text and '"' not in text and "\\" not in text for text in lines)  # else marks cannot be told from text
        self.free = said is None or not plain
        self.mark, self.next, self.end = pieces.encode('"')[1], pieces.encode(";")[1], pieces.end
        self.ways = [] if self.free else [pieces.encode(f'"{text}"')[1:-1] for text in lines]
        self.names = [pieces.encode(f"; {slug.replace('-', ' ')}")[2:-1] for slug in listed]

    def after(self, line: Sequence[int]) -> list[int]:
        """The pieces that may follow a line; none: any may."""
        marks = [k for k, piece in enumerate(line) if piece == self.mark]
        if len(marks) % 2:
            begun = list(line[marks[-1] :])
            return [way[len(begun)] for way in self.ways if way[: len(begun)] == begun]
        ends = [k for k, piece in enumerate(line) if piece == self.next]
        if not self.names or not ends or marks:
            return []
        begun = list(line[ends[-1] + 1 :])
        if len(ends) > len(self.names):
            return [] if begun else [self.mark]
        name = self.names[len(ends) - 1]
        return [name[len(begun)]] if len(begun) < len(name) and name[: len(begun)] == begun else []

    def barred(self, line: Sequence[int]) -> list[int]:
        """The pieces that may not follow a line: lettering where none can be, its end while things that were named are not in it, then
        one thing more."""
        begun, bare = sum(piece == self.next for piece in line), not self.free and not self.ways
        barred = [self.mark] if bare else []
        if begun < len(self.names):
            return [*barred, self.end]
        return [*barred, self.next] if bare and self.names else barred
