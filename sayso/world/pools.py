"""What the sampler draws from, worked out once per WorldSpec: which concepts go together, colours, roles, words.

Sets of concepts are bit masks (Python integers over the positions in `concepts`): that makes "all concepts that may
join these" one `&` per concept already chosen.
"""

from __future__ import annotations

import random
from functools import cache

from sayso.paths import WORLD_DATA
from sayso.world import art, fonts
from sayso.world.colours import ITEM_COLOURS
from sayso.world.splits import colour_held_out, pair_held_out, word_held_out


@cache
def words(language: str) -> tuple[str, ...]:
    """The lettering words of "en" (lower case) or "zh" that the package carries."""
    return tuple((WORLD_DATA / f"words_{language}.txt").read_text(encoding="utf-8").split())


class Pools:
    """Tables of one spec. `concepts`, `font_names`: as in WorldSpec. Rows are filled when first asked for."""

    def __init__(self, concepts: tuple[str, ...], font_names: tuple[str, ...]) -> None:
        self.concepts = concepts
        self.everything = (1 << len(concepts)) - 1
        self._apart: list[int | None] = [None] * len(concepts)
        self._colours: list[tuple[tuple[str, ...], tuple[str, ...]] | None] = [None] * len(concepts)
        self._widths: dict[tuple[str, str], float] = {}
        position = {slug: i for i, slug in enumerate(concepts)}
        self.roles: dict[str, tuple[int, ...]] = {
            role: tuple(position[slug] for slug in slugs if slug in position)
            for role, slugs in (
                ("hats", art.WEARABLE_HATS), ("eyes", art.WEARABLE_EYES), ("wearers", art.WEARERS), ("creatures", art.CREATURES),
                ("holdable", art.HOLDABLE), ("supports", art.SUPPORTS), ("containers", art.CONTAINERS),
            )
        }
        self.latin_fonts = tuple(f for f in font_names if fonts.covers(f, "Aaz09"))
        self.chinese_fonts = tuple(f for f in font_names if f in fonts.CHINESE)
        self.hanzi = {f: tuple(sorted(c for c in fonts.glyphs(f) if "\u4e00" <= c <= "\u9fff")) for f in self.chinese_fonts}
        self.english = self._split(words("en"))
        self.chinese = {f: self._split(tuple(w for w in words("zh") if fonts.covers(f, w))) for f in self.chinese_fonts}

    @staticmethod
    def _split(texts: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """(free for training, held out)."""
        return tuple(w for w in texts if not word_held_out(w)), tuple(w for w in texts if word_held_out(w))

    def kept_from(self, i: int) -> int:
        """Mask of the concepts that are kept from sharing a picture with concept i."""
        row = self._apart[i]
        if row is None:
            me = self.concepts[i]
            row = sum(1 << j for j, other in enumerate(self.concepts) if pair_held_out(me, other))
            self._apart[i] = row
        return row

    def colours(self, i: int, held: bool) -> tuple[str, ...]:
        """The item colours that concept i may wear in training, or (`held`) those kept from it."""
        both = self._colours[i]
        if both is None:
            hexes = tuple(c.hex for c in ITEM_COLOURS)
            kept = tuple(h for h in hexes if colour_held_out(self.concepts[i], h))
            both = (tuple(h for h in hexes if h not in kept), kept)
            self._colours[i] = both
        return both[held]

    def any_of(self, rng: random.Random, mask: int) -> int | None:
        """A uniform member of the mask, or None when it is empty."""
        n = len(self.concepts)
        for _ in range(24):
            i = int(rng.random() * n)
            if mask >> i & 1:
                return i
        members = [i for i in range(n) if mask >> i & 1]
        return rng.choice(members) if members else None

    def together(self, rng: random.Random, n: int, held: bool, first: int | None = None) -> list[int] | None:
        """n different concepts. Training: no pair of them is held out. `held`: the first two are a held-out pair.

        `first`: the concept to begin with. None when this spec has no such n concepts.
        """
        chosen: list[int] = []
        mask = self.everything
        for k in range(n):
            i = first if k == 0 and first is not None else self.any_of(rng, mask)
            if i is None:
                return None
            chosen.append(i)
            if not held:
                mask &= ~(self.kept_from(i) | 1 << i)
            elif k == 0:
                mask = self.kept_from(i)
            else:
                mask = self.everything
                for j in chosen:
                    mask &= ~(1 << j)
        return chosen

    def text_width(self, font: str, text: str) -> float:
        """fonts.width, by characters remembered (a line has no kerning)."""
        total = 0.0
        for char in text:
            known = self._widths.get((font, char))
            if known is None:
                known = self._widths[(font, char)] = fonts.width(font, char)
            total += known
        return total
