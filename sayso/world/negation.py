"""Captions with a negation: what the scene does not hold is said to be left out ("a street without cars")."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sayso.world import art, nouns, refer
from sayso.world.captions import caption
from sayso.world.scene import Scene

# What one would expect in a drawn backdrop, so that its absence is worth saying.
EXPECTED: dict[str, tuple[str, ...]] = {
    "street": ("car", "bus", "bicycle", "taxi", "police-car", "traffic-light"),
    "sea": ("sailboat", "ship", "fish", "dolphin", "shark"),
    "meadow": ("cow", "horse", "sheep", "tulip", "sunflower", "butterfly"),
    "sky": ("bird", "airplane", "sun", "balloon", "kite"),
    "night": ("crescent-moon", "owl", "bat", "star"),
    "snow": ("snowman", "penguin", "christmas-tree"),
    "room": ("chair", "bed", "television", "cat", "teddy-bear"),
    "space": ("rocket", "ringed-planet", "alien", "satellite"),
}


@dataclass(frozen=True)
class Negated:
    """`absent`: the concept that must not be in the picture."""

    prompt: str
    absent: str


def negated(scene: Scene, rng: random.Random, language: str, concepts: Sequence[str]) -> Negated:
    """The scene's caption with something left out that might well be there: of the backdrop, or of its items' kind."""
    there = {item.concept for item in scene.items}
    known = set(concepts)
    likely = [s for s in EXPECTED.get(scene.background.name, ()) if s in known]
    kin = {art.concept(s).subgroup for s in there}
    likely += [s for s in concepts if art.concept(s).subgroup in kin]
    free = [s for s in likely if s not in there] or [s for s in concepts if s not in there]
    slug = rng.choice(free)
    said = caption(scene, rng, language, "short").rstrip(".。?？")
    name = refer.name_of(slug, rng, language)
    if language == "zh":
        return Negated(said + rng.choice(("，没有{}", "，不要{}", "，不要画{}")).format(name), slug)
    many = nouns.counted(nouns.english(slug, name), "")
    return Negated(said + rng.choice((" without {}", ", no {}", ", without any {}", ", with no {}", ", but no {}")).format(many), slug)
