"""The pocket engine with every ability: what an ask means, what is kept to the pixel, plans, answers. The weights are tiny and
untrained (what they draw is noise), except where a test teaches them one thing first."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sayso.engines import context, header, keeping
from sayso.engines.pocket import PocketEngine
from sayso.engines.talk import OPTIONS, Talk, understood
from sayso.errors import BadInput, CannotDo, Unknown
from sayso.models import tokens
from sayso.models.specs import pocket
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel, patch_coordinates
from sayso.training.corpus import texts
from sayso.training.mixed import text_loss
from sayso.training.tasks import relook_words
from sayso.types import Ability, Ask, Drew, Message, Picture, Preview, Said, Step, Text, Thought
from sayso.world import alley, art, looks, masks, plan, solids

ALL = frozenset(Ability) - {Ability.VIDEO}
PLAN = "canvas 64x64 solid #f7d020\nfox flat 10 10 60 60"


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return tokens.train([*texts(60, 0), PLAN], 2000)


def made(pieces: Pieces, abilities: Collection[Ability] = ALL, strides: bool = False, **more: object) -> PocketEngine:
    torch.manual_seed(0)
    model = UnifiedModel(pocket(2, pieces.size, 8), strides)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.06)
    facts: dict[str, object] = {
        "canvas": {"patch": 8, "tokens": 64},
        "text_limit": 112,
        "concepts": list(art.CORE[:20]),
        "sha256": "0",
        "looks": list(looks.NAMES),
        "abilities": [a.value for a in abilities],
        **more,
    }
    return PocketEngine(model.eval().requires_grad_(False), pieces, facts, None, torch.float32)


@pytest.fixture(scope="module")
def engine(pieces: Pieces) -> PocketEngine:
    return made(pieces)


def picture(width: int = 128, height: int = 128, seed: int = 0) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 255, (height, width, 4), dtype=np.uint8))


def says(*parts: str | Picture, role: str = "user") -> Message:
    return Message(role, tuple(Text(p) if isinstance(p, str) else p for p in parts))  # type: ignore[arg-type]


def ask(*messages: Message, **more: object) -> Ask:
    return Ask(messages, steps=2, **more)  # type: ignore[arg-type]


def drawn(engine: PocketEngine, asked: Ask) -> np.ndarray:
    return next(e.picture.pixels for e in engine.respond(asked) if isinstance(e, Drew))


# ---------------------------------------------------------------------------------------------------------------------
# what an ask means


def meant(*messages: Message, abilities: Collection[Ability] = ALL, **more: object) -> Talk:
    return understood(ask(*messages, **more), abilities, looks.NAMES)


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
    assert OPTIONS == ("plan",)


def test_styles_and_looks_are_said_in_the_language_of_the_prompt() -> None:
    assert meant(says("a dog"), style="pixel").prompt == "a dog, pixel art"
    assert meant(says("一只狗"), style="pixel").prompt == "一只狗，像素风格"


# ---------------------------------------------------------------------------------------------------------------------
# what comes out


def test_outside_a_mask_no_pixel_changes(engine: PocketEngine) -> None:
    for width, height, box in ((128, 128, (0.2, 0.2, 0.7, 0.6)), (200, 150, (0.0, 0.0, 0.31, 0.5)), (97, 101, (0.9, 0.9, 1.0, 1.0))):
        old = picture(width, height)
        mask = masks.of_boxes((box,), width, height, 0.0)
        new = drawn(engine, ask(says(old, "a red fox"), mask=mask))
        assert new.shape == old.pixels.shape
        assert np.array_equal(new[~mask], old.pixels[~mask]) and not np.array_equal(new[mask], old.pixels[mask])


@pytest.mark.parametrize(("width", "height"), [(128, 128), (300, 200), (640, 384), (120, 200)])
def test_an_edited_picture_keeps_its_size(engine: PocketEngine, width: int, height: int) -> None:
    assert drawn(engine, ask(says(picture(width, height), "make it blue"))).shape == (height, width, 4)


def test_pictures_that_are_too_long_or_too_large_are_refused(engine: PocketEngine) -> None:
    for width, height in ((300, 100), (8, 8), (5000, 5000)):
        with pytest.raises(BadInput, match=f"{width}x{height}"):
            engine.respond(ask(says(Picture(np.zeros((height, width, 4), np.uint8)), "make it blue")))


def test_words_and_pictures_before_change_what_is_drawn(engine: PocketEngine) -> None:
    one, two = picture(seed=1), picture(seed=2)
    talks = [
        (says("a hat"),),
        (says(one, "a hat"),),
        (says(two, "a hat"),),
        (says(one, "a shoe"),),
        (says(one, two, "a hat"),),
        (says("a cat"), says(one, role="assistant"), says("a hat")),
    ]
    outs = [drawn(engine, ask(*talk, width=128, height=128)).tobytes() for talk in talks]
    assert len(set(outs)) == len(outs)
    assert drawn(engine, ask(*talks[1], width=128, height=128)).tobytes() == outs[1]


def test_several_pictures_of_one_edit_differ_by_seed(engine: PocketEngine) -> None:
    events = list(engine.respond(ask(says(picture(), "make it blue"), count=3, seed=4)))
    out = [e for e in events if isinstance(e, Drew)]
    assert [e.seed for e in out] == [4, 5, 6] and len({e.picture.pixels.tobytes() for e in out}) == 3
    alone = drawn(engine, ask(says(picture(), "make it blue"), seed=5))
    assert np.abs(alone.astype(int) - out[1].picture.pixels.astype(int)).mean() < 1.0
    assert any(isinstance(e, Step) for e in events) and all(isinstance(e, Step | Preview | Said | Drew) for e in events)


def test_an_answer_is_words_and_nothing_else(engine: PocketEngine) -> None:
    events = list(engine.respond(ask(says(picture(), "what is this?"), want="text")))
    assert [type(e) for e in events] == [Said]


def test_a_plan_that_cannot_be_read_is_said_and_drawing_goes_on(engine: PocketEngine) -> None:
    events = list(engine.respond(ask(says("a fox"), think=True)))
    assert not any(isinstance(e, Thought) for e in events)
    assert any(isinstance(e, Said) and "no plan" in e.text for e in events) and isinstance(events[-1], Drew)


def test_a_persons_own_plan_is_kept_to(engine: PocketEngine) -> None:
    events = list(engine.respond(ask(says("a fox"), think=True, options={"plan": PLAN.upper().replace("CANVAS", "Canvas")})))
    final = events[-1]
    assert isinstance(final, Drew) and final.picture.origin["plan"] == PLAN
    assert final.picture.pixels.tobytes() != drawn(engine, ask(says("a fox"))).tobytes()


def test_what_it_was_trained_with_is_not_remarked_on(engine: PocketEngine, pieces: Pieces) -> None:
    rng = random.Random(0)
    place, _ = alley.sample_alley(rng)
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
            alley.caption(place, rng, language),
            *(alley.instruction(s, rng, language) for s in alley.STEPS),
            solids.instruction(60, rng, language),
        ]
    assert [(s, r) for s in spoken for r in engine.remarks(s) if "words" in r] == []
    few = made(pieces, {Ability.DRAW}, looks=[])
    assert any("woodcut" in r for r in few.remarks("a dog, woodcut")) and any("alley" in r for r in few.remarks("an alley"))
    assert any("blorbified" in r for r in engine.remarks("a blorbified dog"))


# ---------------------------------------------------------------------------------------------------------------------
# taught one thing


def taught(pieces: Pieces, row: context.Row, answer: str) -> PocketEngine:
    """An engine whose weights write `answer` after `row`."""
    engine = made(pieces)
    model = engine.model.requires_grad_(True).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    ids = torch.tensor([pieces.encode(answer)])
    for _ in range(150):
        with torch.no_grad():
            before = context.read(model, pieces, [row], patch_coordinates(8, 8), torch.float32)
        out = model.read(ids, None, before.cache, before.start, torch.float32)
        loss = text_loss(model, out.understand, ids, torch.tensor([ids.shape[1]]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss.item() < 0.02:
            break
    model.eval().requires_grad_(False)
    return engine


def test_a_taught_answer_and_a_taught_plan_come_back(pieces: Pieces) -> None:
    plain = made(pieces)
    shown = picture()
    talk = understood(ask(says(shown, "what is this?"), want="text"), ALL, ())
    canvas = plain._canvas(ask(), talk)
    engine = taught(pieces, [*plain._row(talk.pairs, canvas, bare=True), plain._words("what is this?")], "two red foxes")
    assert [e.text for e in engine.respond(ask(says(shown, "what is this?"), want="text")) if isinstance(e, Said)] == ["two red foxes"]

    thinker = taught(pieces, [plain._words("a fox")], PLAN)
    events = list(thinker.respond(ask(says("a fox"), think=True)))
    thoughts = [e.text for e in events if isinstance(e, Thought)]
    assert thoughts == [PLAN] and plan.read(thoughts[0]).items[0].name == "fox"
    assert events.index(Thought(PLAN)) < next(i for i, e in enumerate(events) if isinstance(e, Step))
    final = events[-1]
    assert isinstance(final, Drew) and final.picture.origin["plan"] == PLAN


# ---------------------------------------------------------------------------------------------------------------------
# parts


def test_abilities_stand_in_the_header() -> None:
    assert header.abilities({}) == {Ability.DRAW, Ability.TRANSPARENT}
    assert header.abilities({"abilities": ["draw", "ask", "telepathy"]}) == {Ability.DRAW, Ability.ASK}


def test_weights_say_their_own_steps(pieces: Pieces) -> None:
    quick = made(pieces, strides=True, sampling={"steps": 3, "guidance": 1.0})
    events = list(quick.respond(Ask((says("a fox"),))))
    assert {e.total for e in events if isinstance(e, Step)} == {3}
    slow = drawn(quick, replace(ask(says("a fox")), steps=2))
    assert slow.tobytes() != drawn(quick, replace(ask(says("a fox")), steps=3)).tobytes()


def test_what_the_model_left_alone_is_the_old_picture() -> None:
    small = np.zeros((64, 64, 4), np.uint8)
    small[..., 3] = 255
    after = small.copy()
    after[10:30, 10:30, 0] = 250
    after[50, 50, 1] = 60  # a speck
    old, new = picture(512, 512, 1).pixels, picture(512, 512, 2).pixels
    out = keeping.kept(old, new, small, after)
    far = np.ones((512, 512), bool)
    far[8 * 5 : 8 * 35, 8 * 5 : 8 * 35] = False
    assert np.array_equal(out[far], old[far]), "outside what changed, a speck included"
    assert np.array_equal(out[8 * 11 : 8 * 29, 8 * 11 : 8 * 29], new[8 * 11 : 8 * 29, 8 * 11 : 8 * 29])
    assert np.array_equal(keeping.kept(old, new, small, 255 - small), new), "another picture altogether"


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32))
def test_a_reduced_mask_covers_the_mask(height: int, width: int, rows: int, columns: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.1
    small = masks.reduced(mask, columns, rows)
    assert small.shape == (rows, columns) and small.any() == mask.any()
    for y, x in zip(*mask.nonzero(), strict=True):
        assert small[y * rows // height, x * columns // width]
    if height % rows == width % columns == 0:
        blocks = mask.reshape(rows, height // rows, columns, width // columns).any((1, 3))
        assert np.array_equal(small, blocks)
