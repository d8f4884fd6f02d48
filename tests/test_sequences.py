"""Conversations, references, comparisons, negations and things given: what is said is so."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest

from sayso.errors import BadInput, Unknown
from sayso.world import art, layout, lexicon, masks, shorthand
from sayso.world.combine import sample_combination
from sayso.world.compare import COMPARISONS, sample_comparison
from sayso.world.edits import sample_edit
from sayso.world.negation import EXPECTED, negated
from sayso.world.sampler import default_mix, sample_scene
from sayso.world.scene import STYLES, Background, Item, Scene
from sayso.world.splits import held_out
from sayso.world.turns import sample_turns

WORLD = default_mix()


def scenes(count: int, seed: str) -> list[tuple[Scene, random.Random]]:
    out = []
    for k in range(count):
        rng = random.Random(f"{seed}/{k}")
        out.append((sample_scene(rng, WORLD), rng))
    return out


def test_each_turn_is_an_edit_of_the_picture_it_names() -> None:
    returned = 0
    for scene, rng in scenes(25, "turns"):
        made = sample_turns(scene, rng, rng.choice(("en", "zh")), art.CORE, STYLES, 5, back=0.4)
        assert made.scenes[0] == scene and len(made.words) == len(made.scenes) == len(made.bases) == 5 and len(made.edits) == 4
        assert all(made.words) and not any(held_out(s) for s in made.scenes)
        for k, edit in enumerate(made.edits, 1):
            assert edit.before == made.scenes[made.bases[k]] and edit.after == made.scenes[k] and edit.instruction == made.words[k]
            back = made.bases[k] != k - 1
            returned += back
            assert back == any(w in made.words[k] for w in ("go back", "undo", "previous", "回到", "撤销", "前一张"))
    assert returned > 10
    straight = sample_turns(scene, rng, "en", art.CORE, STYLES, 4, back=0.0)
    assert straight.bases == (0, 0, 1, 2)


def test_things_are_given_to_creatures_and_lie_on_them() -> None:
    seen = set()
    for scene, rng in scenes(500, "give"):
        try:
            edit = sample_edit(scene, rng, rng.choice(("en", "zh")), art.CORE, STYLES, "give")
        except BadInput:
            continue
        relation = edit.after.relations[-1]
        seen.add(relation.kind)
        assert relation.kind in ("wearing", "holding") and layout.relation_holds(edit.after, relation)
        assert edit.after.items[:-1] == edit.before.items and relation.objects == (len(edit.before.items),)
        given, owner = edit.after.items[-1], edit.after.items[relation.subject]
        assert given.style == owner.style and given.size < owner.size
        assert {given.concept} <= {m.slug for m in lexicon.mentions(edit.instruction)}, edit.instruction
    assert seen == {"wearing", "holding"}


@pytest.mark.parametrize("pictures", [2, 3])
def test_a_combination_holds_what_it_says(pictures: int) -> None:
    kinds = set()
    for k in range(30):
        rng = random.Random(f"combine {pictures} {k}")
        made = sample_combination(rng, WORLD, "zh" if k % 3 == 0 else "en", pictures)
        kinds.add(made.kind)
        one, two = made.pictures[:2]
        assert len(made.pictures) == pictures and not held_out(made.after)
        if made.kind == "style":
            assert made.after.background == one.background and made.after.items[0].style == two.items[0].style
            continue
        assert made.after.background == two.background and made.after.items[-1].concept == one.items[0].concept
        assert [i.concept for i in made.after.items[:-1]] == [i.concept for i in two.items]
        if made.kind == "three":
            assert {i.style for i in made.after.items} == {made.pictures[2].items[0].style}
        else:
            assert made.after.items[-1].style == one.items[0].style
        assert {one.items[0].concept} <= {m.slug for m in lexicon.mentions(made.instruction)}
        boxes = [layout.box(i, made.after.width, made.after.height) for i in made.after.items]
        assert all(layout.overlap(boxes[-1], other) == 0 for other in boxes[:-1])
    assert kinds == ({"into", "style"} if pictures == 2 else {"three"})


@pytest.mark.parametrize("kind", COMPARISONS)
def test_comparisons_are_right_and_balanced(kind: str) -> None:
    answers = []
    for k in range(24):
        rng = random.Random(f"compare {kind} {k}")
        made = sample_comparison(rng, WORLD, "zh" if k % 4 == 0 else "en", kind)
        question = made.question
        assert question.kind == kind and question.text and question.answer
        assert not question.choices or question.answer in question.choices
        if kind == "same":
            assert (made.first == made.second) == (question.answer in ("yes", "一样"))
        if kind == "changed":
            assert made.first != made.second
        if kind == "which has" and question.language == "en":
            slug = next(m.slug for m in lexicon.mentions(question.text))
            mine = made.first if question.answer == "the first" else made.second
            other = made.second if question.answer == "the first" else made.first
            assert slug in {i.concept for i in mine.items} and slug not in {i.concept for i in other.items}
        if kind == "which more" and "things" in question.text:
            more = len(made.first.items) > len(made.second.items)
            assert (question.answer == "the first") == more
        answers.append(question.answer)
    assert len(set(answers)) >= 2
    with pytest.raises(Unknown):
        sample_comparison(rng, WORLD, "en", "taller")
    with pytest.raises(Unknown):
        sample_comparison(rng, WORLD, "fr", kind)


def test_what_is_left_out_is_not_there_and_is_said() -> None:
    known = {c.slug for c in art.concepts()}
    assert all(slug in known for slugs in EXPECTED.values() for slug in slugs)
    for k, (scene, rng) in enumerate(scenes(60, "negation")):
        made = negated(scene, rng, "zh" if k % 3 == 0 else "en", art.CORE)
        assert made.absent not in {i.concept for i in scene.items}
        assert made.absent in {m.slug for m in lexicon.mentions(made.prompt)}, made.prompt
        assert any(w in made.prompt for w in ("without", " no ", "没有", "不要")), made.prompt
    street = Scene(256, 256, Background("backdrop", name="street"), (Item("dog", "flat", 0.5, 0.5, 0.5),))
    left_out = {negated(street, random.Random(k), "en", art.CORE).absent for k in range(40)}
    assert "car" in left_out and "dog" not in left_out


def test_masks_cover_their_boxes() -> None:
    box = (0.25, 0.5, 0.75, 0.9)
    plain = masks.of_boxes((box,), 40, 20, 0.0)
    assert plain.shape == (20, 40) and plain[10:18, 10:30].all() and plain.sum() == 8 * 20
    for seed in range(12):
        brushed = masks.brushed((box,), 40, 20, random.Random(seed))
        assert brushed[11:17, 12:28].all() and brushed.mean() < 0.7
        x0, y0, x1, y1 = (shorthand.MARKS.index(c) / 200 for c in masks.area_words(brushed)[:4])
        around = np.argwhere(brushed)
        assert np.allclose((y0 * 20, x0 * 40), around.min(0), atol=0.2) and np.allclose((y1 * 20, x1 * 40), around.max(0) + 1, atol=0.2)


def test_turns_of_one_conversation_differ() -> None:
    scene, rng = scenes(1, "differ")[0]
    made = sample_turns(scene, rng, "en", art.CORE, STYLES, 8, back=0.0)
    assert all(a != b for a, b in pairwise(made.scenes))
