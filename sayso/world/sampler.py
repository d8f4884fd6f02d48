"""Random scenes of the drawn world: a pure function of a `random.Random` and a `WorldSpec`.

For the split "train" no scene holds a held-out composition (`splits.held_out` is False). For "held-out" the composition
that the kind tests is held out: the first pair of different concepts (pair, several, relation, grid, crowd), the
concept with its count (count), every tint (colours), every word (lettering). A lone untinted item ("single") composes
nothing, so that kind is the same in both splits.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from typing import Literal, cast

from sayso.errors import BadInput, Unknown
from sayso.world import art, fonts
from sayso.world.contrast import all_apart
from sayso.world.layout import Spot, cells, direction, frame, jittered, place_in, row, scattered, snapped, spread
from sayso.world.pools import Pools
from sayso.world.scene import STYLES, Item, Lettering, Relation, Scene, Style
from sayso.world.splits import colour_held_out, count_held_out
from sayso.world.staging import INK, free_colour, letter_colour, pick_background, pick_text

KINDS = ("single", "pair", "several", "count", "colours", "relation", "grid", "lettering", "crowd")
COVERING = ("inside", "on", "wearing", "holding")
Aspects = tuple[tuple[tuple[int, int], float], ...]
Split = Literal["train", "held-out"]


@dataclass(frozen=True)
class WorldSpec:
    """A world to sample from. `kinds`: (name of KINDS, weight). `aspects`: ((width, height) of the design size, weight).
    `snap`: lay the boxes of upright items on lines so many to the canvas's shorter side, 0 = anywhere (`layout.snapped`).

    Raises Unknown or BadInput for what it cannot sample from.
    """

    concepts: tuple[str, ...]
    styles: tuple[str, ...]
    fonts: tuple[str, ...]
    kinds: tuple[tuple[str, float], ...]
    aspects: Aspects
    split: Split = "train"
    snap: int = 0

    def __post_init__(self) -> None:
        for what, values, known in (("style", self.styles, STYLES), ("task kind", tuple(k for k, _ in self.kinds), KINDS),
                                    ("font", self.fonts, fonts.FONTS), ("split", (self.split,), ("train", "held-out"))):
            if not values:
                raise BadInput(f"a world needs at least one {what}; known: " + ", ".join(known))
            for value in values:
                if value not in known:
                    raise Unknown(what, value, known)
        if not self.concepts or not self.aspects:
            raise BadInput("a world needs at least one concept and one aspect; art.CORE and ((256, 256), 1.0) are usual")
        for slug in self.concepts:
            art.concept(slug)

    @cached_property
    def pools(self) -> Pools:
        return Pools(self.concepts, self.fonts)

    @cached_property
    def steps(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Cumulative weights of kinds and aspects, each ending at 1."""
        sums = [list(accumulate(w for _, w in table)) for table in (self.kinds, self.aspects)]
        return tuple(x / sums[0][-1] for x in sums[0]), tuple(x / sums[1][-1] for x in sums[1])

    @property
    def held(self) -> bool:
        return self.split == "held-out"

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k not in ("pools", "steps")}


@dataclass
class Draft:
    """What a kind decides: which concepts (positions in spec.concepts) stand where. `tints`: per item, None = by chance.

    `alike`: all items share style and tint. `upright`: no turns (their contact or their raster would suffer).
    """

    who: list[int]
    spots: list[Spot]
    relations: list[Relation] = field(default_factory=list)
    tints: list[str] | None = None
    alike: bool = False
    upright: bool = False
    grid: tuple[int, int] | None = None
    lettering: list[tuple[str, str, float, float, float]] = field(default_factory=list)  # text, font, u, v, em


def _area(w: float, h: float, margin: float = 0.03) -> tuple[float, float, float, float]:
    return margin, margin, w - margin, h - margin


def _single(rng: random.Random, spec: WorldSpec, w: float, h: float) -> Draft | None:
    who = int(rng.random() * len(spec.concepts))
    if rng.random() < 0.35:
        return Draft([who], [(w / 2, h / 2, 0.5 + 0.4 * rng.random())])
    return Draft([who], [place_in(rng, (0.02, 0.02, w - 0.02, h - 0.02), 0.5, 0.92)])


