"""`sayso eval judge`: how often the judge of the drawn world is right, before it is trusted with a model's pictures.

Two tables. Questions: exact renders of sampled scenes, one question each, share answered rightly. Faults: each sampled scene is
drawn with exactly one planted fault and checked against the scene as it was asked; the judge must name that kind of fault and no
other. Its twin, drawn as asked, must pass (what does not is a false alarm).
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from sayso.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

    from sayso.world.judge import Judge
    from sayso.world.scene import Scene


@dataclass(frozen=True)
class Row:
    """One line of a table: k of n right with Wilson's 95 % interval; `alarms`: of n twins without a fault, those that failed."""

    table: str
    name: str
    k: int
    n: int
    low: float
    high: float
    alarms: int | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `sayso eval judge`."""
    parser.add_argument("--n", type=int, default=150, help="scenes per question and per fault (default 150)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the sampled scenes (default 0)")
    parser.add_argument("--size", type=int, default=512, help="pixels along the side of the pictures (default 512)")
    parser.add_argument("--through", type=int, metavar="PX", help="squeeze every picture to PX pixels and back, as a small model's are")
    parser.add_argument("--world", choices=("core", "whole"), default="core", help="the everyday core or all concepts (default core)")
    parser.add_argument("--only", metavar="NAME", help="only this question or fault")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def squeezed(pixels: np.ndarray, through: int | None) -> np.ndarray:
    """uint8 [H, W, 4] reduced to `through` pixels along the shorter side by area mean and enlarged again by bicubic."""
    import numpy as np
    from PIL import Image

    if through is None:
        return pixels
    image = Image.fromarray(pixels, "RGBA").convert("RGBa")
    scale = through / min(image.size)
    small = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), Image.Resampling.BOX)
    return np.asarray(small.resize(image.size, Image.Resampling.BICUBIC).convert("RGBA"))


class Examiner:
    """Samples scenes, draws them and asks the judge."""

    def __init__(self, judge: Judge, concepts: tuple[str, ...], size: int, through: int | None) -> None:
        self.judge, self.concepts, self.size, self.through = judge, concepts, size, through

    def scenes(self, rng: random.Random, kinds: tuple[str, ...]) -> Iterator[Scene]:
        """Endless scenes of the sampler's kinds."""
        from sayso.world.sampler import default_mix, sample_scene

        spec = replace(default_mix(self.concepts), kinds=tuple((kind, 1.0) for kind in kinds))
        while True:
            yield sample_scene(rng, spec)

    def draw(self, scene: Scene) -> np.ndarray:
        """The scene's exact render, squeezed where asked."""
        from sayso.world.render import render

        width = self.size if scene.width <= scene.height else round(self.size * scene.width / scene.height)
        return squeezed(render(scene, width), self.through)


# Questions: each takes the examiner and a random source and gives whether one answer was right, or None for "ask again".


def _what(x: Examiner, rng: random.Random) -> bool:
    scene = next(x.scenes(rng, ("single", "pair", "several")))
    return x.judge.answer(x.draw(scene), "what") == tuple(sorted({i.concept for i in scene.items}))


def _how_many(x: Examiner, rng: random.Random) -> bool:
    scene = next(x.scenes(rng, ("count",)))
    return x.judge.answer(x.draw(scene), "how many", scene.items[0].concept) == len(scene.items)


def _which_colour(x: Examiner, rng: random.Random) -> bool:
    from sayso.world.judge.verdict import colour_word

    scene = next(s for s in x.scenes(rng, ("colours",)) if len({i.concept for i in s.items}) == len(s.items))
    item = rng.choice(scene.items)
    return x.judge.answer(x.draw(scene), "which colour", item.concept) == colour_word(item.tint, item.style)


