"""Captions of a scene, from a few words to a full description, in English and Chinese.

A caption always names every concept with its count, every tint, every recorded relation and every lettering, save that
"short" and "medium" ones may list things without saying which is left or above. Style, background, places and sizes may
be left out of those too; "dense" says everything. The same scene gets another wording with every draw of `rng`.
"""

from __future__ import annotations

import random

from sayso.errors import Unknown
from sayso.world import plan
from sayso.world.captions_en import caption_en
from sayso.world.captions_zh import caption_zh
from sayso.world.scene import Scene

LANGUAGES = ("en", "zh")
DENSITIES = ("short", "medium", "dense", "plan")


def caption(scene: Scene, rng: random.Random, language: str = "en", density: str = "short") -> str:
    """One wording of the scene. Raises Unknown for a language not in LANGUAGES or a density not in DENSITIES.

    "plan" gives the text of `plan.to_plan(scene)`, which is the same in every language.
    """
    if density not in DENSITIES:
        raise Unknown("density", density, DENSITIES)
    if language not in LANGUAGES:
        raise Unknown("language", language, LANGUAGES)
    if density == "plan":
        return plan.write(plan.to_plan(scene))
    return caption_zh(scene, rng, density) if language == "zh" else caption_en(scene, rng, density)
