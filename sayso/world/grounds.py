"""What a plan says of every patch of its canvas: which things reach into it, which part of them, and what lies behind.

A model that is told this has nothing left to guess about where things go; its own plan tells it (GLIGEN, Li et al. 2023, grounds
a diffusion model in boxes in the same spirit, through attention instead of patch by patch). Things are items, single characters of
lettering, or a solid in one of its poses. A patch is told of the THINGS ones that cover most of it (of equals, those above), the
uppermost first.

Of lettering it is told its shape too, set in type by the font: how much of each of INK × INK parts of a patch it covers. So the model
paints characters that it has never met, as models do that are given the glyphs as a picture (GlyphControl, Yang et al. 2023; AnyText,
Tuo et al. 2023).

Axes: B plans, T patches, K = THINGS, F = len of a thing's measures, G = len of the measures of what lies behind.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sayso.types import Plan
from sayso.world import fonts, looks
from sayso.world.layout import frame, spread
from sayso.world.motion import Motion
from sayso.world.plan import scene_of
from sayso.world.render import GLYPH_BOX, glyph_sprite
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, BACKGROUND_KINDS, PATTERNS, STYLES, Background, Scene
from sayso.world.sheets import characters as characters_of

THINGS = 3
INK = 8  # parts along a side of a patch
NOTHING, STRANGER = 0, 1  # kinds of things: none, and one the model was not trained on
MANNERS = STYLES + fonts.FONTS  # how a thing is drawn: an item's style, a character's font
FIRST_FONT = len(STYLES)
_WAVES = np.array((1.0, 2.0, 4.0, 8.0)) * np.pi
_FINE = np.array((16.0, 32.0)) * np.pi  # an item of 32 pixels has detail of up to 16 waves; without these, moved things are blurred
MEASURES = 6 * len(_WAVES) + 1 + 3 + 4 + 1 + 4 * len(_FINE) + 4
BEHIND = len(BACKGROUND_KINDS) + len(PATTERNS) + len(BACKDROPS) + BACKDROP_VARIANTS + 8 + len(looks.NAMES) + 4 * len(_WAVES)
_NAMES = PATTERNS + BACKDROPS
KIND = slice(0, len(BACKGROUND_KINDS))  # parts of what is said of the background, in this order
NAME = slice(KIND.stop, KIND.stop + len(_NAMES))
VARIANT = slice(NAME.stop, NAME.stop + BACKDROP_VARIANTS)
COLOURS = slice(VARIANT.stop, VARIANT.stop + 6)  # two colours in −1..1


@dataclass(frozen=True)
class Known:
    """The things a model can be told of by name: concepts by slug and characters, in the order of its table."""

    concepts: tuple[str, ...]
    characters: str

    @property
    def count(self) -> int:
        """Rows of the table: nothing, a stranger, the concepts, the characters."""
        return 2 + len(self.concepts) + len(self.characters)


@dataclass(frozen=True, eq=False)
class Grounds:
    """`what` int64 [B, T, K], rows of the table of things; `manner` int64 [B, T, K] of MANNERS; `measures` float32
    [B, T, K, F]; `behind` float32 [B, T, G]; `ink` float32 [B, T, INK²] in 0..1, row by row."""

    what: np.ndarray
    manner: np.ndarray
    measures: np.ndarray
    behind: np.ndarray
    ink: np.ndarray


@functools.cache
def characters() -> str:
    """Every character of the world's fonts."""
    return "".join(sorted(set().union(*(fonts.glyphs(font) for font in fonts.FONTS)) - {" "}))


def grounds(plans: Sequence[Plan], known: Known, rows: int, columns: int) -> Grounds:
    """The grounds of plans on rows × columns patches. Raises BadInput or Unknown where a plan describes no scene."""
    table = table_of(known)
    x, y = centres(rows, columns)
    scenes = [scene_of(p) for p in plans]
    made = [_of_scene(scene, table, rows, columns, x, y) for scene in scenes]
    what, manner, measures = (np.stack(part) for part in zip(*made, strict=True))
    behind = [_behind(scene.background, p.look, x, y) for scene, p in zip(scenes, plans, strict=True)]
    return Grounds(what, manner, measures, np.stack(behind), np.stack([_ink(scene, rows, columns) for scene in scenes]))


