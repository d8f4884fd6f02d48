"""Draws the sheets of what the world makes by program: looks, turntables, alleys (docs/*.webp)."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from sayso.evals.sheet import captioned, sheet
from sayso.world import alley, looks, solids
from sayso.world.render import render
from sayso.world.sampler import FIRST_LIGHT, sample_scene


def look_sheet(scenes: int, seed: int) -> list[tuple[np.ndarray, str, bool | None]]:
    """Scenes of the world, each as it is and in every look."""
    tiles: list[tuple[np.ndarray, str, bool | None]] = []
    rng = random.Random(seed)
    for _ in range(scenes):
        plain = render(sample_scene(rng, FIRST_LIGHT), 256, 256)
        tiles.append((plain, "as it is", None))
        tiles += [(looks.put_on(look.name, plain), look.en[0], None) for look in looks.LOOKS]
    return tiles


def alley_sheet(steps: int, side: int, seed: int) -> list[tuple[np.ndarray, str, bool | None]]:
    """A walk by day, in the evening and at night."""
    tiles: list[tuple[np.ndarray, str, bool | None]] = []
    rng = random.Random(seed)
    for mood in alley.MOODS:
        place, walker = alley.sample_alley(rng, mood)
        tiles.append((alley.render(place, walker, side, side), alley.caption(mood, rng, "en"), None))
        for step in alley.sample_walk(place, walker, rng, steps):
            walker = alley.go(place, walker, step)
            tiles.append((alley.render(place, walker, side, side), step, None))
    return tiles


def main() -> int:
    docs = ROOT / "docs"
    captioned(look_sheet(5, 11), 1 + len(looks.LOOKS), 128, 1).save(docs / "looks.webp", quality=78)
    rng = random.Random(3)
    views = [view for kind in solids.KINDS for view in solids.turntable(solids.sample_solid(rng, kind), 96, 96)]
    sheet(views, 12, 96).save(docs / "turntables.webp", quality=80)
    captioned(alley_sheet(7, 144, 7), 8, 144, 1).save(docs / "alleys.webp", quality=80)
    return 0


if __name__ == "__main__":
    sys.exit(main())