def _where(x: Examiner, rng: random.Random) -> bool:
    scene = next(s for s in x.scenes(rng, ("pair",)) if s.relations)
    relation = scene.relations[0]
    a, b = scene.items[relation.subject].concept, scene.items[relation.objects[0]].concept
    said = x.judge.answer(x.draw(scene), "where", a, b)
    return isinstance(said, frozenset) and relation.kind in said


def _which_style(x: Examiner, rng: random.Random) -> bool:
    scene = next(x.scenes(rng, ("single", "pair")))
    item = scene.items[0]
    said = str(x.judge.answer(x.draw(scene), "which style", item.concept))
    tint = None if item.tint is None else 0
    return said == item.style or (bool(said) and x.judge.twins.same((item.concept, item.style), (item.concept, said), tint))


def _background(x: Examiner, rng: random.Random) -> bool:
    scene = next(x.scenes(rng, ("single", "pair", "count")))
    verdict = x.judge.check(x.draw(scene), scene, ("background", "transparency"))
    return bool(verdict)


def _transparent(x: Examiner, rng: random.Random) -> bool:
    from sayso.world.scene import Background

    scene = next(x.scenes(rng, ("single", "pair", "count")))
    if rng.random() < 0.5:
        scene = replace(scene, background=Background("transparent"))
    return x.judge.answer(x.draw(scene), "transparent") == (scene.background.kind == "transparent")


def _lettering(x: Examiner, rng: random.Random) -> bool:
    scene = next(x.scenes(rng, ("lettering",)))
    return bool(x.judge.check(x.draw(scene), scene, ("lettering",)))


def _is_there(x: Examiner, rng: random.Random) -> bool:
    scene = next(x.scenes(rng, ("single", "pair", "several")))
    present = {i.concept for i in scene.items}
    yes = rng.random() < 0.5
    slug = rng.choice(sorted(present)) if yes else rng.choice([c for c in x.concepts if c not in present])
    return x.judge.answer(x.draw(scene), "is there", slug) == yes


def _cells(x: Examiner, rng: random.Random) -> bool:
    scene = next(x.scenes(rng, ("grid",)))
    return bool(x.judge.check(x.draw(scene), scene, ("grid",)))


def _relation(x: Examiner, rng: random.Random) -> bool:
    scene = next(s for s in x.scenes(rng, ("relation",)) if s.relations)
    return bool(x.judge.check(x.draw(scene), scene, ("position",)))


QUESTIONS: dict[str, Callable[[Examiner, random.Random], bool]] = {
    "what": _what, "how many": _how_many, "which colour": _which_colour, "where": _where, "which style": _which_style,
    "background": _background, "transparent": _transparent, "is there": _is_there, "grid cells": _cells, "relation": _relation,
    "lettering": _lettering,
}


# Faults: each gives (the scene that is asked for, the scene that is drawn), which differ in one thing.


def _without(scene: Scene, index: int) -> Scene:
    """The scene without one item that no relation mentions."""
    assert all(index not in (r.subject, *r.objects) for r in scene.relations)

    def moved(i: int) -> int:
        return i - (i > index)

    relations = tuple(replace(r, subject=moved(r.subject), objects=tuple(moved(i) for i in r.objects)) for r in scene.relations)
    return replace(scene, items=scene.items[:index] + scene.items[index + 1:], relations=relations)


def _swap_item(scene: Scene, index: int, **changes: object) -> Scene:
    items = list(scene.items)
    items[index] = replace(items[index], **changes)  # type: ignore[arg-type]
    return replace(scene, items=tuple(items))


def _shown(scene: Scene) -> tuple[str, ...]:
    from sayso.world.staging import main_colours

    kind = scene.background.kind
    return main_colours(scene.background.name, scene.background.variant) if kind == "backdrop" else scene.background.colours