def posed(poses: Sequence[Motion], known: Known, rows: int, columns: int) -> Grounds:
    """The grounds of solids in their poses: one thing as large as the canvas, in a second colour beside its tint, before a background."""
    x, y = centres(rows, columns)
    T, B = rows * columns, len(poses)
    what, manner = np.zeros((B, T, THINGS), np.int64), np.zeros((B, T, THINGS), np.int64)
    measured, behind = np.zeros((B, T, THINGS, MEASURES), np.float32), []
    first = np.zeros(T, np.int64)
    for b, pose in enumerate(poses):
        what[b, :, 0] = known.count + pose.pose
        middle = columns / min(rows, columns) / 2, rows / min(rows, columns) / 2
        thing = np.array([(*middle, 1.0, 0.5, 0.5, 0.0, 1.0, 1.0, *_rgb(pose.colour))]).repeat(T, 0)
        measured[b, :, 0] = _measures(thing, x, y, min(rows, columns), first)
        measured[b, :, 0, -4:] = _rgb(pose.second)
        behind.append(_behind(Background("solid", (pose.background,)) if pose.background else Background("transparent"), "", x, y))
    return Grounds(what, manner, measured, np.stack(behind), np.zeros((B, T, INK * INK), np.float32))


class Table:
    """Rows of the table of things by name."""

    def __init__(self, known: Known):
        self.concepts = {slug: 2 + i for i, slug in enumerate(known.concepts)}
        self.characters = {c: 2 + len(known.concepts) + i for i, c in enumerate(known.characters)}


@functools.cache
def table_of(known: Known) -> Table:
    return Table(known)


