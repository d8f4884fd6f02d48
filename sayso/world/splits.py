"""Which compositions are held out: kept from training, so that drawing them shows composition and not memory.

Four families, each decided by a keyed blake2b hash of the names alone, so that every machine and every run agrees:
two different concepts in one picture (8 %), a concept with a tint (10 %), a concept n >= 2 times (10 %), a word of
lettering (10 %). A scene is held out when it contains any held-out composition; the pair rule looks at all pairs of
different concepts however many items there are. Uniformly drawn crowds would nearly all be held out that way, so the
training sampler builds its scenes from concepts that go together instead of rejecting whole scenes; in return
the claim is as strong as it can be: the two concepts of a held-out pair never share a training picture.
"""

from __future__ import annotations

from collections import Counter
from functools import cache, lru_cache
from hashlib import blake2b
from itertools import combinations

import numpy as np

from sayso.world.colours import ITEM_COLOURS, ciede2000, rgb, to_lab
from sayso.world.scene import Scene

PAIR_SHARE = 0.08
COLOUR_SHARE = 0.10
COUNT_SHARE = 0.10
WORD_SHARE = 0.10
_KEY = b"sayso splits 1"  # another key would be another split, and every trained model would have to be trained anew
_WHOLE = 1 << 64


def _draw(family: str, *parts: str) -> int:
    """A uniform number in range(2**64) that depends on the names only."""
    text = "\x1f".join((family, *parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=8, key=_KEY).digest(), "big")


def pair_held_out(a: str, b: str) -> bool:
    """Whether two concepts (slugs, either order) are kept from sharing a picture. A concept with itself never is."""
    if a == b:
        return False
    return _draw("pair", *((a, b) if a < b else (b, a))) < PAIR_SHARE * _WHOLE


@cache
def _nearest_item_colours() -> np.ndarray:
    """int8 [16, 16, 16]: the index in ITEM_COLOURS nearest (CIEDE2000) to the middle of each cell of the RGB cube."""
    steps = np.arange(16) * 16 + 8
    cube = to_lab(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1))
    words = to_lab(np.array([rgb(c.hex) for c in ITEM_COLOURS]))
    return ciede2000(cube[..., None, :], words).argmin(-1).astype(np.int8)


@lru_cache(maxsize=4096)
def colour_family(hex_colour: str) -> str:
    """The hex of the ITEM_COLOURS entry that "#rrggbb" counts as: itself, or the nearest."""
    if any(c.hex == hex_colour for c in ITEM_COLOURS):
        return hex_colour
    r, g, b = rgb(hex_colour)
    return ITEM_COLOURS[int(_nearest_item_colours()[r >> 4, g >> 4, b >> 4])].hex


@lru_cache(maxsize=65536)
def colour_held_out(concept: str, hex_colour: str) -> bool:
    """Whether the concept is kept from wearing this tint; a free hex colour counts as the item colour nearest to it."""
    return _draw("colour", concept, colour_family(hex_colour)) < COLOUR_SHARE * _WHOLE


@lru_cache(maxsize=65536)
def count_held_out(concept: str, n: int) -> bool:
    """Whether exactly n of the concept are kept from one picture; one alone never is."""
    return n >= 2 and _draw("count", concept, str(n)) < COUNT_SHARE * _WHOLE


@lru_cache(maxsize=65536)
def word_held_out(word: str) -> bool:
    """Whether the word (letter case ignored; Chinese: the whole run of characters) is kept from training."""
    return _draw("word", word.casefold()) < WORD_SHARE * _WHOLE


def held_out(scene: Scene) -> bool:
    """Whether the scene contains any held-out composition of any family."""
    counts = Counter(item.concept for item in scene.items)
    return (
        any(count_held_out(concept, n) for concept, n in counts.items())
        or any(item.tint is not None and colour_held_out(item.concept, item.tint) for item in scene.items)
        or any(word_held_out(word) for line in scene.lettering for word in line.text.split())
        or any(pair_held_out(a, b) for a, b in combinations(counts, 2))
    )
