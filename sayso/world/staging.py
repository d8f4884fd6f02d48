"""Backgrounds and words for sampled scenes, chosen so that what stands on a background can be seen on it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

from sayso.paths import WORLD_DATA
from sayso.world.colours import COLOURS
from sayso.world.contrast import all_apart
from sayso.world.pools import Pools
from sayso.world.scene import BACKDROP_VARIANTS, BACKDROPS, PATTERNS, Background
from sayso.world.splits import word_held_out

INK = "#222222"
_NAMED = tuple(c.hex for c in COLOURS)
_WHITE = "#ffffff"


@cache
def _main_colours() -> dict[tuple[str, int], tuple[str, ...]]:
    lines = (WORLD_DATA / "backdrop_colours.txt").read_text(encoding="utf-8").splitlines()
    return {(name, int(variant)): tuple(hexes) for name, variant, *hexes in (line.split() for line in lines)}


def main_colours(name: str, variant: int) -> tuple[str, ...]:
    """The colours that cover most of a backdrop, as measured on its exact render (tests/test_sampler.py measures again)."""
    return _main_colours()[name, variant]


def shown_by(ground: Background) -> tuple[str, ...]:
    """The colours that cover most of a background; none where it is transparent."""
    if ground.kind == "backdrop":
        return main_colours(ground.name, ground.variant)
    if ground.kind != "gradient":
        return ground.colours
    a, b = ground.colours
    return a, b, "#" + "".join(f"{(int(a[k:k + 2], 16) + int(b[k:k + 2], 16)) // 2:02x}" for k in (1, 3, 5))


def free_colour(rng: random.Random, vivid: bool = False) -> str:
    """Any "#rrggbb"; `vivid`: neither near white nor near black nor near grey."""
    while True:
        value = int(rng.random() * 0x1000000)
        if not vivid:
            return f"#{value:06x}"
        parts = (value >> 16, value >> 8 & 255, value & 255)
        if max(parts) >= 90 and min(parts) <= 200 and max(parts) - min(parts) >= 70:
            return f"#{value:06x}"


def _draw_background(rng: random.Random, at: float) -> tuple[Background, tuple[str, ...]]:
    """A background of the kind that `at` in [0, 1) falls on, and the colours it shows."""
    if at < 0.45:
        ground = rng.choice(_NAMED) if rng.random() < 0.85 else _WHITE
        return Background("solid", (ground,)), (ground,)
    if at < 0.60:
        ground = free_colour(rng)
        return Background("solid", (ground,)), (ground,)
    if at < 0.70:
        a, b = rng.sample(_NAMED, 2)
        made = Background("gradient", (a, b), angle=rng.choice((0, 45, 90, 135)))
        return made, shown_by(made)
    if at < 0.78:
        a, b = rng.sample(_NAMED, 2)
        return Background("pattern", (a, b), rng.choice(PATTERNS)), (a, b)
    if at < 0.90:
        name, variant = rng.choice(BACKDROPS), int(rng.random() * BACKDROP_VARIANTS)
        return Background("backdrop", name=name, variant=variant), main_colours(name, variant)
    return Background("transparent"), ()


def pick_background(rng: random.Random, inks: tuple[str, ...], lettered: bool = False) -> tuple[Background, tuple[str, ...]]:
    """A background on which each of the inks can be seen (`contrast.APART` from every colour it shows), and those colours.

    `lettered`: some named colour must be apart from them too. After many tries: any named ground that will do, and where
    the inks leave none, transparency.
    """
    at = rng.random()
    for attempt in range(24):
        background, shown = _draw_background(rng, at if attempt < 12 else rng.random() * 0.6)
        if all_apart(inks, shown) and (not lettered or len(shown) <= 1 or any(all_apart((c,), shown) for c in _NAMED)):
            return background, shown
    fits = [ground for ground in _NAMED if all_apart(inks, (ground,))]
    if not fits:
        return Background("transparent"), ()
    ground = rng.choice(fits)
    return Background("solid", (ground,)), (ground,)


def letter_colour(rng: random.Random, shown: Sequence[str]) -> str:
    """A named colour that can be read on all the colours shown (pick_background saw to it that there is one)."""
    return rng.choice(_readable(tuple(shown)))


@cache
def _readable_named() -> dict[str, tuple[str, ...]]:
    return {ground: tuple(c for c in _NAMED if all_apart((c,), (ground,))) for ground in _NAMED}


def _readable(shown: tuple[str, ...]) -> tuple[str, ...]:
    if len(shown) == 1 and shown[0] in _readable_named():
        return _readable_named()[shown[0]]
    return tuple(c for c in _NAMED if all_apart((c,), shown)) or (INK,)


def pick_text(rng: random.Random, pools: Pools, held: bool) -> tuple[str, str]:
    """(text, font): an English word or two, a number, or one to four Chinese characters; all held out, or none is."""
    while True:
        r = rng.random()
        if pools.chinese_fonts and (r < 0.3 or not pools.latin_fonts):
            font = rng.choice(pools.chinese_fonts)
            known = pools.chinese[font][held]
            if known and rng.random() < 0.75:
                return rng.choice(known), font
            text = "".join(rng.choice(pools.hanzi[font]) for _ in range(1 + int(4 * rng.random() ** 1.5)))
        elif r < 0.37:
            font, text = rng.choice(pools.latin_fonts), str(int(10 ** (4 * rng.random())))
        else:
            font, text = rng.choice(pools.latin_fonts), rng.choice(pools.english[held])
            if r > 0.9 and len(text) <= 6:
                text += " " + rng.choice(pools.english[held])
                if len(text) > 11:
                    continue
            case = rng.random()
            text = text if case < 0.4 else text.title() if case < 0.65 else text.upper()
        if all(word_held_out(word) == held for word in text.split()):
            return text, font