def centres(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of the patches' centres [T] in shorter sides of the canvas."""
    short = min(rows, columns)
    y, x = np.meshgrid((np.arange(rows) + 0.5) / short, (np.arange(columns) + 0.5) / short, indexing="ij")
    return x.ravel(), y.ravel()


def listed(scene: Scene, table: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The scene's things in the order they are drawn: (what [N], manner [N], [N, 12]).

    The twelve: centre x, y, side, upright reach across and down (halves), sine and cosine of the turn, facing, whether tinted, tint.
    """
    w, h = frame(scene.width, scene.height)
    what, manner, rest = [], [], []
    for item in scene.items:
        turn, half = np.deg2rad(item.turn), item.size * spread(item.turn) / 2
        what.append(table.concepts.get(item.concept, STRANGER))
        manner.append(MANNERS.index(item.style))
        facing = -1.0 if item.flip else 1.0
        rest.append((item.x * w, item.y * h, item.size, half, half, np.sin(turn), np.cos(turn), facing, *_rgb(item.tint)))
    for line in scene.lettering:
        em = line.height
        for char, away, wide in characters_of(line):
            what.append(table.characters.get(char, STRANGER))
            manner.append(MANNERS.index(line.font))
            rest.append((line.x * w + away * em, line.y * h, em, 0.6 * wide * em, 0.6 * em, 0.0, 1.0, 1.0, *_rgb(line.colour)))
    return np.array(what, np.int64), np.array(manner, np.int64), np.array(rest, np.float64).reshape(len(what), 12)


def _rgb(colour: str | None) -> tuple[float, float, float, float]:
    """(whether there is one, red, green, blue in −1..1)."""
    if colour is None:
        return 0.0, 0.0, 0.0, 0.0
    return 1.0, *(int(colour[i : i + 2], 16) / 127.5 - 1 for i in (1, 3, 5))  # type: ignore[return-value]


def _of_scene(
    scene: Scene, table: Table, rows: int, columns: int, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """what [T, K], manner [T, K], measures [T, K, F] of one scene."""
    T, K = rows * columns, THINGS
    what, manner = np.zeros((T, K), np.int64), np.zeros((T, K), np.int64)
    measures = np.zeros((T, K, MEASURES), np.float32)
    kinds, manners, things = listed(scene, table)
    N = len(kinds)
    if not N:
        return what, manner, measures
    half = 0.5 / min(rows, columns)
    cx, cy, across, down = (things[:, i, None] for i in (0, 1, 3, 4))
    wide = np.minimum(x + half, cx + across) - np.maximum(x - half, cx - across)  # [N, T]
    high = np.minimum(y + half, cy + down) - np.maximum(y - half, cy - down)
    cover = np.where((wide > 1e-6) & (high > 1e-6), wide * high, 0.0)
    # The K that cover most, then the uppermost first; things that do not reach into the patch count as beneath all.
    most = N - 1 - np.argsort(-cover[::-1], axis=0, kind="stable")[:K]
    reach = np.take_along_axis(cover, most, 0) > 0
    most = np.where(reach, most, -1)
    most = -np.sort(-most, axis=0)
    nth, patch = np.nonzero(most >= 0)
    thing = most[nth, patch]
    what[patch, nth], manner[patch, nth] = kinds[thing], manners[thing]
    measures[patch, nth] = _measures(things[thing], x[patch], y[patch], min(rows, columns), nth)
    return what, manner, measures


def _measures(things: np.ndarray, x: np.ndarray, y: np.ndarray, parts: int, nth: np.ndarray) -> np.ndarray:
    """[M, F]: which part of each thing [M, 12] lies at x, y [M], how large it is in patches, its facing, turn and tint."""
    side, sine, cosine, facing = things[:, 2], things[:, 5], things[:, 6], things[:, 7]
    du, dv = (x - things[:, 0]) / side, (y - things[:, 1]) / side
    u, v = facing * (cosine * du + sine * dv), cosine * dv - sine * du
    large = np.log2(np.maximum(side * parts, 0.05))
    return np.concatenate(
        (_waves(u), _waves(v), large[:, None], _waves(large), np.stack((facing, sine, cosine), 1), things[:, 8:],
         (nth == 0)[:, None], _waves(u, _FINE), _waves(v, _FINE), np.zeros((len(u), 4))), axis=1)


def _waves(x: np.ndarray, waves: np.ndarray = _WAVES) -> np.ndarray:
    """[M] → [M, 2 · len(waves)]: sines, then cosines."""
    angles = np.clip(x, -2, 4)[:, None] * waves
    return np.concatenate((np.sin(angles), np.cos(angles)), axis=1)


def sort_of(background: Background) -> np.ndarray:
    """KIND, NAME, VARIANT and COLOURS of a background [COLOURS.stop]: ones and zeros, then colours; zero where there are none."""
    sort = np.zeros(COLOURS.stop, np.float32)
    sort[KIND.start + BACKGROUND_KINDS.index(background.kind)] = 1
    if background.name:
        sort[NAME.start + _NAMES.index(background.name)] = 1
    if background.kind == "backdrop":
        sort[VARIANT.start + background.variant] = 1
    for k, colour in enumerate(background.colours[:2]):
        sort[COLOURS.start + 3 * k : COLOURS.start + 3 * k + 3] = _rgb(colour)[1:]
    return sort


def _ink(scene: Scene, rows: int, columns: int) -> np.ndarray:
    """[T, INK²]: how much of each part of each patch the scene's lettering covers."""
    high, wide = rows * INK, columns * INK
    short = min(high, wide)
    across, down = frame(scene.width, scene.height)
    page = np.zeros((high, wide), np.float32)
    for line in scene.lettering:
        for char, away, _ in characters_of(line):
            side = GLYPH_BOX * line.height * short
            left, top = (line.x * across + away * line.height) * short - side / 2, line.y * down * short - side / 2
            _print(page, _glyph(line.font, char, side), left, top, side)
    return page.reshape(rows, INK, columns, INK).transpose(0, 2, 1, 3).reshape(rows * columns, INK * INK)


_SPRITES = (12, 24, 48, 96, 192)  # parts along the square of a glyph


def _glyph(font: str, char: str, side: float) -> np.ndarray:
    return _coverage(font, char, next((px for px in _SPRITES if px >= side), _SPRITES[-1]))


@functools.lru_cache(4096)
def _coverage(font: str, char: str, px: int) -> np.ndarray:
    """A glyph in its square, float32 [px + 2, px + 2] with an empty rim. Of a character that the font lacks nothing is known."""
    if not fonts.covers(font, char):
        return np.zeros((px + 2, px + 2), np.float32)
    return np.pad(glyph_sprite(font, char, px).astype(np.float32) / 255, 1)


def _print(page: np.ndarray, glyph: np.ndarray, left: float, top: float, side: float) -> None:
    """Lays a glyph's square of `side` parts over the page in place, by the nearest four of its parts."""
    high, wide = page.shape
    x0, x1 = max(0, int(np.floor(left))), min(wide, int(np.ceil(left + side)))
    y0, y1 = max(0, int(np.floor(top))), min(high, int(np.ceil(top + side)))
    if x0 >= x1 or y0 >= y1:
        return
    px = len(glyph) - 2
    u, v = ((np.arange(a, b) + 0.5 - start) / side * px + 0.5 for a, b, start in ((x0, x1, left), (y0, y1, top)))
    u, v = u.clip(0, px + 0.999), v.clip(0, px + 0.999)
    i, j = u.astype(int), v.astype(int)
    fu, fv = (u - i)[None, :], (v - j)[:, None]
    upper = glyph[j][:, i] * (1 - fu) + glyph[j][:, i + 1] * fu
    lower = glyph[j + 1][:, i] * (1 - fu) + glyph[j + 1][:, i + 1] * fu
    page[y0:y1, x0:x1] = np.maximum(page[y0:y1, x0:x1], upper * (1 - fv) + lower * fv)


def _behind(background: Background, look: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """[T, G]: the background and the look, the same for every patch, and the patch's place."""
    sort = np.zeros(BEHIND - 4 * len(_WAVES), np.float32)
    at = COLOURS.stop
    sort[:at] = sort_of(background)
    if background.kind == "gradient":
        sort[at : at + 2] = np.sin(np.deg2rad(background.angle)), np.cos(np.deg2rad(background.angle))
    at += 2
    if look:
        sort[at + looks.NAMES.index(look)] = 1
    return np.concatenate((np.broadcast_to(sort, (len(x), len(sort))), _waves(x), _waves(y)), axis=1).astype(np.float32)
