"""What was found checked by drawing, with the exact renderer in the painter's place: what is right stays, what is wrong is found out."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from sayso.engines.sight import CLOSE, MOST, Sight
from sayso.types import Plan
from sayso.world import art, plan
from sayso.world.render import render
from sayso.world.sampler import default_mix, sample_scene
from sayso.world.scene import STYLES, Background, Item, Lettering, Scene

SIDE = 128
WHITE = Background("solid", colours=("#ffffff",))
FOX, OWL = Item("fox", "flat", 0.3, 0.3, 0.36), Item("owl", "noto", 0.72, 0.66, 0.4)
BOTH = Scene(64, 64, WHITE, (FOX, OWL))


def painted(plans: Sequence[Plan], square: bool) -> list[np.ndarray]:
    return [render(plan.scene_of(p), p.width, p.height) for p in plans]


def blind(pictures: Sequence[np.ndarray]) -> list[list[Item]]:
    return [[] for _ in pictures]


def sight(scene: Scene, find=blind, said: Sequence[str] = ()) -> Sight:  # type: ignore[no-untyped-def]
    picture = render(scene, 4 * scene.width, 4 * scene.height)
    return Sight(picture, SIDE * scene.height // 64, SIDE * scene.width // 64, painted, find, said)


def read_as(scene: Scene, *items: Item) -> Plan:
    return plan.to_plan(replace(scene, items=items))


def off(got: Plan, scene: Scene) -> int:
    """Percents by which the worst box of a plan of the right things is off."""
    truth = plan.to_plan(scene)
    assert [(i.name, i.style, i.colour, i.flip) for i in got.items] == [(i.name, i.style, i.colour, i.flip) for i in truth.items]
    return max(abs(a - b) for one, other in zip(got.items, truth.items, strict=True) for a, b in zip(one.box, other.box, strict=True))


@pytest.mark.parametrize("aspect", [(64, 64), (106, 64)])
def test_things_read_nearly_right_are_put_right(aspect: tuple[int, int]) -> None:
    """Nearly all of them: one may be hidden by another, or look alike from both sides."""
    world, rng = default_mix(art.CORE[:60], aspects=((aspect, 1.0),)), random.Random(0)
    right = total = 0
    for kind in ("single", "pair", "colours", "pair", "several"):
        scene = sample_scene(rng, replace(world, kinds=((kind, 1.0),)))
        scene = replace(scene, items=tuple(replace(i, shadow=False, turn=0.0) for i in scene.items), relations=(), grid=None)
        near = [replace(i, x=i.x + rng.uniform(-0.03, 0.03), y=i.y + rng.uniform(-0.03, 0.03), size=i.size * rng.uniform(0.9, 1.1))
                for i in scene.items]
        got, truth = sight(scene).nearer(read_as(scene, *near)), plan.to_plan(scene)
        assert [i.name for i in got.items] == [i.name for i in truth.items]
        for one, other in zip(got.items, truth.items, strict=True):
            same = (one.style, one.flip) == (other.style, other.flip)
            right += same and max(abs(a - b) for a, b in zip(one.box, other.box, strict=True)) <= 3
            total += 1
    assert right >= 0.8 * total


def test_wrong_styles_and_sides_are_found_out_more_often_than_not() -> None:
    """Of a thing from the side, so that it shows which way round it is, beside another of its style. What may come instead is a
    colour: a thing in a wrong style can be nearest when it is recoloured."""
    snail = replace(FOX, concept="snail")
    scene, right = replace(BOTH, items=(snail, replace(OWL, style="flat"))), 0
    for style in STYLES:
        for flip in (False, True):
            wrong = replace(snail, style=style, flip=flip)  # type: ignore[arg-type]
            got = sight(scene).nearer(read_as(scene, wrong, scene.items[1])).items[0]
            right += (got.name, got.style, got.flip) == ("snail", "flat", False)
    assert right >= 8, f"{right} of 10"


def test_what_is_found_twice_is_left_out() -> None:
    assert off(sight(BOTH).nearer(read_as(BOTH, FOX, OWL, replace(OWL, x=0.7, concept="pizza"))), BOTH) <= 2


def test_what_the_person_speaks_of_is_tried() -> None:
    misread = read_as(BOTH, FOX, replace(OWL, concept="pizza"))
    assert off(sight(BOTH, said=("owl",)).nearer(misread), BOTH) <= 2
    assert sight(BOTH).nearer(misread).items[1].name == "pizza", "by itself it tries no other names"


def test_a_closer_look_shows_one_thing_large_and_is_believed_where_it_fits() -> None:
    looked: list[np.ndarray] = []
    lone = replace(FOX, x=0.5, y=0.5, size=CLOSE)

    def find(pictures: Sequence[np.ndarray]) -> list[list[Item]]:
        looked.extend(pictures)
        return [[lone], []][: len(pictures)]

    got = sight(BOTH, find).nearer(read_as(BOTH, replace(FOX, concept="pizza"), OWL))
    assert off(got, BOTH) <= 2 and len(looked) == 4, "every thing twice"
    wanted = render(Scene(64, 64, WHITE, (lone,)), len(looked[0]), len(looked[0]))
    assert np.abs(looked[0].astype(int) - wanted).mean() < 6
    pizza = replace(FOX, concept="pizza", x=0.5, y=0.5)
    misled = sight(BOTH, lambda pictures: [[pizza]] * len(pictures))
    assert off(misled.nearer(read_as(BOTH, FOX, OWL)), BOTH) <= 2


def test_a_thing_at_the_frame_can_be_looked_at_closely() -> None:
    corner = Scene(64, 64, WHITE, (replace(FOX, x=0.02, y=0.97),))
    assert off(sight(corner).nearer(plan.to_plan(corner)), corner) <= 2


def test_lettering_stays_as_it_was_read() -> None:
    scene = replace(BOTH, lettering=(Lettering("HELLO", "sans", 0.3, 0.9, 0.15, "#222222"),))
    misread = replace(read_as(BOTH, replace(FOX, style="noto"), OWL), lettering=plan.to_plan(scene).lettering)
    got = sight(scene).nearer(misread)
    assert off(got, BOTH) <= 2 and got.lettering == misread.lettering


def test_crowds_and_empty_pictures_are_taken_as_they_were_found() -> None:
    many = tuple(replace(FOX, x=0.1 + 0.08 * k, size=0.1) for k in range(MOST + 1))
    crowd, empty = read_as(BOTH, *many), read_as(BOTH)
    assert sight(BOTH).nearer(crowd) == crowd and sight(BOTH).nearer(empty) == empty
