"""The corpus that the pieces of the tokenizer are learnt from: captions, plans, instructions, questions of the whole world."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from sayso.errors import BadInput
from sayso.models import tokens
from sayso.models.tokens import Pieces
from sayso.training.tasks import relook_words
from sayso.world import alley, art, looks, solids
from sayso.world.captions import caption
from sayso.world.edits import sample_edit
from sayso.world.questions import sample_question
from sayso.world.sampler import FIRST_LIGHT, sample_scene
from sayso.world.scene import STYLES, Scene


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
        if i % 4 == 0:
            yield from _talk(scene, random.Random(f"talk {seed} {i}"))
    for c in art.concepts():
        for name in c.en + c.zh:
            yield from [f"a {name}", f"一个{name}"] * 3


def _talk(scene: Scene, rng: random.Random) -> Iterator[str]:
    """An instruction and a question with its answer about a scene in both languages, and what looks and steps are called."""
    for language in ("en", "zh"):
        try:
            yield sample_edit(scene, rng, language, art.CORE, STYLES).instruction
            question = sample_question(scene, rng, language)
            yield from (question.text, question.answer)
        except BadInput:  # this scene allows none; the next will
            continue
        yield relook_words(rng.choice(looks.LOOKS), rng, language)
        yield solids.instruction(rng.choice((-3, -2, -1, 1, 2, 3)) * solids.STEP, rng, language)
        yield alley.instruction(rng.choice(alley.STEPS), rng, language)


def learn(size: int, scenes: int = 12_000, seed: int = 0) -> Pieces:
    """The pieces of the pocket model; about ten seconds for 12,000 scenes."""
    return tokens.train(texts(scenes, seed), size)
