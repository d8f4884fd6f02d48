"""An ask to BAGEL, checked and taken apart before any work: items in order, sizes, settings. Nothing is computed."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from sayso.engines.bagel import pictures
from sayso.engines.bagel.contexts import Piece
from sayso.engines.bagel.glue import Glue
from sayso.engines.bagel.reading import Seen
from sayso.engines.bagel.settings import Settings, settled
from sayso.engines.bagel.text import Words
from sayso.errors import BadInput, CannotDo
from sayso.types import Ask, Picture, Text

ROWS = 32768  # of one context, as the release's language model has it
COUNT = 64


@dataclass(frozen=True)
class Asked:
    """`items`: a text's piece, or a picture's two (one where the answer is a text). `width`, `height`: of the picture to draw."""

    ask: Ask
    items: tuple[tuple[Piece, ...], ...]
    seen: tuple[Seen, ...]
    system: Piece | None
    settings: Settings
    width: int
    height: int


def checked(ask: Ask) -> Settings:
    """The settings of an ask. Raises BadInput, CannotDo or Unknown for what can be refused without the model."""
    if ask.mask is not None:
        raise CannotDo("bagel cannot keep to a mask; say in words what is to change")
    if ask.background == "transparent":
        raise CannotDo("bagel draws without transparency; choose a colour or the engine pocket")
    if ask.style is not None:
        raise CannotDo("bagel has no table of styles; say the style in the prompt")
    if not 1 <= ask.count <= COUNT:
        raise BadInput(f"{ask.count} pictures cannot be drawn at once; ask for 1 to {COUNT}")
    if not 0 <= ask.seed < 2**63:
        raise BadInput(f"the seed {ask.seed} is out of range; choose one from 0 to 2^63 - 1")
    pictures_given = any(isinstance(part, Picture) for message in ask.messages for part in message.parts)
    return settled(pictures_given, ask.steps, ask.guidance, ask.options)


def taken(ask: Ask, words: Words, glue: Glue, side: int, patch: int, vocab: int) -> Asked:
    """`side`: pixels of the largest side; `patch`: of a vision patch. Raises BadInput, CannotDo or Unknown."""
    settings = checked(ask)
    parts = [part for message in ask.messages for part in message.parts]
    shown = [pictures.on_white(part) for part in parts if isinstance(part, Picture)]
    draws = ask.want != "text"
    seen = tuple(_seen(image, glue, settings.released) for image in shown)
    items: list[tuple[Piece, ...]] = []
    nth = 0
    for part in parts:
        if isinstance(part, Text):
            if part.text.strip():
                items.append((Piece("text", tuple(words.encode(part.text.strip(), settings.released))),))
        else:
            items.append((Piece("latent", picture=nth), Piece("vision", picture=nth)) if draws else (Piece("vision", picture=nth),))
            nth += 1
    if ask.background is not None and draws:
        items.append((Piece("text", tuple(words.encode(f"The background is plain {ask.background}.", settings.released))),))
    if not items:
        raise BadInput("the prompt is empty; say what to draw or ask")
    system = Piece("text", tuple(words.encode(glue.draw_first if draws else glue.answer_first))) if ask.think else None
    _check_ids(items, vocab)
    width, height = _size(ask, seen, side) if draws else (0, 0)
    _check_rows(items, seen, settings, patch, width * height // 256)
    return Asked(ask, tuple(items), seen, system, settings, width, height)


def _seen(image: Image.Image, glue: Glue, released: bool) -> Seen:
    """As released, the eyes see what is left after the autoencoder's resize; otherwise the picture itself, resized once."""
    latent = pictures.resized(image, glue.latent)
    if max(latent.size) * min(image.size) > 4 * max(image.size) * min(latent.size):
        raise BadInput(f"a picture of {image.width}x{image.height} pixels cannot be resized without tearing it; crop it first")
    eyes = pictures.resized(latent if released else image, glue.vision)
    return Seen(pictures.values(latent), pictures.values(eyes))


def _check_ids(items: list[tuple[Piece, ...]], vocab: int) -> None:
    for item in items:
        if strange := [i for i in item[0].ids if not 0 <= i < vocab]:
            raise BadInput(f"the prompt has the piece {strange[0]}, and this model knows {vocab}; leave it out")


def _size(ask: Ask, seen: tuple[Seen, ...], side: int) -> tuple[int, int]:
    """(width, height): as asked, as the last picture, or the largest square."""
    width, height = ask.width or ask.height, ask.height or ask.width
    if width is None or height is None:
        return (seen[-1].latent.shape[3], seen[-1].latent.shape[2]) if seen else (side, side)
    if width % 16 or height % 16 or not 16 <= min(width, height) <= max(width, height) <= side:
        raise BadInput(f"size {width}x{height} cannot be drawn; sides are multiples of 16 up to {side}, for example {side}x{side}")
    return width, height


def _check_rows(items: list[tuple[Piece, ...]], seen: tuple[Seen, ...], settings: Settings, patch: int, drawn: int) -> None:
    rows = drawn + settings.think_pieces
    for item in items:
        for piece in item:
            if piece.kind == "text":
                rows += len(piece.ids) + 2
            else:
                pixels = seen[piece.picture].latent if piece.kind == "latent" else seen[piece.picture].vision
                rows += pixels.shape[2] * pixels.shape[3] // (256 if piece.kind == "latent" else patch**2) + 2
    if rows > ROWS:
        raise BadInput(f"the conversation takes {rows:,} rows and bagel reads {ROWS:,}; leave out some pictures or words")
