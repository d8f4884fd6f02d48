"""The test-card engine obeys every field of an ask or refuses it in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sayso.engines import fake, registry
from sayso.errors import BadInput, CannotDo, Unknown
from sayso.hooks import EngineInfo, hookimpl, manager
from sayso.types import Ask, Drew, Event, Message, Picture, Preview, Said, Step, Text, Thought

GREEN = Picture(np.full((96, 64, 4), (0, 128, 0, 255), dtype=np.uint8))
PAINT = (Message("user", (Text("paint it"), GREEN)),)
FOX = Ask((Message("user", (Text("a red fox"),)),), width=64, height=96)


def events(ask: Ask) -> list[Event]:
    return list(fake.load().respond(ask))


def drawn(ask: Ask) -> list[Drew]:
    return [event for event in events(ask) if isinstance(event, Drew)]


def pixels(**changes: object) -> np.ndarray:
    return drawn(replace(FOX, **changes))[0].picture.pixels  # type: ignore[arg-type]


def test_events_come_in_order() -> None:
    kinds = [type(event) for event in events(replace(FOX, think=True, steps=3, count=2))]
    one = [Step, Preview, Step, Preview, Step, Drew]
    assert kinds == [Said, Thought, *one, *one]
    assert Thought not in [type(event) for event in events(FOX)]


def test_steps_count_over_all_pictures() -> None:
    steps = [event for event in events(replace(FOX, steps=3, count=2)) if isinstance(event, Step)]
    assert [step.index for step in steps] == [1, 2, 3, 4, 5, 6] and {step.total for step in steps} == {6}


@given(st.text(min_size=1, max_size=30).filter(str.strip), st.integers(0, 2**63 - 1), st.integers(1, 40), st.integers(1, 40))
def test_same_ask_same_picture(words: str, seed: int, width: int, height: int) -> None:
    ask = Ask((Message("user", (Text(words),)),), width=8 * width, height=8 * height, seed=seed)
    first, second = drawn(ask)[0].picture.pixels, drawn(ask)[0].picture.pixels
    assert first.shape == (8 * height, 8 * width, 4)
    assert np.array_equal(first, second)


@pytest.mark.parametrize("change", [
    {"seed": 1}, {"messages": (Message("user", (Text("a blue car"),)),)}, {"style": "line"}, {"guidance": 0.5},
    {"background": "#ff0000"}, {"background": "transparent"}, {"finish": False}, {"width": 128}, {"height": 64},
])
def test_each_field_changes_the_picture(change: dict[str, object]) -> None:
    assert not np.array_equal(pixels(), pixels(**change))


def test_a_batch_is_its_seeds_one_by_one() -> None:
    batch = drawn(replace(FOX, count=3, seed=2**63 - 2))
    assert [event.seed for event in batch] == [2**63 - 2, 2**63 - 1, 0]
    assert [event.index for event in batch] == [0, 1, 2]
    for event in batch:
        assert np.array_equal(event.picture.pixels, pixels(seed=event.seed))


def test_an_edit_keeps_the_size_and_shows_the_picture() -> None:
    edit = replace(FOX, messages=PAINT, width=None, height=None)
    card = drawn(edit)[0].picture.pixels
    assert card.shape == (96, 64, 4) and tuple(card[0, 8]) == (0, 128, 0, 255) != tuple(card[0, 0])
    other = Picture(GREEN.pixels + 1)
    more = replace(edit, messages=(Message("user", (Text("paint it"), other, GREEN)),))
    assert not np.array_equal(drawn(more)[0].picture.pixels, card)


def test_a_plan_is_thought_of_and_the_one_that_is_given_is_obeyed() -> None:
    two = replace(FOX, messages=(Message("user", (Text("a fox and a car"),)),), width=100, height=100)
    (thought,) = [event.text for event in events(replace(two, think=True)) if isinstance(event, Thought)]
    assert thought == "canvas 100x100 solid #f4ede1\nfox fluent 5 30 45 70\ncar fluent 55 30 95 70"
    given = "canvas 100x100 transparent\nfox fluent 60 10 90 20 #123456\ncar fluent -50 90 150 130"
    card, plain = (drawn(replace(two, options=options))[0].picture.pixels for options in ({"plan": given}, {}))
    paint = (0x12, 0x34, 0x56, 255)
    assert (card[10:20, 60:90] == paint).all() and len(np.unique(card[90:].reshape(-1, 4), axis=0)) == 1
    assert np.array_equal(card[:90, :60], plain[:90, :60]) and not (plain[10:20, 60:90] == paint).all()
    (kept,) = [event for event in events(replace(two, think=True, options={"plan": given})) if isinstance(event, Thought)]
    assert kept.text == given


def test_a_mask_keeps_what_it_does_not_name() -> None:
    mask = np.zeros((96, 64), dtype=bool)
    mask[10:20, 10:20] = True
    card = drawn(replace(FOX, messages=PAINT, mask=mask))[0].picture.pixels
    assert (card[~mask] == (0, 128, 0, 255)).all() and not (card[mask] == (0, 128, 0, 255)).all()


def test_text_counts_what_it_was_shown() -> None:
    assert events(replace(FOX, messages=PAINT, want="text")) == [Said("2 words; pictures: 64x96")]


@given(st.lists(st.tuples(st.sampled_from(["a red fox", "a blue car"]), st.integers(0, 9), st.integers(1, 3)), min_size=1, max_size=4))
def test_together_equals_alone(wanted: list[tuple[str, int, int]]) -> None:
    asks = [replace(FOX, messages=(Message("user", (Text(words),)),), seed=seed, count=count) for words, seed, count in wanted]
    together: list[list[Event]] = [[] for _ in asks]
    for i, event in fake.load().respond_together(asks):
        together[i].append(event)
    for ask, got in zip(asks, together, strict=True):
        alone = events(ask)
        assert [type(event) for event in got] == [type(event) for event in alone]
        for one, other in zip(got, alone, strict=True):
            if isinstance(one, Drew) and isinstance(other, Drew):
                assert one.seed == other.seed and np.array_equal(one.picture.pixels, other.picture.pixels)
    assert fake.load().batch_key(asks[0]) != fake.load().batch_key(replace(asks[0], steps=9))


def test_backgrounds() -> None:
    assert pixels(background="transparent")[0, 0, 3] == 0
    assert pixels(background="transparent")[48, 32, 3] == 255
    assert tuple(pixels(background="红色")[0, 0]) == (0xE0, 0x24, 0x24, 255)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"mask": np.ones((96, 64), dtype=bool)}, CannotDo),
        ({"messages": PAINT, "mask": np.ones((9, 9), dtype=bool)}, CannotDo),
        ({"options": {"speed": 1}}, BadInput),
        ({"options": {"pause": -1}}, BadInput),
        ({"options": {"pause": True}}, BadInput),
        ({"options": {"plan": "fox"}}, BadInput),
        ({"options": {"plan": 3}}, BadInput),
        ({"messages": ()}, BadInput),
        ({"messages": (Message("user", (Text("  "),)),)}, BadInput),
        ({"style": "oil"}, Unknown),
        ({"background": "ultra"}, Unknown),
        ({"steps": 0}, BadInput),
        ({"count": 0}, BadInput),
        ({"seed": -1}, BadInput),
    ],
)
def test_refusals_come_before_any_work(change: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        fake.load().respond(replace(FOX, **change))  # type: ignore[arg-type]


def test_the_card_runs_on_the_cpu_only() -> None:
    with pytest.raises(CannotDo, match="cuda"):
        fake.load("cuda")


def test_the_table_lists_the_engine_as_it_is() -> None:
    engine = registry.load("fake")
    assert engine.abilities == registry.info("fake").abilities and engine.name == "fake"
    assert registry.info("fake").missing() is None


def test_unknown_engine_names_the_nearest() -> None:
    with pytest.raises(Unknown) as caught:
        registry.info("pockt")
    assert caught.value.nearest == "pocket"


def test_a_plugin_adds_an_engine_through_the_same_hook() -> None:
    row = replace(registry.info("fake"), name="mine")

    class Mine:
        @hookimpl
        def sayso_engines(self) -> list[EngineInfo]:
            return [row]

    plugins = manager()
    plugins.register(Mine())
    plugins.register(registry.BuiltIn())
    assert list(registry.collect(plugins)) == [row.name for row in registry.BuiltIn().sayso_engines()] + ["mine"]
    plugins.register(Mine())  # a second one with the same name
    with pytest.raises(BadInput, match="two plugins"):
        registry.collect(plugins)
