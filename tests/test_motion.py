"""Turntables and walks in words and in numbers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.errors import BadInput, CannotDo
from sayso.world import alley, motion, solids
from sayso.world.colours import BY_WORD
from sayso.world.motion import POSES, Motion, read, said, settled, write

LANGUAGES = ("en", "zh")
seeds = st.integers(0, 10**6)
motions = st.one_of(
    st.builds(Motion, st.sampled_from(range(0, 360, 30))),
    st.builds(Motion, step=st.sampled_from(alley.STEPS)),
    st.builds(Motion, mood=st.sampled_from(tuple(alley.MOODS))),
    st.builds(motion.begun, st.integers(-3, 3), st.sampled_from(tuple(alley.MOODS))),
    st.builds(
        Motion, st.sampled_from(range(0, 360, 30)), st.just(""), st.sampled_from(solids.KINDS), st.sampled_from(("#e02424", "#2563eb")),
        st.sampled_from(("#f7d020", "#333333")), st.sampled_from((None, "#ffffff", "#f3ead3")),
    ),
)  # fmt: skip


@given(seeds, st.sampled_from(solids.KINDS), st.sampled_from(LANGUAGES))
def test_what_captions_say_of_a_solid_is_found(seed: int, kind: str, language: str) -> None:
    rng = random.Random(seed)
    solid = solids.sample_solid(rng, kind)
    found = said(solids.caption(solid, rng, language), after=False)
    assert found == Motion(0, "", kind, solid.colour, solid.second, "#ffffff")


@given(seeds, st.sampled_from(range(30, 361, 30)), st.sampled_from((-1, 1)), st.sampled_from(LANGUAGES))
def test_what_instructions_say_of_a_turn_is_found(seed: int, degrees: int, sign: int, language: str) -> None:
    words = solids.instruction(sign * degrees, random.Random(seed), language)
    assert said(words, after=True) == Motion(sign * degrees % 360) and said(words, after=False) is None


@given(seeds, st.sampled_from(alley.STEPS), st.sampled_from(LANGUAGES), st.sampled_from(("{}", "please {}.", "{}, please", "now {}!")))
def test_what_instructions_say_of_a_step_is_found(seed: int, step: str, language: str, politely: str) -> None:
    words = politely.format(alley.instruction(step, random.Random(seed), language))
    assert said(words, after=True) == Motion(step=step)


@pytest.mark.parametrize("mood", alley.MOODS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_what_captions_say_of_an_alley_is_found(mood: str, language: str) -> None:
    rng = random.Random(mood)
    for _ in range(8):
        assert said(alley.caption(mood, rng, language), after=False) == Motion(mood=mood)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("Rotate it 90° clockwise", Motion(270)),
        ("rotate it by 60 degrees counter-clockwise", Motion(60)),
        ("turn it around", Motion(180)),
        ("give it a quarter turn to the left", Motion(270)),
        ("顺时针转90度", Motion(270)),
        ("逆时针转90度", Motion(90)),
        ("go straight ahead", Motion(step="forward")),
        ("继续往前走", Motion(step="forward")),
        ("a 3D model of a robot, transparent background", Motion(0, "", "robot")),
        ("a toy train, 3d model, seen from behind, #ffcc00 background", Motion(180, "", "train", background="#ffcc00")),
        ("a green house as a 3d model on a yellow background", Motion(0, "", "house", BY_WORD["green"], background=BY_WORD["yellow"])),
        ("#12ab34 toy boat, 3d model, from the side", Motion(90, "", "boat", "#12ab34", background="#ffffff")),
        ("夜里的小巷", Motion(mood="night")),
        ("an alleyway at dusk", Motion(mood="evening")),
    ],
)
def test_other_wordings(words: str, meant: Motion) -> None:
    assert said(words, after=True) == meant


@pytest.mark.parametrize(
    "words",
    [
        "turn the cat on the left into a dog",
        "move the cat to the left",
        "a cat in an alley at night",
        "make it walk forward",
        "turn it into a 3d model of a car",
        "把猫向左移动",
        "a car in 3d style",
        "a red car",
        "look at the dog on the right",
        "",
        "°",
        "turn",
    ],
)
def test_what_is_neither_a_turn_nor_a_step_is_left_alone(words: str) -> None:
    assert said(words, after=True) is None


def test_a_turn_that_no_view_shows_is_refused_with_the_ones_that_are() -> None:
    with pytest.raises(CannotDo, match="45° were asked for; ask for 30° or 60°"):
        said("turn it 45 degrees to the left", after=True)
    assert said("turn it 45 degrees to the left", after=False) is None


@given(st.text(max_size=60), st.booleans())
def test_any_words_are_a_motion_or_none(words: str, after: bool) -> None:
    found = said(words, after)
    assert found is None or write(settled(found, 1))


@given(motions)
def test_what_is_written_is_read_again(one: Motion) -> None:
    assert read(write(one)) == one


damaged = motions.map(write).flatmap(lambda text: st.integers(0, len(text)).map(lambda n: text[:n] + "0" + text[n:]))


@given(st.one_of(st.text(max_size=80), damaged))
def test_whatever_is_read_is_a_motion_or_refused(text: str) -> None:
    try:
        made = read(text)
    except BadInput as error:
        assert "no motion" in str(error)
    else:
        assert read(write(made)) == made and (not made.kind or 0 <= made.pose < POSES)


def test_poses_have_a_number_each() -> None:
    poses = [Motion(turn, "", kind, "#e02424", "#2563eb") for kind in solids.KINDS for turn in range(0, 360, solids.STEP)]
    assert [p.pose for p in poses] == list(range(POSES))


@given(st.sampled_from(range(0, 360, 30)), st.integers(-24, 24))
def test_turning_on_and_back_leads_back(turn: int, by: int) -> None:
    pose = Motion(turn, "", "car", "#e02424", "#2563eb")
    assert motion.turned(motion.turned(pose, 30 * by), -30 * by) == pose and motion.turned(pose, 360) == pose


@pytest.mark.parametrize("kind", solids.KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_only_what_stands_beside_a_solid_is_left_out(kind: str, language: str) -> None:
    rng = random.Random(kind)
    words = solids.caption(solids.sample_solid(rng, kind), rng, language)
    found = said(words, after=False)
    assert found is not None and motion.left_out(words, found) == []
    assert motion.left_out(words + (" with a cat" if language == "en" else "，还有一只猫"), found) == ["cat"]
    assert motion.left_out("turn it, cat", Motion(30)) == []


def test_colours_that_were_left_open_are_chosen_by_the_seed() -> None:
    bare = Motion(kind="car", colour="#e02424")
    one = settled(bare, 3)
    assert one == settled(bare, 3) and one.colour == "#e02424" and one.second not in ("", "#e02424")
    assert len({settled(bare, seed).second for seed in range(20)}) > 3
    assert settled(one, 4) == one and settled(Motion(30), 5) == Motion(30)


def test_beginnings_by_lot_are_of_that_kind_and_mostly_seen_from_the_front() -> None:
    rng = random.Random(0)
    made = [motion.lot(rng, "dog") for _ in range(200)]
    assert all(m.kind == "dog" and m.begins and m.colour != m.second and m.turn % 30 == 0 for m in made)
    assert 100 < sum(m.turn == 0 for m in made) < 160 and len({m.turn for m in made}) == 12 and any(m.background is None for m in made)


@pytest.mark.parametrize("mood", alley.MOODS)
def test_a_walk_goes_where_the_alley_does_and_back(mood: str) -> None:
    place = settled(Motion(mood=mood), 5)
    assert place == motion.begun(5, mood) == settled(place, 6) and place.placed and place.begins and place.walks
    there, walker = alley.numbered(5, mood)
    for step in ("forward", "left", "left", "forward"):
        place, walker = motion.stepped(place, step), alley.go(there, walker, step)
        assert (place.cell, place.way) == (walker.cell, walker.way) and place.alley == 5
    assert place.cell == motion.begun(5, mood).cell, "turned round, and one step back"
    with pytest.raises(BadInput, match="house in the way"):
        for _ in range(20):
            place = motion.stepped(place, "forward")


@pytest.mark.parametrize("text", ["alley noon 3 at 0,0 facing 1", "alley day 3 at 90,90 facing 1", "alley day x at 0,0 facing 1",
                                  "alley day 3 at 0,0 facing 4", "alley day 3"])  # fmt: skip
def test_a_place_outside_its_alley_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="no motion"):
        read(text)