def _pair(rng: random.Random, spec: WorldSpec, w: float, h: float) -> Draft | None:
    who = spec.pools.together(rng, 2, spec.held)
    if who is None:
        return None
    spots = _two(rng, w, h)
    towards = direction(spots[0], spots[1])
    return Draft(who, spots, [Relation(towards, 0, (1,))]) if towards else None


def _two(rng: random.Random, w: float, h: float) -> list[Spot]:
    """Two spots side by side or one above the other, each in its half, in random order."""
    x0, y0, x1, y1 = _area(w, h, 0.02)
    sideways = rng.random() < (0.5 if w == h else 0.75 if w > h else 0.25)
    halves = cells(1, 2, (x0, y0, x1, y1)) if sideways else cells(2, 1, (x0, y0, x1, y1))
    spots = [place_in(rng, half, 0.7, 0.98) for half in halves]
    # Keep them near one line, so that the direction between them is plain.
    if sideways:
        line = spots[0][1]
        spots[1] = (spots[1][0], min(max(line + 0.12 * (rng.random() - 0.5), y0 + spots[1][2] / 2), y1 - spots[1][2] / 2), spots[1][2])
    else:
        line = spots[0][0]
        spots[1] = (min(max(line + 0.12 * (rng.random() - 0.5), x0 + spots[1][2] / 2), x1 - spots[1][2] / 2), spots[1][1], spots[1][2])
    if rng.random() < 0.5:
        spots.reverse()
    return spots


def _several(rng: random.Random, spec: WorldSpec, w: float, h: float) -> Draft | None:
    n = rng.choices((3, 4, 5, 6), (0.4, 0.3, 0.18, 0.12))[0]
    who = spec.pools.together(rng, n, spec.held)
    if who is None:
        return None
    spots = scattered(rng, n, _area(w, h), 0.95 / n**0.5 - 0.22, 0.95 / n**0.5 - 0.08) if rng.random() < 0.4 else None
    spots = spots or jittered(rng, n, _area(w, h))
    return Draft(who, spots, _some_relations(rng, spots))


def _some_relations(rng: random.Random, spots: list[Spot]) -> list[Relation]:
    """Up to two plain directions between items, no item the subject twice."""
    out: list[Relation] = []
    for _ in range(6):
        a, b = rng.sample(range(len(spots)), 2)
        towards = direction(spots[a], spots[b])
        if towards and all(a != r.subject and {a, b} != {r.subject, *r.objects} for r in out):
            out.append(Relation(towards, a, (b,)))
            if len(out) == 2 or rng.random() < 0.4:
                break
    return out


def _count(rng: random.Random, spec: WorldSpec, w: float, h: float) -> Draft | None:
    n = rng.choices((2, 3, 4, 5, 6, 7, 8, 9, 10), (0.28, 0.26, 0.18, 0.11, 0.07, 0.035, 0.025, 0.02, 0.02))[0]
    who = int(rng.random() * len(spec.concepts))
    if count_held_out(spec.concepts[who], n) != spec.held:
        return None
    if rng.random() < (0.35 if n <= 4 else 0.08):
        spots = row(rng, n, _area(w, h), upright=rng.random() < (0.25 if w >= h else 0.75))
    else:
        spots = jittered(rng, n, _area(w, h), (0.8, 0.95))
        same = min(s for _, _, s in spots)
        spots = [(u, v, min(s, 1.12 * same)) for u, v, s in spots]
    return Draft([who] * n, spots, alike=True)


def _colours(rng: random.Random, spec: WorldSpec, w: float, h: float) -> Draft | None:
    n = rng.choices((1, 2, 3), (0.4, 0.5, 0.1))[0]
    held = spec.held
    pools = spec.pools
    if n > 1 and not held and rng.random() < 0.12:  # one concept in several colours
        who: list[int] | None = [int(rng.random() * len(spec.concepts))] * n
        if count_held_out(spec.concepts[who[0]] if who else "", n):
            return None
    else:
        who = pools.together(rng, n, False)
    if who is None:
        return None
    tints: list[str] = []
    for i in who:
        free = [c for c in pools.colours(i, held) if c not in tints and all_apart((c,), tuple(tints))]
        if not free:
            return None
        tints.append(rng.choice(free))
    if n == 1:
        one = _single(rng, spec, w, h)
        return Draft(who, one.spots, tints=tints) if one else None
    if n == 2:
        spots = _two(rng, w, h)
        towards = direction(spots[0], spots[1])
        return Draft(who, spots, [Relation(towards, 0, (1,))] if towards else [], tints)
    return Draft(who, jittered(rng, 3, _area(w, h)), tints=tints)


