"""The edit "give": something to wear or to hold for a creature of the scene, laid where it belongs."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from sayso.world import art, layout, refer
from sayso.world.scene import MAX_ITEMS, Item, Relation, Scene

_OF = {"hat": art.WEARABLE_HATS, "eyes": art.WEARABLE_EYES, "holding": art.HOLDABLE}


def give(scene: Scene, rng: random.Random, language: str, concepts: Sequence[str]) -> tuple[str, Scene] | None:
    """(words, scene after) with one thing more, which a creature wears or holds; None where this draw does not fit."""
    if scene.grid is not None or len(scene.items) >= MAX_ITEMS:
        return None
    kind = rng.choice(("hat", "hat", "eyes", "holding"))
    able = art.CREATURES if kind == "holding" else art.WEARERS
    known = set(concepts)
    there = {item.concept for item in scene.items}
    things = [slug for slug in _OF[kind] if slug in known and slug not in there]
    takers = [k for k, item in enumerate(scene.items) if item.concept in able and not item.turn and not _busy(scene, k)]
    if not things or not takers:
        return None
    taker, slug = rng.choice(takers), rng.choice(things)
    owner = scene.items[taker]
    thing = _laid(rng, owner, slug, kind, scene)
    words = refer.definite(scene, taker, rng, language)
    if thing is None or words is None:
        return None
    relation = Relation("holding" if kind == "holding" else "wearing", taker, (len(scene.items),))
    after = replace(scene, items=(*scene.items, thing), relations=(*scene.relations, relation))
    if not layout.relation_holds(after, relation):
        return None
    said = refer.indefinite(slug, rng, language)
    if language == "zh":
        verb = {"hat": "戴上", "eyes": "戴上", "holding": "拿上"}[kind]
        return rng.choice((f"给{words}{verb}{said}", f"让{words}{verb}{said}")), after
    wear = "hold" if kind == "holding" else "wear"
    return rng.choice((f"give {words} {said}", f"give {words} {said} to {wear}", f"let {words} {wear} {said}")), after


def _busy(scene: Scene, index: int) -> bool:
    return any(r.kind in ("wearing", "holding") and r.subject == index for r in scene.relations)


def _laid(rng: random.Random, owner: Item, slug: str, kind: str, scene: Scene) -> Item | None:
    """The thing in its place on the owner, in its style; None where it would leave the canvas or lie on something else."""
    r = rng.random
    if kind == "hat":
        aside, up, size = 0.0, -0.47 - 0.05 * r(), 0.5 + 0.08 * r()
    elif kind == "eyes":
        aside, up, size = 0.0, -0.02 - 0.05 * r(), 0.56 + 0.08 * r()
    else:
        aside, up, size = (-1 if r() < 0.5 else 1) * (0.44 + 0.08 * r()), 0.08 + 0.14 * r(), 0.38 + 0.1 * r()
    across, down = layout.frame(scene.width, scene.height)
    x, y = owner.x + aside * owner.size / across, owner.y + up * owner.size / down
    item = Item(slug, owner.style, round(x, 4), round(y, 4), round(size * owner.size, 4))
    x0, y0, x1, y1 = box = layout.box(item, scene.width, scene.height)
    if x0 < 0 or y0 < 0 or x1 > across or y1 > down:
        return None
    others = [layout.box(i, scene.width, scene.height) for i in scene.items if i is not owner]
    return item if all(layout.overlap(box, other) == 0 for other in others) else None
