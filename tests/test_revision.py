"""Changes of plans in shorthand: what is written leads from the one plan to the other, and everything else is refused."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.errors import BadInput, SaysoError
from sayso.types import Plan, PlanItem, PlanText
from sayso.world import art, edits, plan, revision, shorthand
from sayso.world.sampler import default_mix, sample_scene
from sayso.world.scene import STYLES

WORLD = default_mix(art.CORE[:60])
FOX, OWL = PlanItem("fox", (10, 10, 46, 46), "flat"), PlanItem("owl", (54, 54, 90, 90), "line", "#2e9e3f", True, 14)
HELLO = PlanText('a "b"; > c', (5, 70, 60, 80), "sans", "#d92d20")
BEFORE = shorthand.settled(Plan(64, 64, "solid #ffffff", (FOX, OWL), (HELLO,)))
FOX_AT = shorthand.pointer(shorthand.parts(BEFORE)[0])


def changed(**more: object) -> Plan:
    return replace(BEFORE, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (BEFORE, ""),
        (changed(items=BEFORE.items[1:]), f"{FOX_AT}>"),
        (changed(items=(replace(BEFORE.items[0], colour="#2563eb"), BEFORE.items[1])), f"{FOX_AT}> {FOX_AT} blue"),
        (changed(items=(*BEFORE.items, BEFORE.items[0])), f"> {FOX_AT}"),
        (changed(items=tuple(replace(i, style="noto") for i in BEFORE.items)), "style noto"),
        (changed(background="solid #2563eb"), "behind solid blue"),
        (changed(look="neon"), "look neon"),
        (changed(lettering=()), f"{shorthand.pointer(shorthand.parts(BEFORE)[2])}>"),
        (changed(background="transparent", items=BEFORE.items[:1]), None),
    ],
)
def test_a_change_says_what_differs_and_no_more(after: Plan, said: str | None) -> None:
    written = revision.write(BEFORE, after)
    assert said is None or written == said
    assert revision.read(written, BEFORE) == after


@given(st.integers(0, 10**6), st.sampled_from(edits.EDITS), st.sampled_from(("en", "zh")))
def test_every_edit_of_the_world_can_be_written_and_read(seed: int, kind: str, language: str) -> None:
    rng = random.Random(seed)
    try:
        made = edits.sample_edit(sample_scene(rng, WORLD), rng, language, WORLD.concepts, STYLES, kind)
    except BadInput:  # this scene allows no such edit
        return
    before, after = (shorthand.settled(plan.to_plan(scene)) for scene in (made.before, made.after))
    written = revision.write(before, after)
    assert revision.read(written, before) == after
    assert len(written) <= len(shorthand.write(after)) + len(shorthand.write(before)) + 20


@given(st.text(alphabet=st.sampled_from([*'foxwlat linegr;"\\> ', *shorthand.MARKS[:120:7]]), max_size=60))
def test_what_is_no_change_is_refused_with_reason(text: str) -> None:
    for said in (text, f"{FOX_AT}> {text}", f"{text}> {FOX_AT}"):
        try:
            after = revision.read(said, BEFORE)
        except SaysoError as error:
            assert str(error)
        else:
            plan.scene_of(after)


@pytest.mark.parametrize(
    ("text", "why"), [("owl gone", "no change"), (">", "neither"), (f"pig flat{shorthand.MARKS[3] * 3}>", "has no line")]
)
def test_refusals_name_the_remedy(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why):
        revision.read(text, BEFORE)


def test_a_pointer_with_a_slip_means_the_nearest_of_its_name() -> None:
    left, right = (PlanItem("fox", (x, 10, x + 30, 40), "flat") for x in (5, 60))
    two = shorthand.settled(Plan(64, 64, "transparent", (left, right, OWL)))
    shifted = shorthand.pointer(shorthand.parts(two)[1])
    slipped = shifted[:-3] + shorthand.mark(ord(shifted[-3]) - ord(shorthand.MARKS[0]) - 9) + shifted[-2:]
    for said in (shifted, slipped, slipped.replace("flat", "line")):
        assert revision.read(f"{said}>", two).items == (two.items[0], two.items[2])
    with pytest.raises(BadInput, match="has no line"):
        revision.read(f"{slipped.replace('fox', 'cat')}>", two)


def test_another_order_of_things_is_not_written() -> None:
    swapped = changed(items=BEFORE.items[::-1], background="transparent")
    try:
        assert revision.read(revision.write(BEFORE, swapped), BEFORE) == swapped
    except BadInput as error:
        assert "order" in str(error)
    with pytest.raises(BadInput, match="order"):
        revision.write(BEFORE, changed(items=(BEFORE.items[1], BEFORE.items[0], BEFORE.items[0])))
