"""A plan taken apart into sheets that are painted one by one, and the picture laid together from them.

The model paints one thing best alone, upright, in the middle and large, as that is where a patch shows it most often and largest.
So every different thing and every different character of lettering gets a square transparent sheet of its own, the background one in the
picture's aspect, and the sheets are laid over each other at the finished picture's own size, where small things stay crisp.

Axes: H, W pixels of the finished picture, S pixels along a square sheet. Lengths are in shorter sides of the picture, or in
sides of a sheet where it says so; angles are degrees clockwise (world/scene.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageOps
from torch import Tensor

from sayso.engines.keeping import premultiplied, resized, straight
from sayso.types import Plan
from sayso.world.layout import frame, spread
from sayso.world.plan import background_of, scene_of, to_plan
from sayso.world.render import GLYPH_BOX
from sayso.world.scene import Scene
from sayso.world.sheets import EM, LARGE, OVERHANG, characters, of_character, of_item

SPILL = 1 / 64  # of a sheet: kept around a thing, since a painted edge reaches half a pixel of the model beyond the exact one
FAINT = 0.1  # alpha of a painted sheet that is no more than doubt
_APART = 104729  # between the seeds of a picture's sheets, so that the pictures of one ask do not share their noise

Shape = tuple[int, int]  # rows, columns of patches
Paint = Callable[[list[Plan], list[int], Shape], Iterator[Tensor]]


@dataclass(frozen=True)
class Laid:
    """Where one sheet goes. `piece`: which; `x`, `y`: its centre in fractions of W and H; `side`: its length; `reach`: how much
    of it is kept to both sides of the centre, across and down, in sides of the sheet; `turn`, `flip`: as in Item."""

    piece: int
    x: float
    y: float
    side: float
    reach: tuple[float, float]
    turn: float = 0.0
    flip: bool = False


@dataclass(frozen=True)
class Layers:
    """What is painted of one picture: `ground` in its own aspect (None = nothing lies behind), `pieces` on square sheets; and
    what is laid over the ground, the lowest first. `width`, `height`: the plan's canvas."""

    width: int
    height: int
    ground: Plan | None
    pieces: tuple[Plan, ...] = ()
    laid: tuple[Laid, ...] = ()

    @property
    def sheets(self) -> tuple[Plan, ...]:
        """All that is painted: the ground, if there is one, then the pieces."""
        return self.pieces if self.ground is None else (self.ground, *self.pieces)

    @property
    def reaches(self) -> list[tuple[float, float]]:
        """Of every sheet how much is kept to both sides of its centre, across and down, in its width and height."""
        kept: dict[int, tuple[float, float]] = {}
        for laid in self.laid:
            across, down = kept.get(laid.piece, (0.0, 0.0))
            kept[laid.piece] = max(across, laid.reach[0]), max(down, laid.reach[1])
        return [(0.5, 0.5)] * (self.ground is not None) + [kept[n] for n in range(len(self.pieces))]


# --- taking apart --------------------------------------------------------------------------------------------------------


def whole(plan: Plan) -> Layers:
    """The plan on one sheet."""
    return Layers(plan.width, plan.height, plan)


def taken_apart(plan: Plan) -> Layers:
    """The plan on a sheet for its background, one for each different thing and one for each different character.

    A plan that is nothing but background stays whole. Looks are of whole pictures, and are put on when one is laid together.
    Raises BadInput or Unknown where the plan describes no scene.
    """
    if not (plan.items or plan.lettering):
        return whole(plan)
    scene, pieces, laid = scene_of(plan), _Pieces(), []
    for item in scene.items:
        reach, piece = LARGE / 2 + SPILL, pieces.of(of_item(item))
        laid.append(Laid(piece, item.x, item.y, item.size / LARGE, (reach, reach), item.turn, item.flip))
    across, _ = frame(scene.width, scene.height)
    for line in scene.lettering:
        for character, away, wide in characters(line):
            piece = pieces.of(of_character(character, line.font, line.colour))
            kept = min(0.5, (wide / 2 + OVERHANG) * EM), min(0.5, GLYPH_BOX * EM / 2)
            laid.append(Laid(piece, line.x + away * line.height / across, line.y, line.height / EM, kept))
    bare = background_of(plan.background).kind == "transparent"
    ground = None if bare else replace(plan, items=(), lettering=())
    return Layers(plan.width, plan.height, ground, tuple(pieces.plans), tuple(laid))


class _Pieces:
    """Plans of sheets, each once, in the order in which they are first wanted."""

    def __init__(self) -> None:
        self.plans: list[Plan] = []

    def of(self, scene: Scene) -> int:
        plan = to_plan(scene)
        if plan not in self.plans:
            self.plans.append(plan)
        return self.plans.index(plan)


# --- painting ------------------------------------------------------------------------------------------------------------


def seed_of(seed: int, sheet: int) -> int:
    """The seed of a picture's sheet: 0 is its ground or the whole, the pieces count from 1."""
    return (seed + _APART * sheet) % 2**63


