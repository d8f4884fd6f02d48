"""References: several pictures and words that say what of which goes into the new one."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from sayso.errors import BadInput
from sayso.world import layout, refer, wording
from sayso.world.sampler import WorldSpec, sample_scene
from sayso.world.scene import Item, Scene
from sayso.world.splits import held_out

_TRIES = 60


@dataclass(frozen=True)
class Combination:
    """`pictures`: what is shown, in order. `kind`: "into" (thing of 1 into scene of 2), "style" (picture 1 in the style
    of 2) or "three" (thing of 1 into scene of 2 in the style of 3)."""

    kind: str
    instruction: str
    pictures: tuple[Scene, ...]
    after: Scene

    @property
    def base(self) -> int:
        """The picture that is kept but for what changes: the one that is restyled, or the scene that the thing goes into."""
        return 0 if self.kind == "style" else 1


def sample_combination(rng: random.Random, spec: WorldSpec, language: str, pictures: int) -> Combination:
    """A combination of two or three pictures of the spec; its outcome holds a held-out composition only when the spec's
    split is "held-out". Raises BadInput where the spec's concepts allow none."""
    for _ in range(_TRIES):
        single = replace(spec, kinds=(("single", 1.0),), split="train")
        one = sample_scene(rng, single)
        other = replace(spec, kinds=(("single", 0.6), ("pair", 0.4)), split="train")
        two = replace(sample_scene(rng, other), width=one.width, height=one.height)
        made = _combine(rng, one, two, single, language, pictures)
        if made is not None and (spec.held or not held_out(made.after)):
            return made
    raise BadInput("these concepts allow no combination of pictures; give more of them")


def _combine(rng: random.Random, one: Scene, two: Scene, single: WorldSpec, language: str, pictures: int) -> Combination | None:
    thing = one.items[0]
    if pictures == 2 and rng.random() < 0.3:
        style = two.items[0].style
        if thing.style == style:
            return None
        after = replace(one, items=(replace(thing, style=style),), relations=())
        said = _STYLE[language]
        return Combination("style", rng.choice(said), (one, two), after)
    placed = _place(rng, thing, two)
    if placed is None:
        return None
    after = replace(two, items=(*two.items, placed))
    name = refer.name_of(thing.concept, rng, language)
    where = (wording.PLACE_EN if language == "en" else wording.PLACE_ZH)[wording.ninth(placed.x, placed.y)][0]
    if pictures == 2:
        said_into = rng.choice(_INTO[language]).format(thing=name, where=where)
        return Combination("into", said_into, (one, two), after)
    three = replace(sample_scene(rng, single), width=one.width, height=one.height)
    style = three.items[0].style
    after = replace(after, items=tuple(replace(i, style=style) for i in after.items))
    said_three = rng.choice(_THREE[language]).format(thing=name, where=where)
    return Combination("three", said_three, (one, two, three), after)


def _place(rng: random.Random, thing: Item, scene: Scene) -> Item | None:
    """The thing at a free place of the scene, no larger than its neighbours."""
    if any(item.concept == thing.concept for item in scene.items):
        return None
    across, down = layout.frame(scene.width, scene.height)
    taken = [layout.box(item, scene.width, scene.height) for item in scene.items]
    for line in scene.lettering:
        taken.append((line.x * across - 0.5, line.y * down - line.height, line.x * across + 0.5, line.y * down + line.height))
    largest = min(0.5, 1.1 * max((item.size for item in scene.items), default=0.5))
    for _ in range(30):
        size = max(0.18, largest * (0.5 + 0.5 * rng.random()))
        item = replace(thing, x=round(rng.random(), 4), y=round(rng.random(), 4), size=round(size, 4), turn=0.0, shadow=False)
        box = layout.box(item, scene.width, scene.height)
        inside = box[0] >= 0 and box[1] >= 0 and box[2] <= across and box[3] <= down
        if inside and all(layout.overlap(box, other) == 0 for other in taken):
            return item
    return None


_STYLE = {
    "en": (
        "draw picture 1 in the style of picture 2",
        "redraw the first picture in the style of the second",
        "picture 1, but in the style of picture 2",
    ),
    "zh": ("用第二张图的风格画第一张图", "把图1画成图2的风格", "按图2的风格重画图1"),
}
_INTO = {
    "en": (
        "put the {thing} of picture 1 into picture 2, {where}",
        "add the {thing} from the first picture to the second one, {where}",
        "picture 2 with the {thing} of picture 1 {where}",
    ),
    "zh": ("把图1的{thing}放到图2的{where}", "把第一张图里的{thing}放进第二张图的{where}", "在图2的{where}加上图1的{thing}"),
}
_THREE = {
    "en": (
        "put the {thing} of picture 1 into picture 2, {where}, in the style of picture 3",
        "the {thing} of the first picture in the scene of the second, {where}, drawn like the third",
    ),
    "zh": ("把图1的{thing}放到图2的{where}，用图3的风格", "用图3的风格，把图1的{thing}画进图2的{where}"),
}
