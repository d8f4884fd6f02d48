"""Pointing at one thing of a scene so that nobody can mistake it: "the fox", "the red fox", "the leftmost fox".

Shared by edits and questions, in English and Chinese.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from sayso.world import nouns
from sayso.world.captions_zh import colour_zh
from sayso.world.colours import COLOURS
from sayso.world.phrases_en import colour_en
from sayso.world.scene import Item, Scene

_APART = 0.12  # fraction of the canvas by which the leftmost thing must lead the next one
_EXTREMES = (("x", 1, "leftmost", "最左边的"), ("x", -1, "rightmost", "最右边的"), ("y", 1, "topmost", "最上面的"), ("y", -1, "lowest", "最下面的"))
_NAMED = {c.hex for c in COLOURS}


def name_of(slug: str, rng: random.Random, language: str) -> str:
    """One of the concept's names for use in a sentence, mostly the usual one."""
    said = nouns.said_en(slug) if language == "en" else nouns.said_zh(slug)
    name = said[0] if len(said) == 1 or rng.random() < 0.75 else rng.choice(said)
    return nouns.cased(name) if language == "en" and rng.random() < 0.6 else name


def definite(scene: Scene, index: int, rng: random.Random, language: str) -> str | None:
    """Words that mean just this item of the scene, or None when a person would not find short ones."""
    item = scene.items[index]
    rivals = [other for k, other in enumerate(scene.items) if k != index and other.concept == item.concept]
    name = name_of(item.concept, rng, language)
    if language == "zh" and name[0] == "一" and len(name) > 2:
        name = f"那{name[1:]}"
    adjective = ""
    if not rivals:
        if item.tint in _NAMED and rng.random() < 0.25:
            adjective = _colour_before(item, language, rng)
    elif item.tint in _NAMED and all(other.tint != item.tint for other in rivals):
        adjective = _colour_before(item, language, rng)
    elif (extreme := _extreme(item, rivals, language)) is not None:
        adjective = extreme
    else:
        return None
    if language == "zh":
        return adjective + name
    return f"the {adjective} {name}" if adjective else f"the {name}"


def _colour_before(item: Item, language: str, rng: random.Random) -> str:
    assert item.tint is not None
    return colour_en(item.tint, rng, 1.0) if language == "en" else colour_zh(item.tint, rng, 1.0) + "的"


def _extreme(item: Item, rivals: Sequence[Item], language: str) -> str | None:
    for axis, sign, en, zh in _EXTREMES:
        mine = sign * getattr(item, axis)
        if all(sign * getattr(other, axis) - mine >= _APART for other in rivals):
            return en if language == "en" else zh
    return None


def takes_are(slug: str, name: str) -> bool:
    """Whether the English name goes with "are" ("the scissors are")."""
    return nouns.english(slug, name).form == "p"


def indefinite(slug: str, rng: random.Random, language: str, tint: str | None = None) -> str:
    """"a fox", "a red fox"; 一只狐狸, 一只红色的狐狸."""
    name = name_of(slug, rng, language)
    if language == "zh":
        return nouns.chinese(slug, name, "一", colour_zh(tint, rng) + "的" if tint else "")
    return nouns.indefinite(nouns.english(slug, name), colour_en(tint, rng) if tint else "", rng.random() < 0.4)
