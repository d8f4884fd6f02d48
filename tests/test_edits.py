"""Edits change what they say, where they say, and nothing else."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from sayso.errors import BadInput, Unknown
from sayso.world import art, layout, lexicon
from sayso.world.edits import EDITS, WHOLE, Edit, item_boxes, sample_edit
from sayso.world.render import render
from sayso.world.sampler import default_mix, sample_scene
from sayso.world.scene import STYLES, Background, Item, Relation, Scene
from sayso.world.splits import held_out

SIDE = 128
WHITE = Background("solid", ("#ffffff",))
FOX_AND_CAR = Scene(
    128, 128, WHITE, (Item("fox", "flat", 0.25, 0.5, 0.4), Item("car", "flat", 0.75, 0.5, 0.4)), (), (Relation("left of", 0, (1,)),)
)
HAN = re.compile("[\u3400-\u9fff]")


def edits(kind: str, count: int, seed: int = 0, language: str | None = None) -> Iterator[Edit]:
    """`count` edits of that kind of random scenes that allow it."""
    spec = default_mix()
    k = made = 0
    while made < count:
        rng = random.Random(f"{kind}/{seed}/{k}")
        k += 1
        assert k < 60 * count, f"too few scenes allow {kind}"
        scene = sample_scene(rng, spec)
        try:
            edit = sample_edit(scene, rng, language or rng.choice(("en", "zh")), art.CORE, STYLES, kind)
        except BadInput:
            continue
        made += 1
        yield edit


def allowed(edit: Edit, width: int, height: int) -> np.ndarray:
    """bool [H, W]: pixels that the region touches, grown by one pixel for antialiasing."""
    mask = np.zeros((height, width), dtype=bool)
    for x0, y0, x1, y1 in edit.region:
        left, top = max(math.floor(x0 * width) - 1, 0), max(math.floor(y0 * height) - 1, 0)
        mask[top : math.ceil(y1 * height) + 1, left : math.ceil(x1 * width) + 1] = True
    return mask


@pytest.mark.parametrize("kind", EDITS)
def test_outside_the_region_no_pixel_differs(kind: str) -> None:
    for edit in edits(kind, 12):
        before, after = render(edit.before, SIDE), render(edit.after, SIDE)
        differs = (before != after).any(axis=-1)
        assert not (differs & ~allowed(edit, SIDE, before.shape[0])).any(), edit
        assert differs.any(), edit


def test_the_region_of_a_turned_shadowed_item_holds_it() -> None:
    for turn in (0.0, 20.0, 45.0, 130.0):
        item = Item("ladder", "noto", 0.5, 0.45, 0.5, turn=turn, shadow=True)
        with_item, without = Scene(128, 128, WHITE, (item,)), Scene(128, 128, WHITE)
        edit = Edit("remove", "", with_item, without, item_boxes(item, 128, 128))
        differs = (render(with_item) != render(without)).any(axis=-1)
        assert differs.any() and not (differs & ~allowed(edit, 128, 128)).any()


@pytest.mark.parametrize("kind", EDITS)
def test_training_scenes_stay_training_scenes(kind: str) -> None:
    for edit in edits(kind, 40, seed=1):
        assert not held_out(edit.before) and not held_out(edit.after)
        assert edit.kind == kind and edit.before != edit.after and edit.region


@pytest.mark.parametrize("kind", ["add", "move"])
def test_what_is_added_or_moved_does_not_collide(kind: str) -> None:
    for edit in edits(kind, 40, seed=2):
        after = edit.after
        changed = next(k for k, item in enumerate(after.items) if item not in edit.before.items)
        box = layout.box(after.items[changed], after.width, after.height)
        assert min(box) >= 0 and max(box[0], box[2]) <= 1 and max(box[1], box[3]) <= 1  # square canvases
        for k, other in enumerate(after.items):
            assert k == changed or layout.overlap(box, layout.box(other, after.width, after.height)) == 0


@pytest.mark.parametrize("kind", EDITS)
def test_relations_that_remain_are_true(kind: str) -> None:
    for edit in edits(kind, 40, seed=3):
        for relation in edit.after.relations:
            assert max(relation.subject, *relation.objects) < len(edit.after.items)
            assert layout.relation_holds(edit.after, relation), edit


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("kind", ["add", "remove", "replace", "recolour", "move", "resize"])
def test_instructions_name_what_they_touch(kind: str, language: str) -> None:
    for edit in edits(kind, 40, seed=4, language=language):
        gone = [item.concept for item in edit.before.items if item not in edit.after.items]
        come = [item.concept for item in edit.after.items if item not in edit.before.items]
        named = {m.slug for m in lexicon.mentions(edit.instruction)}
        assert {*gone, *come} <= named, edit.instruction
        assert bool(HAN.search(edit.instruction)) == (language == "zh")


def test_a_replacement_in_words() -> None:
    rng = random.Random(0)
    said = {sample_edit(FOX_AND_CAR, rng, "zh", art.CORE[:40], STYLES, "replace").instruction for _ in range(400)}
    assert any(re.fullmatch("把狐狸换成一[只匹头].+", text) for text in said)
    said = {sample_edit(FOX_AND_CAR, rng, "en", ("cat",), STYLES, "recolour").instruction for _ in range(600)}
    assert {"make the fox blue", "make the car red"} <= said
    said = {sample_edit(FOX_AND_CAR, rng, "en", ("cat",), STYLES, "remove").instruction for _ in range(300)}
    assert "remove the car" in said


def test_twins_are_told_apart_or_left_alone() -> None:
    twins = replace(FOX_AND_CAR, items=(Item("fox", "flat", 0.2, 0.5, 0.3), Item("fox", "flat", 0.8, 0.5, 0.3)), relations=())
    rng = random.Random(1)
    for _ in range(60):
        edit = sample_edit(twins, rng, "en", art.CORE, STYLES, "recolour")
        left = edit.after.items[1] == twins.items[1]
        assert ("leftmost" in edit.instruction) == left and ("rightmost" in edit.instruction) != left


def test_whole_picture_edits_say_so() -> None:
    for kind in ("restyle", "background"):
        assert all(edit.region == WHOLE for edit in edits(kind, 10, seed=5))


def test_what_cannot_be_edited_is_told() -> None:
    empty = Scene(64, 64, WHITE)
    with pytest.raises(BadInput, match="remove"):
        sample_edit(empty, random.Random(0), "en", art.CORE, STYLES, "remove")
    with pytest.raises(Unknown, match="recolour"):
        sample_edit(empty, random.Random(0), "en", art.CORE, STYLES, "recolor")
    with pytest.raises(Unknown, match="language"):
        sample_edit(empty, random.Random(0), "de", art.CORE, STYLES)
    assert sample_edit(empty, random.Random(0), "en", art.CORE, STYLES).before == empty


def test_same_seed_same_edit() -> None:
    one, two = (sample_edit(FOX_AND_CAR, random.Random(5), "en", art.CORE, STYLES) for _ in range(2))
    assert one == two