def _relation(rng: random.Random, spec: WorldSpec, w: float, h: float) -> Draft | None:
    kind = rng.choices(("between", "inside", "on", "wearing", "holding"), (0.3, 0.12, 0.26, 0.16, 0.16))[0]
    if kind == "between":
        return _between(rng, spec, w, h)
    roles = spec.pools.roles
    eyes = kind == "wearing" and rng.random() < 0.35
    firsts = {"inside": "containers", "on": "supports", "wearing": "wearers", "holding": "creatures"}[kind]
    seconds = {"wearing": "eyes" if eyes else "hats", "holding": "holdable"}.get(kind)
    bases, others = roles[firsts], roles[seconds] if seconds else range(len(spec.concepts))
    if not bases or not others:
        return None
    base, other = rng.choice(bases), rng.choice(others)
    if base == other or bool(spec.pools.kept_from(base) >> other & 1) != spec.held:
        return None
    spots = _contact(rng, kind, eyes, w, h)
    subject = 0 if kind in ("wearing", "holding") else 1
    return Draft([base, other], spots, [Relation(kind, subject, (1 - subject,))], upright=True)


def _contact(rng: random.Random, kind: str, eyes: bool, w: float, h: float) -> list[Spot]:
    """Spots of the lower-lying item (wearer, holder, support, container) and of the one drawn over it."""
    r = rng.random
    if kind == "inside":
        big = 0.72 + 0.22 * r()
        parts = [(0.0, 0.0, 1.0), (0.0, 0.04 + 0.04 * r(), 0.4 + 0.12 * r())]
    elif kind == "on":
        big = 0.46 + 0.06 * r()
        small = 0.7 + 0.3 * r()
        parts = [(0.0, 0.0, 1.0), (0.2 * (r() - 0.5), -0.5 - small / 2 + 0.08 + 0.06 * r(), small)]
    elif kind == "wearing":
        big = 0.58 + 0.1 * r()
        lift, small = (-0.02 - 0.05 * r(), 0.56 + 0.08 * r()) if eyes else (-0.47 - 0.05 * r(), 0.5 + 0.08 * r())
        parts = [(0.0, 0.0, 1.0), (0.0, lift, small)]
    else:
        big = 0.58 + 0.08 * r()
        small, side = 0.38 + 0.1 * r(), -1 if r() < 0.5 else 1
        parts = [(0.0, 0.0, 1.0), (side * (0.44 + 0.08 * r()), 0.08 + 0.14 * r(), small)]
    x0, x1 = min(u - s / 2 for u, _, s in parts), max(u + s / 2 for u, _, s in parts)
    y0, y1 = min(v - s / 2 for _, v, s in parts), max(v + s / 2 for _, v, s in parts)
    big = min(big, 0.96 * w / (x1 - x0), 0.96 * h / (y1 - y0))
    left = 0.02 + (w - 0.04 - big * (x1 - x0)) * (0.5 + 0.8 * (r() - 0.5))
    top = 0.02 + (h - 0.04 - big * (y1 - y0)) * (0.5 + 0.8 * (r() - 0.5))
    return [(left + big * (u - x0), top + big * (v - y0), big * s) for u, v, s in parts]


def _between(rng: random.Random, spec: WorldSpec, w: float, h: float) -> Draft | None:
    who = spec.pools.together(rng, 3, spec.held)
    if who is None:
        return None
    if not spec.held and rng.random() < 0.25 and not count_held_out(spec.concepts[who[1]], 2):
        who[2] = who[1]  # between two of the same
    first, middle, last = row(rng, 3, _area(w, h, 0.02), upright=rng.random() < (0.3 if w >= h else 0.7))
    if rng.random() < 0.5:
        first, last = last, first
    return Draft(who, [middle, first, last], [Relation("between", 0, (1, 2))], alike=who[1] == who[2])