def _wrong_colour(x: Examiner, rng: random.Random) -> tuple[Scene, Scene]:
    from sayso.world.colours import ITEM_COLOURS
    from sayso.world.contrast import all_apart

    for scene in x.scenes(rng, ("colours",)):
        index = rng.randrange(len(scene.items))
        avoid = (*_shown(scene), *(i.tint for i in scene.items if i.tint))
        fits = [c.hex for c in ITEM_COLOURS if all_apart((c.hex,), avoid)]
        if fits:
            return scene, _swap_item(scene, index, tint=rng.choice(fits))
    raise AssertionError("scenes are endless")


def _missing(x: Examiner, rng: random.Random) -> tuple[Scene, Scene]:
    scene = next(s for s in x.scenes(rng, ("several", "count")) if len(s.items) > 1)
    index = rng.randrange(len(scene.items))
    drawn = replace(scene, items=scene.items[:index] + scene.items[index + 1:], relations=())
    return scene, drawn


def _one_too_many(x: Examiner, rng: random.Random) -> tuple[Scene, Scene]:
    for scene in x.scenes(rng, ("several", "count")):
        free = [i for i in range(len(scene.items)) if all(i not in (r.subject, *r.objects) for r in scene.relations)]
        if free and len(scene.items) > 1:
            return _without(scene, rng.choice(free)), scene
    raise AssertionError("scenes are endless")


def _swapped(x: Examiner, rng: random.Random) -> tuple[Scene, Scene]:
    scene = next(s for s in x.scenes(rng, ("pair", "grid")) if s.relations or len({i.concept for i in s.items}) > 1)
    a = 0
    b = next(i for i, item in enumerate(scene.items) if item.concept != scene.items[a].concept)
    first, second = scene.items[a], scene.items[b]
    drawn = _swap_item(scene, a, x=second.x, y=second.y, size=second.size)
    return scene, _swap_item(drawn, b, x=first.x, y=first.y, size=first.size)


def _wrong_style(x: Examiner, rng: random.Random) -> tuple[Scene, Scene]:
    from sayso.world.contrast import all_apart
    from sayso.world.scene import STYLES

    for scene in x.scenes(rng, ("single", "pair", "several")):
        index = rng.randrange(len(scene.items))
        item = scene.items[index]
        tint = None if item.tint is None else 0
        ink = item.tint is None and not all_apart(("#222222",), _shown(scene))
        styles = [s for s in STYLES if not x.judge.twins.same((item.concept, item.style), (item.concept, s), tint)
                  and not (ink and s == "line")]
        if styles:
            return scene, _swap_item(scene, index, style=rng.choice(styles))
    raise AssertionError("scenes are endless")


def _wrong_word(x: Examiner, rng: random.Random) -> tuple[Scene, Scene]:
    scenes = x.scenes(rng, ("lettering",))
    scene = next(scenes)
    from sayso.world import fonts

    line = scene.lettering[0]
    for other in scenes:
        text = other.lettering[0].text
        width, room = fonts.width(line.font, text) if fonts.covers(line.font, text) else 9e9, fonts.width(line.font, line.text)
        if text != line.text and 0.5 * room < width < 1.15 * room:
            return scene, replace(scene, lettering=(replace(line, text=text), *scene.lettering[1:]))
    raise AssertionError("scenes are endless")


def _wrong_background(x: Examiner, rng: random.Random) -> tuple[Scene, Scene]:
    from sayso.world.contrast import all_apart
    from sayso.world.staging import pick_background

    scene = next(s for s in x.scenes(rng, ("single", "pair", "several")) if s.background.kind != "transparent")
    inks = tuple({i.tint or "#222222" for i in scene.items if i.tint or i.style == "line"})
    while True:
        other, shown = pick_background(rng, inks)
        same_view = (other.kind, other.name, other.variant) == ("backdrop", scene.background.name, scene.background.variant)
        if other.kind == "transparent" or same_view:
            continue
        if other.kind == "backdrop" or scene.background.kind == "backdrop" or all_apart(shown[:1], _shown(scene)[:1]):
            return scene, replace(scene, background=other)


