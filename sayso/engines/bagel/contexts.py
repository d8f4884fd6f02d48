"""What stands before a picture or an answer, as data: three contexts of placed pieces. Decides; computes nothing.

A picture is drawn after the whole conversation; guidance also needs it without its last words, and without its pictures.
Contexts that come out equal are one context, and equal beginnings are read once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "latent", "vision"]


@dataclass(frozen=True)
class Piece:
    """One block. `ids`: a text's, without marks; `picture`: which picture of the conversation (and which noise it was encoded with)."""

    kind: Kind
    ids: tuple[int, ...] = ()
    picture: int = -1
    noise: int = 0

    def span(self) -> int:
        """Positions that it takes: one for each of a text's rows and marks, one for a picture."""
        return len(self.ids) + 2 if self.kind == "text" else 1


@dataclass(frozen=True)
class Context:
    """Pieces with the position of each, and the next free one."""

    pieces: tuple[tuple[Piece, int], ...] = ()
    end: int = 0

    def plus(self, piece: Piece) -> Context:
        return Context((*self.pieces, (piece, self.end)), self.end + piece.span())

    def skip(self, positions: int) -> Context:
        return Context(self.pieces, self.end + positions)


@dataclass(frozen=True)
class Contexts:
    """`whole`, and for guidance `wordless` and `pictureless`; None where there is nothing to guide away from."""

    whole: Context
    wordless: Context | None
    pictureless: Context | None


def lay(items: Sequence[tuple[Piece, ...]], system: Piece | None, thought: Piece | None, released: bool) -> Contexts:
    """Contexts of a conversation whose items are a text or a picture's one or two pieces.

    As released: without words is everything before the last item where that is a text, and everything where it is a picture;
    pictures are left out as if they had never been there; the thought joins the whole context alone.
    Otherwise: without words leaves out the last text wherever it stands; left-out pictures keep their positions, as in
    training; the thought is among the words of both; and nothing is guided away from that is not there.
    """
    start = Context() if system is None else Context().plus(system)
    last_text = max((i for i, item in enumerate(items) if item[0].kind == "text"), default=-1)
    whole = wordless = pictureless = start
    for i, item in enumerate(items):
        text = item[0].kind == "text"
        for piece in item:
            if not (i == last_text and (not released or last_text == len(items) - 1)):
                wordless = wordless.plus(piece)
            whole = whole.plus(piece)
            if text:
                pictureless = pictureless.plus(piece)
            elif not released:
                pictureless = pictureless.skip(piece.span())
    if thought is not None:
        whole = whole.plus(thought)
        pictureless = pictureless if released else pictureless.plus(thought)
    if released:
        return Contexts(whole, wordless, pictureless)
    pictures = any(piece.kind != "text" for item in items for piece in item)
    return Contexts(whole, None if last_text < 0 else wordless, pictureless if pictures else None)
