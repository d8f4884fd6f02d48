"""Drawings that look alike: where two of them are the same to the eye, the judge takes either for the other and says so."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sayso.world.colours import rgb
from sayso.world.judge.bank import premultiplied
from sayso.world.judge.match import HALF, Candidate, M, Matcher, colour_of, compare_drawn, tinted

ALIKE = 0.97  # similarity from which two drawings are twins: what a drawing has with itself in a middling exact render
SAME_COLOUR = 0.14  # over a whole drawing; two item colours are at least 0.3 apart
_NEAREST = 12


class Twins:
    """Finds the twins of one matcher's drawings."""

    def __init__(self, matcher: Matcher) -> None:
        self.matcher = matcher
        self.of = lru_cache(maxsize=65536)(self._of)

    def __contains__(self, drawing: object) -> bool:
        """Whether the bank has this (concept, style)."""
        bank = self.matcher.bank
        return isinstance(drawing, tuple) and drawing[0] in bank.concepts and drawing[1] in bank.styles

    def _of(self, row: int, tint: int | None) -> frozenset[int]:
        """Rows (itself among them) that in this tint (index of TINTS, None = own colours) look like this drawing."""
        bank = self.matcher.bank
        table = np.concatenate([bank.grey, self.matcher.alpha], 1) if tint is not None else bank.colour
        unit = table[row] / max(float(np.linalg.norm(table[row])), 1e-6)
        like = table @ unit / np.maximum(np.linalg.norm(table, axis=1), 1e-6)
        nearest = [int(n) for n in np.argsort(-like)[: _NEAREST + 1]]
        rows = [row] + [n for n in nearest if n != row]
        box = (0.0, 0.0, float(M) / (2 * HALF), 0.0, 1.0)
        drawn = self.matcher.drawn([Candidate(n, box, None if tint is None else colour_of(tint), 0.0) for n in rows], 0.02)
        # Before white and before black: alike only where no background tells them apart.
        like = np.minimum(*(compare_drawn(drawn, np.full(3, b, np.float32)) for b in (0.0, 1.0)))
        return frozenset(n for n, s in zip(rows, like) if n == row or s >= ALIKE)

    def same_colour(self, drawing: tuple[str, str], tint: str | None, other: str | None) -> bool:
        """Whether a drawing looks the same in two tints ("#rrggbb"; None = its own colours)."""
        bank = self.matcher.bank
        sprite, line = premultiplied(bank.sprites[bank.row(*drawing)]), drawing[1] == "line"
        dyed = [tinted(sprite, None if t is None else np.array(rgb(t), np.float32) / 255, line) for t in (tint, other)]
        area = max(float(sprite[..., 3].sum()), 1e-6)
        # Root mean square over the drawing, in 0..1 sRGB.
        return float(np.sqrt(((dyed[0] - dyed[1]) ** 2).sum() / area)) < SAME_COLOUR

    def same(self, a: tuple[str, str], b: tuple[str, str], tint: int | None) -> bool:
        """Whether two drawings (concept, style) are one or twins in that tint."""
        if a == b:
            return True
        bank = self.matcher.bank
        try:
            return bank.row(*b) in self.of(bank.row(*a), tint)
        except (KeyError, ValueError):
            return False

    def listed(self) -> list[tuple[tuple[str, str], tuple[str, str]]]:
        """All twins in their own colours, each pair once: what the judge cannot tell apart."""
        bank = self.matcher.bank
        return [(bank.name(n), bank.name(o)) for n in range(len(bank.sprites)) for o in sorted(self.of(n, None)) if o > n]