def _opaque(x: Examiner, rng: random.Random) -> tuple[Scene, Scene]:
    from sayso.world.scene import Background

    scene = next(s for s in x.scenes(rng, ("single", "pair", "several")) if s.background.kind != "transparent")
    return replace(scene, background=Background("transparent")), scene


def _wrong_concept(x: Examiner, rng: random.Random) -> tuple[Scene, Scene]:
    scene = next(x.scenes(rng, ("single", "pair", "several")))
    index = rng.randrange(len(scene.items))
    present = {i.concept for i in scene.items}
    item = scene.items[index]
    others = [c for c in x.concepts if c not in present and not x.judge.twins.same((item.concept, item.style), (c, item.style), None)]
    return scene, _swap_item(scene, index, concept=rng.choice(others))


FAULTS: dict[str, tuple[str, Callable[[Examiner, random.Random], tuple[Scene, Scene]]]] = {
    "wrong colour": ("colour", _wrong_colour), "missing item": ("missing", _missing), "one too many": ("extra", _one_too_many),
    "swapped places": ("place", _swapped), "wrong style": ("style", _wrong_style), "wrong background": ("background", _wrong_background),
    "opaque": ("opaque", _opaque), "wrong concept": ("concept", _wrong_concept), "wrong word": ("word", _wrong_word),
}
"""Name of a planted fault → the kind of `world.judge.FAULTS` that must be named, and what plants it."""


def examine(args: argparse.Namespace, tell: Callable[[Row], None]) -> list[Row]:
    """Runs the questions and faults that `args` asks for; `tell` hears of each row as it is done. Raises BadInput, Unknown, CannotDo."""
    from sayso.errors import Unknown
    from sayso.evals.stats import wilson
    from sayso.world import art
    from sayso.world.judge import Judge

    if args.n < 1 or not 64 <= args.size <= 2048 or (args.through is not None and not 16 <= args.through <= args.size):
        raise BadInput("--n must be at least 1, --size between 64 and 2048, and --through between 16 and --size")
    if args.only is not None and args.only not in (*QUESTIONS, *FAULTS):
        raise Unknown("question or fault", args.only, (*QUESTIONS, *FAULTS))
    concepts = art.CORE if args.world == "core" else tuple(c.slug for c in art.concepts())
    examiner = Examiner(Judge(concepts), concepts, args.size, args.through)
    rows: list[Row] = []

    def add(table: str, name: str, k: int, alarms: int | None = None) -> None:
        rows.append(Row(table, name, k, args.n, *wilson(k, args.n), alarms))
        tell(rows[-1])

    for name, ask in QUESTIONS.items():
        if args.only in (None, name):
            add("questions", name, sum(ask(examiner, random.Random(f"{args.seed} {name} {i}")) for i in range(args.n)))
    for name, (kind, plant) in FAULTS.items():
        if args.only in (None, name):
            named, alarms = 0, 0
            for i in range(args.n):
                asked, drawn = plant(examiner, random.Random(f"{args.seed} {name} {i}"))
                named += examiner.judge.check(examiner.draw(drawn), asked).faults == {kind}
                alarms += not examiner.judge.check(examiner.draw(asked), asked)
            add("faults", name, named, alarms)
    return rows


def run(args: argparse.Namespace) -> int:
    """Prints both tables, as they come or as JSON; 0 when done. Raises BadInput, Unknown, CannotDo."""
    from sayso.evals.stats import share_text

    def tell(row: Row) -> None:
        alarms = "" if row.alarms is None else f"   false alarms {share_text(row.alarms, row.n)}"
        out = sys.stderr if args.json else sys.stdout
        print(f"{row.table:10} {row.name:18} {share_text(row.k, row.n):26}{alarms}", file=out, flush=True)

    rows = examine(args, tell)
    if args.json:
        print(json.dumps({"n": args.n, "seed": args.seed, "size": args.size, "through": args.through, "world": args.world,
                          "rows": [asdict(r) for r in rows]}, indent=1))
    return 0