_GRIDS = (((2, 2), 0.26), ((2, 3), 0.12), ((3, 2), 0.12), ((3, 3), 0.18), ((3, 4), 0.06), ((4, 3), 0.06), ((4, 4), 0.16), ((1, 3), 0.02),
          ((2, 4), 0.02))


def _grid(rng: random.Random, spec: WorldSpec, w: float, h: float) -> Draft | None:
    rows, columns = rng.choices([g for g, _ in _GRIDS], [p for _, p in _GRIDS])[0]
    n = rows * columns
    distinct = n if rng.random() < 0.7 else 2 + int(rng.random() * 2)
    palette = spec.pools.together(rng, min(distinct, n), spec.held)
    if palette is None:
        return None
    who = palette if len(palette) == n else palette + [rng.choice(palette) for _ in range(n - len(palette))]
    rng.shuffle(who)
    if not _counts_free(spec, who):
        return None
    fill = 0.82 + 0.1 * rng.random()
    places = cells(rows, columns, _area(w, h, 0.02))
    size = fill * min(places[0][2] - places[0][0], places[0][3] - places[0][1])
    spots = [((x0 + x1) / 2, (y0 + y1) / 2, size) for x0, y0, x1, y1 in places]
    return Draft(who, spots, upright=True, grid=(rows, columns))


def _counts_free(spec: WorldSpec, who: list[int]) -> bool:
    """Training: whether no concept comes a held-out number of times."""
    if spec.held:
        return True
    return len(set(who)) == len(who) or not any(count_held_out(spec.concepts[i], who.count(i)) for i in set(who))


def _crowd(rng: random.Random, spec: WorldSpec, w: float, h: float) -> Draft | None:
    n = 7 + int(14 * rng.random() ** 1.3)
    palette = spec.pools.together(rng, n if rng.random() < 0.5 else max(2, int(n * (0.3 + 0.6 * rng.random()))), spec.held)
    if palette is None:
        return None
    who = palette + [rng.choice(palette) for _ in range(n - len(palette))]
    if not _counts_free(spec, who):
        return None
    return Draft(who, jittered(rng, n, _area(w, h, 0.02), (0.78, 0.97)))


def _lettering(rng: random.Random, spec: WorldSpec, w: float, h: float) -> Draft | None:
    text, font = pick_text(rng, spec.pools, spec.held)
    wide = spec.pools.text_width(font, text)
    n = rng.choices((0, 1, 2), (0.45, 0.4, 0.15))[0]
    tallest = 0.62 if n == 0 else 0.3
    em = min(tallest, 0.92 * w / wide) * (0.8 + 0.2 * rng.random())
    if em < 0.13:
        return None
    half = 0.62 * em  # a line keeps within 0.62 em of its middle
    u = wide * em / 2 + 0.03 + rng.random() * (w - wide * em - 0.06) if rng.random() < 0.5 else w / 2
    if n == 0:
        v = half + rng.random() * (h - 2 * half) if rng.random() < 0.6 else h / 2
        return Draft([], [], lettering=[(text, font, u, v, em)])
    who = spec.pools.together(rng, n, False)
    if who is None:
        return None
    over = rng.random() < 0.5
    v = half + 0.02 if over else h - half - 0.02
    room = (0.02, 2 * half + 0.03, w - 0.02, h - 0.02) if over else (0.02, 0.02, w - 0.02, h - 2 * half - 0.03)
    spots = [place_in(rng, room, 0.75, 0.97)] if n == 1 else jittered(rng, 2, room)
    return Draft(who, spots, lettering=[(text, font, u, v, em)])


_KINDS: dict[str, Callable[[random.Random, WorldSpec, float, float], Draft | None]] = {
    "single": _single, "pair": _pair, "several": _several, "count": _count, "colours": _colours, "relation": _relation,
    "grid": _grid, "lettering": _lettering, "crowd": _crowd,
}


