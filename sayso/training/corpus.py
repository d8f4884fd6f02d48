"""The corpus that the pieces of the tokenizer are learnt from: captions and plans of the whole world."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from sayso.models import tokens
from sayso.models.tokens import Pieces
from sayso.world import art
from sayso.world.captions import caption
from sayso.world.sampler import FIRST_LIGHT, sample_scene


def texts(scenes: int, seed: int) -> Iterator[str]:
    """Captions of random scenes, the everyday core twice as often as the rest, then every name of every concept."""
    rng = random.Random(seed)
    everything = replace(FIRST_LIGHT, concepts=tuple(c.slug for c in art.concepts()))
    for i in range(scenes):
        scene = sample_scene(rng, everything if i % 3 == 0 else FIRST_LIGHT)
        for language in ("en", "zh"):
            for density in ("short", "medium", "dense"):
                yield caption(scene, rng, language, density)
        yield caption(scene, rng, "en", "plan")
    for c in art.concepts():
        for name in c.en + c.zh:
            yield from [f"a {name}", f"一个{name}"] * 3


def learn(size: int, scenes: int = 12_000, seed: int = 0) -> Pieces:
    """The pieces of the pocket model; about ten seconds for 12,000 scenes."""
    return tokens.train(texts(scenes, seed), size)
