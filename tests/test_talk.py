"""The pocket engine with every ability: what an ask means, what is kept to the pixel, sizes and remarks. The weights are tiny and
untrained: what they draw is noise, and what they write is no plan (tests/test_mind.py teaches some)."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest

from sayso.engines import header
from sayso.engines.pocket import PAINTING, PocketEngine
from sayso.engines.talk import OPTIONS, Talk, look_of, understood
from sayso.errors import BadInput, CannotDo, Unknown
from sayso.models import tokens
from sayso.models.tokens import Pieces
from sayso.training.corpus import texts
from sayso.training.tasks import relook_words
from sayso.types import Ability, Ask, Drew, Message, Picture, Preview, Said, Step, Thought
from sayso.world import alley, art, looks, masks, shorthand, solids
from sayso.world import motion as moving
from tests.pocket_kit import ALL, ask, drawn, made, picture, says

PLAN = "canvas 64x64 solid #f7d020\nfox flat 10 10 60 60"


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return tokens.train([*texts(60, 0), PLAN], 2000).with_marks(shorthand.MARKS)


@pytest.fixture(scope="module")
def engine(pieces: Pieces) -> PocketEngine:
    return made(pieces)


# ---------------------------------------------------------------------------------------------------------------------
# what an ask means


def meant(*messages: Message, abilities: Collection[Ability] = ALL, **more: object) -> Talk:
    return understood(ask(*messages, **more), abilities, looks.NAMES)


def test_the_style_of_things_that_are_gone_is_remembered() -> None:
    """For what comes on an empty canvas, as far back as the conversation goes; not where the words say one."""
    fox, none = (Picture(picture().pixels, {"plan": told}) for told in (PLAN, "canvas 64x64 solid #f7d020"))
    turns = [says("a fox"), says(fox, role="assistant")]
    for words in ("take it away", "a blue background", "a green background", "a red background"):
        turns += [says(words), says(none, role="assistant")]
    assert meant(*turns, says("add a cat")).style == "flat" and len(meant(*turns, says("add a cat")).pairs) == 3
    assert meant(*turns, says("add a cat, line style")).style == meant(*turns, says("加一只猫，线条风格")).style == ""
    assert meant(says(picture()), says("add a cat")).style == meant(says("a cat")).style == ""
    broken = Picture(picture().pixels, {"plan": "canvas of nonsense"})
    assert meant(says("a"), says(broken, role="assistant"), says("add a cat")).style == ""


def test_a_conversation_becomes_pairs_of_words_and_pictures() -> None:
    one, two, three = picture(seed=1), picture(seed=2), picture(seed=3)
    talk = meant(
        says("a cat"),
        says(one, role="assistant"),
        says("how many cats?"),
        says("one", role="assistant"),
        says("make it blue"),
        says("here you are", two, role="assistant"),
        says("and with a hat"),
    )
    assert [said for said, _ in talk.pairs] == ["a cat", "make it blue"] and [p for _, p in talk.pairs] == [one, two]
    assert talk.prompt == "and with a hat" and talk.wants == "picture"
    talk = meant(says(one, "put it into", two, "like", three))
    assert [said for said, _ in talk.pairs] == ["", "", ""] and talk.prompt == "put it into like"


def test_only_the_last_pictures_stand_before() -> None:
    messages = [m for k in range(5) for m in (says(f"turn {k}"), says(picture(seed=k), role="assistant"))]
    talk = meant(*messages, says("now a hat"))
    assert [said for said, _ in talk.pairs] == ["turn 2", "turn 3", "turn 4"]


@pytest.mark.parametrize(
    ("given", "prompt"), [('"a red fox"', "a red fox"), ("“一只狐狸”", "一只狐狸"), ("'a' and 'b'", "'a' and 'b'"), ('"', '"')]
)
def test_quotation_marks_around_a_whole_prompt_make_it_no_lettering(given: str, prompt: str) -> None:
    assert meant(says(given)).prompt == prompt


@pytest.mark.parametrize(
    ("prompt", "wants"),
    [
        ("how many cats are there?", "text"),
        ("make it blue", "picture"),
        ("图片里有几只猫", "picture"),
        ("有猫吗", "text"),
        ("describe it", "text"),
    ],
)
def test_either_is_a_question_when_it_reads_like_one(prompt: str, wants: str) -> None:
    assert meant(says(picture(), prompt), want="either").wants == wants
    assert meant(says(prompt), want="either").wants == "picture", "there is nothing to read"
    assert meant(says(picture(), prompt), want="either", abilities={Ability.EDIT}).wants == "picture"


def test_questions_are_about_the_pictures_that_they_speak_of() -> None:
    before = (says("a cat"), says(picture(seed=1), role="assistant"), says("blue"), says(picture(seed=2), role="assistant"))
    assert len(meant(*before, says("what is it?"), want="text").pairs) == 1
    assert len(meant(*before, says("what changed?"), want="text").pairs) == 2
    assert len(meant(*before, says(picture(), picture(), "which is red?"), want="text").pairs) == 2


def test_what_weights_lack_is_refused_with_a_remedy() -> None:
    one = picture()
    few = {Ability.DRAW}
    for messages, more, abilities in (
        ((says("a dog"),), {"think": True}, few),
        ((says(one, "what?"),), {"want": "text"}, few),
        ((says(one, "blue"),), {}, few),
        ((says(one, "x"),), {"mask": np.ones((128, 128), bool)}, {Ability.EDIT}),
        ((says(one, one, "x"),), {}, {Ability.EDIT}),
        ((says("what is it?"),), {"want": "text"}, ALL),
        ((says(one, one, one, one, "x"),), {}, ALL),
        ((says("a"), says("b")), {}, ALL),
        ((says("a dog"),), {"style": "pixel"}, few),
        ((says("x"),), {"options": {"plan": PLAN}}, few),
    ):
        with pytest.raises(CannotDo, match="[;]"):
            understood(ask(*messages, **more), abilities, ())
    for messages, more in (
        ((says(one),), {}),
        ((says("  "),), {}),
        ((says("x"),), {"mask": np.ones((128, 128), bool)}),
        ((says(one, "x"),), {"mask": np.ones((64, 128), bool)}),
        ((says(one, "x"),), {"mask": np.zeros((128, 128), bool)}),
        ((says("x"),), {"options": {"plan": "fox"}}),
        ((says("x"),), {"style": "cubist"}),
        ((says("x"),), {"options": {"colour": 1}}),
    ):
        with pytest.raises((BadInput, Unknown)):
            meant(*messages, **more)
    assert OPTIONS == ("layers", "plan")


def test_styles_and_looks_are_said_in_the_language_of_the_prompt() -> None:
    assert meant(says("a dog"), style="pixel").prompt == "a dog, pixel art"
    assert meant(says("一只狗"), style="pixel").prompt == "一只狗，像素风格"


# ---------------------------------------------------------------------------------------------------------------------
# what comes out


def edit(*parts: str | Picture, plan: str = PLAN, **more: object) -> Ask:
    """An ask to change pictures into a plan: what these weights would write is no plan."""
    return ask(says(*parts), options={"plan": plan}, **more)


def test_outside_a_mask_no_pixel_changes(engine: PocketEngine) -> None:
    for width, height, box in ((128, 128, (0.2, 0.2, 0.7, 0.6)), (200, 150, (0.0, 0.0, 0.31, 0.5)), (97, 101, (0.9, 0.9, 1.0, 1.0))):
        old = known(width, height)
        mask = masks.of_boxes((box,), width, height, 0.0)
        new = drawn(engine, edit(old, "a red fox", mask=mask))
        assert new.shape == old.pixels.shape
        assert np.array_equal(new[~mask], old.pixels[~mask]) and not np.array_equal(new[mask], old.pixels[mask])


SIZES = [(128, 128, "64x64"), (300, 200, "106x64"), (640, 384, "106x64"), (120, 200, "64x106")]


def known(width: int, height: int, seed: int = 0) -> Picture:
    """A picture that says of itself which plan it was painted after."""
    across, down = next((a, d) for a, d in ((106, 64), (82, 64), (64, 64), (64, 82), (64, 106)) if width / height > 0.87 * a / d)
    return Picture(picture(width, height, seed).pixels, {"plan": f"canvas {across}x{down} solid #f7d020\ndog flat 10 10 60 60"})


@pytest.mark.parametrize(("width", "height", "canvas"), SIZES)
def test_an_edited_picture_keeps_its_size(engine: PocketEngine, width: int, height: int, canvas: str) -> None:
    event = list(engine.respond(edit(known(width, height), "make it a fox")))[-1]
    assert isinstance(event, Drew) and event.picture.pixels.shape == (height, width, 4)
    assert str(event.picture.origin["plan"]).startswith(f"canvas {canvas} ")


def test_pictures_that_are_too_long_or_too_large_are_refused(engine: PocketEngine) -> None:
    for width, height in ((300, 100), (8, 8), (5000, 5000)):
        with pytest.raises(BadInput, match=f"{width}x{height}"):
            engine.respond(ask(says(Picture(np.zeros((height, width, 4), np.uint8)), "make it blue")))


CAR = "a toy car, red and blue, 3d model"
TURN = "turn it 30 degrees to the left"


def test_poses_and_steps_are_drawn_after_the_picture_before(engine: PocketEngine) -> None:
    one, two = picture(seed=1), picture(seed=2)
    night = Picture(one.pixels, {"motion": moving.write(moving.begun(3, "night"))})
    talks = [
        (says(CAR),),
        (says("an alley at night"),),
        (says(CAR), says(one, role="assistant"), says(TURN)),
        (says(CAR), says(two, role="assistant"), says(TURN)),
        (says(CAR), says(one, role="assistant"), says("turn it around")),
        (says(CAR), says(one, role="assistant"), says("turn it around"), says(two, role="assistant"), says(TURN)),
        (says(night, "turn left"),),
        (says(replace(night, pixels=two.pixels), "turn left"),),
        (says("an alley at night"), says(night, role="assistant"), says("向前走")),
    ]
    outs = [e for talk in talks for e in engine.respond(ask(*talk)) if isinstance(e, Drew)]
    assert len({e.picture.pixels.tobytes() for e in outs}) == len(talks)
    begun, alley_begun = "solid car #e02424 #2563eb on #ffffff turned 0", moving.begun(0, "night")
    told = [str(e.picture.origin["motion"]) for e in outs]
    walked = [moving.stepped(moving.begun(3, "night"), step) for step in ("left", "left", "forward")]
    assert told[:2] == [begun, moving.write(alley_begun)] and told[6:] == [moving.write(place) for place in walked]
    assert [t.split()[-1] for t in told[2:6]] == ["330", "330", "180", "150"]
    assert all(t.startswith("solid car #e02424 #2563eb on ") for t in told[2:6])
    steps = [{e.total for e in engine.respond(Ask((says(words),))) if isinstance(e, Step)} for words in (CAR, "an alley at night")]
    remarks = [e.text for e in engine.respond(ask(says("an alley"), steps=4)) if isinstance(e, Said)]
    assert remarks == ["a picture of a walk is painted in one step; more would change nothing"]
    assert steps == [{PAINTING}] * 2 and Thought(begun) in list(engine.respond(ask(says(CAR), think=True)))


def posed(*messages: Message) -> str:
    motion = meant(*messages).motion
    return "" if motion is None else moving.write(motion)


def test_what_is_turned_is_known_from_the_words_or_from_the_picture() -> None:
    clear = Picture(np.zeros((64, 64, 4), np.uint8))
    begun = (says(CAR), says(clear, role="assistant"))
    assert posed(*begun, says(TURN)) == "solid car #e02424 #2563eb on nothing turned 330", "the ground is what is seen at the rim"
    yellow = Picture(np.full((64, 64, 4), (247, 208, 32, 255), np.uint8))
    turned = (*begun, says("turn it around"), says(yellow, role="assistant"))
    assert posed(*turned, says(TURN)) == "solid car #e02424 #2563eb on #f7d020 turned 150"
    again = Picture(yellow.pixels.copy())
    assert posed(*turned, says(again, TURN)) == posed(*turned, says(TURN)), "brought along once more"
    known = Picture(yellow.pixels, {"motion": "solid dog #111111 #222222 on nothing turned 90"})
    assert posed(says(known, TURN)) == "solid dog #111111 #222222 on nothing turned 60", "it says of itself what it shows"
    assert posed(*turned, says("a toy robot, pink, 3d model")).startswith("solid robot ") and not meant(*turned, says(CAR)).pairs
    (pair,) = meant(*turned, says(TURN)).pairs
    assert pair[1] is yellow


ELSEWHERE = [(), (says("make it blue"), says(picture(seed=4), role="assistant")), (says(picture(seed=5), "an alley"),)]


@pytest.mark.parametrize("before", ELSEWHERE)
def test_what_nobody_told_of_is_not_turned(before: tuple[Message, ...]) -> None:
    strange = Picture(picture(seed=3).pixels, {"motion": "solid cube"})
    later = (says(CAR), says(picture(seed=1), role="assistant"), *before, says(picture(), TURN))
    for messages in ((says(picture(), TURN),), (says(strange, TURN),), later):
        with pytest.raises(CannotDo, match="begin with such as"):
            meant(*messages)


NO_PLACES = ["", "alley night", "step left", "alley night 3 at 99,99 facing 1", "solid dog #111111 #222222 on nothing turned 90"]


@pytest.mark.parametrize("told", NO_PLACES)
def test_nobody_walks_where_the_way_is_not_known(told: str) -> None:
    shown = Picture(picture().pixels, {"motion": told} if told else {})
    for messages in ((says(shown, "go forward"),), (says("an alley at night"), says(shown, role="assistant"), says("turn left"))):
        with pytest.raises(CannotDo, match="begin with such as: an alley at night"):
            meant(*messages)


def test_nobody_walks_through_houses() -> None:
    there, _ = alley.numbered(3, "day")
    everywhere = [alley.Walker(cell, way) for cell in sorted(there.street) for way in range(4)]
    blocked = next(walker for walker in everywhere if "forward" not in alley.open_steps(there, walker))
    place = replace(moving.begun(3, "day"), cell=blocked.cell, way=blocked.way)
    shown = Picture(picture().pixels, {"motion": moving.write(place)})
    with pytest.raises(BadInput, match="turn left or right"):
        meant(says(shown, "go forward"))
    assert meant(says(shown, "turn left")).motion == moving.stepped(place, "left")


def test_a_planned_picture_is_edited_and_not_turned_or_walked_into(pieces: Pieces) -> None:
    flat = Picture(picture().pixels, {"plan": PLAN})
    for words in (TURN, "turn it 45 degrees", "please go forward", "向左转", "转过身"):
        with pytest.raises(CannotDo, match="drawn flat"):
            meant(says(flat, words))
    for words in ("make it a fox", "turn the fox into an owl", "move the fox to the left", "turn it into pixel art"):
        assert meant(says(flat, words)).motion is None
    assert meant(says(flat, CAR)).motion is not None, "something new"
    assert meant(says(picture(), TURN), abilities=ALL - {Ability.VIEWS}).motion is None
    assert meant(says(picture(), "turn left"), abilities=ALL - {Ability.WALK}).motion is None
    assert meant(says(CAR), options={"plan": PLAN}).motion is None


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (ask(says(CAR), style="flat"), "leave the style out"),
        (ask(says(CAR), says(picture(), role="assistant"), says(TURN), background="#ffffff"), "leave the background out"),
        (ask(says(CAR), guidance=2.0), "without guidance"),
        (ask(says(CAR), width=640, height=384), "512x512"),
        (ask(says(CAR), says(picture(200, 120), role="assistant"), says(TURN)), "cut the picture to a square"),
        (ask(says(picture(), "turn it 40 degrees")), "30° or 60°"),
    ],
)
def test_what_does_not_go_with_a_turntable_is_refused(engine: PocketEngine, asked: Ask, words: str) -> None:
    with pytest.raises((BadInput, CannotDo), match=words):
        engine.respond(asked)


def test_the_background_of_a_new_solid_can_be_asked_for(engine: PocketEngine) -> None:
    for given, said in (("transparent", "nothing"), ("#12ab34", "#12ab34"), ("yellow", "#f7d020")):
        (made,) = [e for e in engine.respond(ask(says(CAR), background=given)) if isinstance(e, Drew)]
        assert f" on {said} " in str(made.picture.origin["motion"])


def test_several_pictures_of_one_edit_differ_by_seed(engine: PocketEngine) -> None:
    events = list(engine.respond(edit(known(128, 128), "make it a fox", count=3, seed=4)))
    out = [e for e in events if isinstance(e, Drew)]
    assert [e.seed for e in out] == [4, 5, 6] and len({e.picture.pixels.tobytes() for e in out}) == 3
    assert np.array_equal(drawn(engine, edit(known(128, 128), "make it a fox", seed=5)), out[1].picture.pixels)
    assert [(e.index, e.total) for e in events if isinstance(e, Step)] == [(k, 6) for k in range(1, 7)]
    assert all(isinstance(e, Step | Preview | Said | Drew) for e in events)


def test_an_answer_is_words_and_nothing_else(engine: PocketEngine) -> None:
    for shown in (picture(), known(128, 128)):
        events = list(engine.respond(ask(says(shown, "what is this?"), want="text")))
        assert [type(e) for e in events] == [Said] and all(e.text for e in events if isinstance(e, Said))
    assert events != [Said("I cannot tell.")]


def test_a_plan_that_cannot_be_written_is_said_and_an_empty_one_painted(engine: PocketEngine) -> None:
    events = list(engine.respond(ask(says("a fox"), think=True)))
    assert not any(isinstance(e, Thought) for e in events)
    assert any(isinstance(e, Said) and "no plan" in e.text for e in events)
    final = events[-1]
    assert isinstance(final, Drew) and "plan" not in final.picture.origin
    blank = drawn(engine, ask(says("a fox"), options={"plan": "canvas 64x64 solid #ffffff"}))
    assert np.array_equal(final.picture.pixels, blank)


def test_a_change_that_no_plan_can_be_made_of_is_said_and_nothing_drawn(engine: PocketEngine) -> None:
    for shown in (picture(), known(128, 128)):
        events = list(engine.respond(ask(says(shown, "make it blue"), count=2)))
        assert len(events) == 2 and all(isinstance(e, Said) and "say what it is and where" in e.text for e in events)


def test_a_persons_own_plan_is_kept_to(engine: PocketEngine) -> None:
    events = list(engine.respond(ask(says("a fox"), think=True, options={"plan": PLAN.upper().replace("CANVAS", "Canvas")})))
    final = events[-1]
    assert Thought(PLAN) in events
    assert isinstance(final, Drew) and final.picture.origin["plan"] == PLAN
    assert not np.array_equal(final.picture.pixels, drawn(engine, ask(says("a fox"))))
    assert np.array_equal(final.picture.pixels, drawn(engine, ask(says("a dog"), options={"plan": PLAN}))), "the words do not matter"


def test_an_own_plan_is_painted_over_a_picture_that_cannot_be_read(engine: PocketEngine) -> None:
    new = drawn(engine, edit(picture(), "make it a fox", seed=6))
    alone = drawn(engine, ask(says("a fox"), seed=6, width=128, height=128, options={"plan": PLAN}))
    assert np.array_equal(new, alone)


def test_an_own_plan_takes_the_canvas_that_was_asked_for(engine: PocketEngine) -> None:
    wide = ask(says("a fox"), options={"plan": PLAN}, width=640, height=384)
    event = list(engine.respond(wide))[-1]
    assert isinstance(event, Drew) and event.picture.pixels.shape == (384, 640, 4)
    assert event.picture.origin["plan"] == PLAN.replace("64x64", "106x64")


def test_what_an_own_plan_names_and_the_model_does_not_know_is_said(engine: PocketEngine) -> None:
    strange = next(slug for slug in art.CORE if slug not in engine.concepts)
    events = list(engine.respond(ask(says("this"), options={"plan": f"{PLAN}\n{strange} flat 50 50 90 90"})))
    name = art.concept(strange).en[0]
    assert [e.text for e in events if isinstance(e, Said) and "not trained on" in e.text] == [
        f'this model was not trained on "{name}"; it is drawn as best it can'
    ] and isinstance(events[-1], Drew)


@pytest.mark.parametrize(
    "plan",
    [
        "fox",
        "canvas 64x64\nfox flat",
        "canvas 64x64\nunheard-of flat 1 2 30 40",
        "canvas 64x64 look cubist",
        'canvas 64x64\ntext "你好" slab 10 10 90 30 #000000',
        f"canvas 64x64\n{shorthand.MARKS[3]}",
        17,
        ["canvas 64x64"],
    ],
)
def test_a_malformed_own_plan_is_refused_before_any_work(engine: PocketEngine, plan: object) -> None:
    with pytest.raises(BadInput):
        engine.respond(ask(says("a fox"), options={"plan": plan}))


def test_a_look_that_was_not_trained_is_refused_in_a_plan_too(pieces: Pieces) -> None:
    plain = made(pieces, looks=[])
    with pytest.raises(CannotDo, match='"watercolour"'):
        plain.respond(ask(says("a fox"), options={"plan": PLAN.replace("#f7d020", "#f7d020 look watercolour")}))


def test_an_empty_plan_draws_from_the_words_alone(engine: PocketEngine, pieces: Pieces) -> None:
    fox, dog = (list(engine.respond(ask(says(said), options={"plan": ""}, width=128, height=128))) for said in ("a fox", "a dog"))
    for events in (fox, dog):
        assert isinstance(events[-1], Drew) and "plan" not in events[-1].picture.origin
        assert not any(isinstance(e, Said) and "no plan" in e.text for e in events)
    assert not np.array_equal(fox[-1].picture.pixels, dog[-1].picture.pixels)  # type: ignore[union-attr]
    with pytest.raises(CannotDo, match="only after plans"):
        made(pieces, captions=False).respond(ask(says("a fox"), options={"plan": "none"}))
    usual = [e.total for e in engine.respond(Ask((says("a fox"),), options={"plan": ""})) if isinstance(e, Step)]
    assert set(usual) == {16}, "without a plan it takes the steps of drawing from words"
    assert engine.batch_key(ask(says("a"), options={"plan": ""})) != engine.batch_key(ask(says("a")))


def test_guidance_is_refused_where_a_plan_is_painted(engine: PocketEngine) -> None:
    own = ask(says("a fox"), guidance=0.0, options={"plan": PLAN})
    for asked in (ask(says("a fox"), guidance=3.0), own, edit(picture(), "x", guidance=2.0)):
        with pytest.raises(CannotDo, match="without guidance"):
            engine.respond(asked)
    assert engine.batch_key(ask(says("a fox"), guidance=1.0)) == engine.batch_key(ask(says("a fox")))
    assert any(isinstance(e, Drew) for e in engine.respond(ask(says("a fox"), guidance=2.0, options={"plan": ""})))


def test_marks_in_a_persons_words_are_dropped(engine: PocketEngine) -> None:
    marked = f"a {shorthand.mark(7)}red{shorthand.MARKS} fox"
    assert meant(says(marked)).prompt == "a red fox"
    with pytest.raises(BadInput, match="empty"):
        engine.respond(ask(says(shorthand.MARKS)))


def test_what_it_was_trained_with_is_not_remarked_on(engine: PocketEngine, pieces: Pieces) -> None:
    rng = random.Random(0)
    mood = rng.choice(tuple(alley.MOODS))
    spoken = [relook_words(look, rng, language) for look in looks.LOOKS for language in ("en", "zh")]
    spoken += [
        "get rid of the leftmost fox",
        "go back to the picture before, and remove the car",
        "extend the picture",
        "画出周围",
        "撤销刚才的修改，去掉狗",
    ]
    for language in ("en", "zh"):
        spoken += [solids.caption(solids.sample_solid(rng, kind), rng, language) for kind in solids.KINDS]
        spoken += [
            alley.caption(mood, rng, language),
            *(alley.instruction(s, rng, language) for s in alley.STEPS),
            solids.instruction(60, rng, language),
        ]
    assert [(s, r) for s in spoken for r in engine.remarks(s) if "words" in r] == []
    few = made(pieces, {Ability.DRAW}, looks=[])
    assert any("woodcut" in r for r in few.remarks("a dog, woodcut")) and any("alley" in r for r in few.remarks("an alley"))
    assert any("blorbified" in r for r in engine.remarks("a blorbified dog"))


# ---------------------------------------------------------------------------------------------------------------------
# parts


def test_abilities_stand_in_the_header() -> None:
    assert header.abilities({}) == {Ability.DRAW, Ability.TRANSPARENT}
    assert header.abilities({"abilities": ["draw", "ask", "telepathy"]}) == {Ability.DRAW, Ability.ASK}


def test_weights_say_their_own_steps(pieces: Pieces) -> None:
    quick = made(pieces, strides=True, plans=False, sampling={"steps": 3, "guidance": 1.0})
    events = list(quick.respond(Ask((says("a fox"),))))
    assert {e.total for e in events if isinstance(e, Step)} == {3}
    slow = drawn(quick, replace(ask(says("a fox")), steps=2))
    assert slow.tobytes() != drawn(quick, replace(ask(says("a fox")), steps=3)).tobytes()


def test_weights_that_paint_plans_take_one_step(engine: PocketEngine) -> None:
    assert {e.total for e in engine.respond(Ask((says("a fox"),), options={"plan": PLAN})) if isinstance(e, Step)} == {1}


def test_a_look_that_a_prompt_names_is_found_by_its_longest_phrase() -> None:
    for look in looks.LOOKS:
        for phrase in (*look.en, *look.zh):
            assert look_of(f"a fox, {phrase}", looks.NAMES) in {other.name for other in looks.LOOKS if phrase in (*other.en, *other.zh)}
    assert look_of("a fox on a blue background", looks.NAMES) == "" and look_of(f"a fox, {looks.LOOKS[0].en[0]}", ()) == ""