def painted(paint: Paint, pictures: Sequence[Layers], seeds: Sequence[int], shape: Shape, square: Shape, most: int
            ) -> Iterator[list[list[Tensor]]]:
    """After each step the sheets of every picture, as `Layers.sheets` lists them, each float32 [4, h, w].

    `shape`, `square`: patches of a ground and of a piece. The sheets of all pictures are painted together, `most` at a time.
    """
    rows: dict[Shape, list[tuple[int, int, Plan, int]]] = {}  # (picture, nth of its sheets, plan, seed)
    for k, (layers, seed) in enumerate(zip(pictures, seeds, strict=True)):
        for n, plan in enumerate(layers.sheets):
            grounded = n == 0 and layers.ground is not None
            sheet = n + (layers.ground is None)
            rows.setdefault(shape if grounded else square, []).append((k, n, plan, seed_of(seed, sheet)))
    chunks = [(form, of[i : i + most]) for form, of in rows.items() for i in range(0, len(of), most)]
    running = [paint([row[2] for row in chunk], [row[3] for row in chunk], form) for form, chunk in chunks]
    for states in zip(*running, strict=True):
        done: dict[tuple[int, int], Tensor] = {}
        for (_, chunk), state in zip(chunks, states, strict=True):
            done.update({(k, n): x for (k, n, _, _), x in zip(chunk, state, strict=True)})
        yield [[done[k, n] for n in range(len(layers.sheets))] for k, layers in enumerate(pictures)]


# --- laying together -----------------------------------------------------------------------------------------------------


def composed(layers: Layers, sheets: Sequence[np.ndarray], width: int, height: int) -> np.ndarray:
    """The picture, uint8 [H, W, 4] of width × height: the sheets (straight alpha, any size) as `Layers.sheets` lists them.

    The aspect may differ from the plan's; all is then stretched alike.
    """
    behind = None if layers.ground is None else resized(sheets[0], width, height)
    if behind is not None and not layers.laid:
        return behind
    base = np.zeros((height, width, 4), np.float32) if behind is None else premultiplied(behind)
    pieces = sheets[len(sheets) - len(layers.pieces) :]
    w, h = frame(layers.width, layers.height)
    for laid in layers.laid:
        _lay(base, pieces[laid.piece], laid, width / w, height / h)
    return straight(base)


def _lay(base: np.ndarray, piece: np.ndarray, laid: Laid, across: float, down: float) -> None:
    """Lays a sheet [S, S, 4] over the base, float32 [H, W, 4] premultiplied, in place; what lies beyond the frame is cut off.

    `across`, `down`: pixels of the base per shorter side of the picture.
    """
    height, width = base.shape[:2]
    image = _upright(piece, laid)
    dx, dy = laid.side * across / len(piece), laid.side * down / len(piece)  # pixels of the base per pixel of the sheet
    left, top = laid.x * width - image.width * dx / 2, laid.y * height - image.height * dy / 2
    x0, y0 = max(0, math.floor(left)), max(0, math.floor(top))
    x1, y1 = min(width, math.ceil(left + image.width * dx)), min(height, math.ceil(top + image.height * dy))
    if x0 >= x1 or y0 >= y1:
        return
    # Whole pixels of the base are parts of pixels of the sheet; a margin gives those at its rim something to be the mean of.
    rim = math.ceil(1 / dx) + 1, math.ceil(1 / dy) + 1
    image = image.crop((-rim[0], -rim[1], image.width + rim[0], image.height + rim[1]))
    box = ((x0 - left) / dx + rim[0], (y0 - top) / dy + rim[1], (x1 - left) / dx + rim[0], (y1 - top) / dy + rim[1])
    how = Image.Resampling.HAMMING if min(dx, dy) < 1 else Image.Resampling.BICUBIC
    over = np.asarray(image.resize((x1 - x0, y1 - y0), how, box), np.float32) / 255
    alpha = over[..., 3:]
    under = base[y0:y1, x0:x1]
    under *= 1 - alpha
    under[..., :3] += np.minimum(over[..., :3], alpha)  # an overshoot of the filter is no colour
    under[..., 3:] += alpha


def _upright(piece: np.ndarray, laid: Laid) -> Image.Image:
    """The part of a sheet that is kept, premultiplied, mirrored and turned, with its centre in the middle of the image."""
    middle = len(piece) // 2  # sheets have an even number of pixels
    half = [min(middle, math.ceil(reach * len(piece))) for reach in laid.reach]
    image = Image.fromarray(piece, "RGBA").convert("RGBa")
    image = image.crop((middle - half[0], middle - half[1], middle + half[0], middle + half[1]))
    if laid.flip:
        image = ImageOps.mirror(image)
    if laid.turn % 360:
        more = math.ceil(max(half) * (spread(laid.turn) - 1)) + 1
        image = image.crop((-more, -more, image.width + more, image.height + more))
        image = image.rotate(-laid.turn, Image.Resampling.BICUBIC)  # Pillow turns the other way round
    return image


def cleared(piece: np.ndarray) -> np.ndarray:
    """A painted sheet [S, S, 4] with its alpha stretched, so that FAINT of it is none and 1 − FAINT all.

    Where the model is in doubt whether a thing reaches it leaves a haze, which shows on a ground that it was not painted with.
    """
    alpha = piece[..., 3].astype(np.float32) / 255
    out = piece.copy()
    out[..., 3] = (((alpha - FAINT) / (1 - 2 * FAINT)).clip(0, 1) * 255).round()
    return out