def _tint(rng: random.Random, spec: WorldSpec, i: int) -> str:
    """A tint that the concept may wear in training: mostly an item colour, sometimes any clear hex."""
    if rng.random() < 0.15:
        hexed = free_colour(rng, vivid=True)
        if not colour_held_out(spec.concepts[i], hexed):
            return hexed
    return rng.choice(spec.pools.colours(i, False) or (INK,))


def _dress(rng: random.Random, spec: WorldSpec, draft: Draft, width: int, height: int) -> tuple[Item, ...]:
    """Style, tint, turn, flip and shadow for the drafted spots."""
    w, h = frame(width, height)
    r = rng.random
    styles = spec.styles
    style = rng.choice(styles)
    if style == "line" and any(r.kind in COVERING for r in draft.relations) and len(styles) > 1:
        style = rng.choice([s for s in styles if s != "line"])  # ink on ink cannot be seen
    mixed = not draft.alike and r() < 0.15
    common = _tint(rng, spec, draft.who[0]) if draft.alike and len(set(draft.who)) == 1 and r() < 0.12 else None
    shaded = r()
    items = []
    for k, (i, (u, v, size)) in enumerate(zip(draft.who, draft.spots)):
        own = rng.choice(styles) if mixed else style
        tint = draft.tints[k] if draft.tints else common if draft.alike else _tint(rng, spec, i) if r() < 0.12 else None
        turn = 0.0
        if not draft.upright and r() < 0.1:
            turn = float((8 + int(23 * r())) * (-1 if r() < 0.5 else 1))
            size /= spread(turn)
        shadow = not draft.upright and (shaded < 0.06 or r() < 0.045)
        x, y, size = round(u / w, 4), round(v / h, 4), round(size, 4)
        items.append(Item(spec.concepts[i], cast(Style, own), x, y, size, turn, r() < 0.12, tint, shadow))
    return tuple(items)


def _finish(rng: random.Random, spec: WorldSpec, draft: Draft, width: int, height: int) -> Scene:
    items = _dress(rng, spec, draft, width, height)
    inks = tuple({item.tint or INK for item in items if item.tint or item.style == "line"})
    background, shown = pick_background(rng, inks, lettered=bool(draft.lettering))
    w, h = frame(width, height)
    lettering = []
    for text, font, u, v, em in draft.lettering:
        lettering.append(Lettering(text, font, round(u / w, 4), round(v / h, 4), round(em, 4), letter_colour(rng, shown)))
    return Scene(width, height, background, items, tuple(lettering), tuple(draft.relations), draft.grid)


def sample_scene(rng: random.Random, spec: WorldSpec) -> Scene:
    """One scene. A kind whose draft cannot be made of this spec (too few concepts) gives way to "single"."""
    kinds, aspects = spec.steps
    kind = spec.kinds[min(bisect_right(kinds, rng.random()), len(kinds) - 1)][0]
    width, height = spec.aspects[min(bisect_right(aspects, rng.random()), len(aspects) - 1)][0]
    w, h = frame(width, height)
    make = _KINDS[kind]
    for _ in range(400):
        draft = make(rng, spec, w, h)
        if draft is not None:
            break
    else:
        draft = _single(rng, spec, w, h)
    assert draft is not None
    scene = _finish(rng, spec, draft, width, height)
    return snapped(scene, spec.snap) if spec.snap else scene


SQUARE: Aspects = (((256, 256), 1.0),)
FIRST_LIGHT = WorldSpec(
    concepts=art.CORE,
    styles=STYLES,
    fonts=fonts.FONTS,
    kinds=(("single", 0.22), ("pair", 0.22), ("several", 0.12), ("count", 0.10), ("colours", 0.16), ("relation", 0.05), ("grid", 0.04),
           ("lettering", 0.06), ("crowd", 0.03)),
    aspects=SQUARE,
)
"""The everyday core of the world in all styles, on square canvases."""


def default_mix(concepts: tuple[str, ...] = art.CORE, aspects: Aspects = SQUARE, split: Split = "train") -> WorldSpec:
    """FIRST_LIGHT with other concepts, aspects or split."""
    return replace(FIRST_LIGHT, concepts=concepts, aspects=aspects, split=split)
