"""What may be written of a plan, where the words before it leave no choice: letterings and the things of a grid are copied, not recalled.

Rules for the pieces of shorthand (world/shorthand.py): between quotation marks stands one of the texts that were said, and the things of
a grid come in the order in which they were named. So what is rare in lessons is spelt as surely as anything else.
"""

from __future__ import annotations

from collections.abc import Sequence

from sayso.models.tokens import Pieces


class Spelling:
    """`said`: texts of which each lettering is one, none = any text. `listed`: concepts of the things, none = any things."""

    def __init__(self, pieces: Pieces, said: Sequence[str], listed: Sequence[str] = ()):
        lines = [" ".join(text.split()) for text in said]
        plain = all(text and '"' not in text and "\\" not in text for text in lines)  # else marks cannot be told from text
        self.mark, self.next, self.end = pieces.encode('"')[1], pieces.encode(";")[1], pieces.end
        self.ways = [pieces.encode(f'"{text}"')[1:-1] for text in lines] if plain else []
        self.names = [pieces.encode(f"; {slug.replace('-', ' ')} flat")[2:-2] for slug in listed]

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
        """The pieces that may not follow a line: its end while things that were named are not in it, then one thing more."""
        begun = sum(piece == self.next for piece in line)
        if begun < len(self.names):
            return [self.end]
        return [self.next] if self.names and not self.ways else []
