"""The drawn things: 1,369 concepts, each in the five styles of `scene.STYLES`, with names in English and Chinese.

The packs in `world/data` are written by scripts/build_art.py; sources and licences are in data/ATTRIBUTION.md.
"""

from __future__ import annotations

import functools
import json
import lzma
from dataclasses import dataclass
from typing import Any, Literal

from sayso.errors import Unknown
from sayso.paths import WORLD_DATA
from sayso.world.scene import STYLES


@dataclass(frozen=True)
class Concept:
    """`en[0]`, `zh[0]`: the names used in captions, unique among all concepts; the rest name the same thing as safely.

    `keywords_*`: looser words for search only. `form`: how the English name behaves: "c" countable ("a fox"), "p" plural
    by itself ("glasses"), "m" mass ("popcorn").
    """

    slug: str
    char: str
    en: tuple[str, ...]
    zh: tuple[str, ...]
    group: str
    subgroup: str
    keywords_en: tuple[str, ...]
    keywords_zh: tuple[str, ...]
    form: Literal["c", "p", "m"]
    core: bool


@dataclass(frozen=True)
class Art:
    """`body`: SVG elements without the root; `width`, `height`: its view box from 0, 0.

    Ids and references to them carry the placeholder "@@", to be replaced by a prefix of one's own for every copy placed
    in a document. The ink of the "line" style is `currentColor`.
    """

    body: str
    width: float
    height: float


@functools.cache
def concepts() -> tuple[Concept, ...]:
    """All concepts: the core in its order (most everyday first), then others named by hand, then Unicode order."""
    rows: list[dict[str, Any]] = json.loads((WORLD_DATA / "concepts.json").read_text(encoding="utf-8"))
    lists = ("en", "zh", "keywords_en", "keywords_zh")
    frozen: list[dict[str, Any]] = [{k: tuple(v) if k in lists else v for k, v in row.items()} for row in rows]
    return tuple(Concept(**row) for row in frozen)


@functools.cache
def _by_slug() -> dict[str, Concept]:
    return {c.slug: c for c in concepts()}


def concept(slug: str) -> Concept:
    """The concept of that slug. Raises Unknown with the nearest slug."""
    if slug not in _by_slug():
        raise Unknown("concept", slug, tuple(_by_slug()))
    return _by_slug()[slug]


@functools.cache
def names() -> dict[str, Concept]:
    """Every English and Chinese name and synonym in lower case, and every character → its concept."""
    table = {c.char: c for c in concepts()}
    for c in concepts():
        table.update(dict.fromkeys((n.lower() for n in c.en + c.zh), c))
    return table


def find(text: str, limit: int = 10) -> list[Concept]:
    """Concepts that answer to `text` in either language, best first: same name, name begins so, holds the word, keyword."""
    wanted = text.strip().lower()
    if not wanted:
        return []
    scored = []
    for index, c in enumerate(concepts()):
        score = _score(c, wanted)
        if score is not None:
            scored.append((score, index, c))
    return [c for _, _, c in sorted(scored, key=lambda entry: entry[:2])[:limit]]


def _score(c: Concept, wanted: str) -> int | None:
    own = [n.lower() for n in c.en + c.zh]
    keys = [k.lower() for k in c.keywords_en + c.keywords_zh]
    if wanted == c.char or wanted == c.slug or wanted in own:
        return 0 if wanted in (own[0], c.zh[0].lower(), c.char) else 1
    tests = (
        any(n.startswith(wanted) for n in own),
        any(wanted in n.split() for n in own),
        wanted in keys,
        any(wanted in n for n in own),
        any(wanted in k.split() for k in keys),
    )
    return next((i + 2 for i, hit in enumerate(tests) if hit), None)


@functools.cache
def _pack(style: str) -> dict[str, list[object]]:
    if style not in STYLES:
        raise Unknown("style", style, STYLES)
    pack: dict[str, list[object]] = json.loads(lzma.decompress((WORLD_DATA / f"{style}.xz").read_bytes()))
    return pack


@functools.lru_cache(maxsize=4096)
def art(slug: str, style: str) -> Art:
    """The drawing of a concept in a style. Raises Unknown for either. The first call for a style unpacks its pack."""
    body, width, height = _pack(style)[concept(slug).slug]
    assert isinstance(body, str) and isinstance(width, int | float) and isinstance(height, int | float)
    return Art(body, float(width), float(height))


CORE: tuple[str, ...] = tuple(c.slug for c in concepts() if c.core)
"""About 400 distinct everyday concepts, most everyday first; the small worlds take a prefix of it."""

WEARABLE_HATS: tuple[str, ...] = ("top-hat", "crown", "graduation-cap", "baseball-cap", "sun-hat", "military-helmet", "rescue-helmet")
"""What sits on a head."""

WEARABLE_EYES: tuple[str, ...] = ("glasses", "sunglasses", "goggles")
"""What sits before the eyes."""

WEARERS: tuple[str, ...] = (
    "fox", "panda", "lion", "penguin", "owl", "frog", "wolf", "bear", "koala", "tiger-head", "hamster",
    "chicken", "robot", "alien", "snowman", "teddy-bear", "grinning-face", "crying-face", "angry-face", "baby", "skull",
)
"""Creatures whose head fills the upper or middle part of the art in all five styles, so that hats and glasses fit them."""

CREATURES: tuple[str, ...] = tuple(
    c.slug for c in concepts() if c.core and c.subgroup.startswith(("animal-mammal", "animal-bird", "animal-amphibian", "animal-reptile"))
) + ("octopus", "crab", "robot", "alien", "ghost", "snowman", "teddy-bear", "baby", "princess", "santa-claus", "ninja")
"""What may hold something or act as somebody."""

HOLDABLE: tuple[str, ...] = (
    "balloon", "umbrella", "key", "book", "rose", "tulip", "sunflower", "bouquet", "ice-cream-cone", "lollipop", "carrot", "banana",
    "apple", "cookie", "doughnut", "candle", "coffee-cup", "gift", "bell", "light-bulb", "scissors", "hammer", "axe", "wrench",
    "pencil", "paintbrush", "magnifying-glass", "flashlight", "microphone", "trumpet", "kite", "trophy", "star", "heart", "broom",
    "magic-wand", "ping-pong-paddle", "badminton-racket", "paper-lantern", "bubble-tea", "beer-mug", "spoon", "envelope", "camera",
)
"""Small things a creature can hold."""

SUPPORTS: tuple[str, ...] = (
    "chair", "bed", "couch", "cardboard-box", "log", "rock", "skateboard", "sled", "stack-of-books", "suitcase", "drum", "gift",
    "laptop", "television", "brick-wall", "toolbox", "briefcase",
)
"""What other things can stand on."""

CONTAINERS: tuple[str, ...] = (
    "basket", "bucket", "cardboard-box", "bathtub", "shopping-cart", "wastebasket", "window", "mirror", "television", "tent", "house",
    "castle", "crystal-ball", "heart", "star", "open-book",
)
"""What other things can be drawn inside of: at their centre, smaller."""
