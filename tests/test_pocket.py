"""The pocket engine through its public door, with the bundled weights: what it draws, refuses and says."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from sayso.engines import header, pocket
from sayso.engines.pocket import PocketEngine, patches
from sayso.engines.talk import understood
from sayso.errors import BadInput, BadWeights, CannotDo
from sayso.types import Ability, Ask, Drew, Message, Picture, Preview, Said, Step, Text

pytestmark = pytest.mark.skipif(not header.pocket_weights().exists(), reason="the bundled weights are not in this checkout")


@pytest.fixture(scope="module")
def engine() -> PocketEngine:
    return pocket.load("cpu")


def asked(prompt: str, **more: object) -> Ask:
    return Ask((Message("user", (Text(prompt),)),), steps=2, **more)  # type: ignore[arg-type]


def drawn(engine: PocketEngine, ask: Ask) -> list[np.ndarray]:
    return [e.picture.pixels for e in engine.respond(ask) if isinstance(e, Drew)]


def test_same_seed_same_picture_alone_or_in_a_batch(engine: PocketEngine) -> None:
    one, two, three = (drawn(engine, asked("three cats, flat style", seed=s))[0] for s in (5, 6, 7))
    again = drawn(engine, asked("three cats, flat style", seed=5, count=3))
    assert np.array_equal(one, drawn(engine, asked("three cats, flat style", seed=5))[0])
    for alone, beside in zip((one, two, three), again, strict=True):  # bf16 products round differently in another batch
        assert np.abs(alone.astype(int) - beside.astype(int)).mean() < 1.0
    assert not np.array_equal(one, two)


@pytest.mark.parametrize(("width", "height"), [(512, 512), (576, 448), (448, 576), (640, 384), (384, 640), (256, 256), (1024, 1024)])
def test_sizes(engine: PocketEngine, width: int, height: int) -> None:
    assert drawn(engine, asked("a dog", width=width, height=height))[0].shape == (height, width, 4)


@pytest.mark.parametrize(("width", "height"), [(512, 500), (32, 32), (2064, 2064), (768, 512), (1024, 256)])
def test_a_size_it_cannot_draw_is_refused_before_any_work(engine: PocketEngine, width: int, height: int) -> None:
    with pytest.raises(BadInput, match=f"{width}x{height}"):
        engine.respond(asked("a dog", width=width, height=height))


def test_events_come_in_order(engine: PocketEngine) -> None:
    events = list(engine.respond(Ask((Message("user", (Text("a dog"),)),), steps=8)))
    steps = [e for e in events if isinstance(e, Step)]
    assert [s.index for s in steps] == list(range(1, 9)) and {s.total for s in steps} == {8}
    assert any(isinstance(e, Preview) for e in events)
    assert isinstance(events[-1], Drew) and events[-1].picture.origin["weights"] == engine.sha


def test_the_finisher_can_be_switched_off(engine: PocketEngine) -> None:
    plain, fine = (drawn(engine, asked("a dog", finish=finish))[0] for finish in (False, True))
    assert plain.shape == fine.shape
    assert (engine.finisher is None) == np.array_equal(plain, fine)


def test_what_it_cannot_do_is_refused(engine: PocketEngine) -> None:
    picture = Picture(np.zeros((64, 64, 4), np.uint8))
    about = (Message("user", (Text("make it blue"), picture)),)
    for needed, ask in (
        (Ability.THINK, asked("a dog", think=True)),
        (Ability.THINK, asked("a dog", options={"plan": "canvas 64x64"})),
        (Ability.ASK, Ask(about, want="text")),
        (Ability.MASK, Ask(about, mask=np.ones((64, 64), bool))),
        (Ability.EDIT, Ask(about)),
        (None, asked("a dog", want="text")),
        (None, Ask((Message("user", (Text("a"),)), Message("user", (Text("b"),))))),
        (None, Ask((Message("user", (Text("a"), *[picture] * 4)),))),
    ):
        if needed not in engine.abilities:
            with pytest.raises(CannotDo):
                engine.respond(ask)
        else:
            assert engine.batch_key(ask) is None or needed is Ability.THINK
    with pytest.raises(BadInput):
        engine.respond(asked("   "))


def worded(ask: Ask) -> str:
    return understood(ask, {Ability.DRAW}, ()).prompt


def test_style_and_background_are_said_in_the_language_of_the_prompt() -> None:
    assert worded(asked("a dog", style="line", background="#F7D020")) == "a dog, line style, #f7d020 background"
    assert worded(asked("一只狗", style="line", background="yellow")) == "一只狗，线条风格，黄色背景"
    assert worded(asked("a dog", background="transparent")).endswith(", transparent background")


def test_it_says_what_it_does_not_know(engine: PocketEngine) -> None:
    said = [e.text for e in engine.respond(asked("Barack Obama beside a blorbified fox")) if isinstance(e, Said)]
    assert any("obama" in s.lower() and "blorbified" in s for s in said)
    assert not [e for e in engine.respond(asked("a red fox to the left of a blue car, flat style")) if isinstance(e, Said)]
    assert any("pieces" in s for s in engine.remarks("a fox and " * 200))


@pytest.mark.parametrize("prompt", ["🦊 🚗", "\u202e" + "狐狸", "a" * 4000, "<end><pad>", "{}'\"\\", "1" * 500])
def test_odd_prompts_give_a_picture(engine: PocketEngine, prompt: str) -> None:
    assert len(drawn(engine, asked(prompt))) == 1


def test_damaged_weights_are_named(tmp_path: Path) -> None:
    good = header.pocket_weights()
    for name, spoil in {
        "cut": lambda b: b[: len(b) // 2],
        "bit": lambda b: b[:-100] + bytes([b[-100] ^ 1]) + b[-99:],
        "text": lambda b: b"hello",
    }.items():
        path = tmp_path / name
        path.write_bytes(spoil(good.read_bytes()))
        with pytest.raises(BadWeights, match=name):
            pocket.load("cpu", path)
    with pytest.raises(BadWeights, match="no weights"):
        pocket.load("cpu", tmp_path / "absent")
    shutil.copy(good, tmp_path / "good")
    assert pocket.load("cpu", tmp_path / "good").sha == pocket.load("cpu").sha


def test_patches_keep_the_aspect() -> None:
    for across, down in pocket.OBLONG:
        for tokens in (64, 256):
            rows, columns = patches(across, down, tokens)
            assert columns * down == rows * across


@pytest.mark.parametrize("exact", [True, False], ids=["float32", "the usual type"])
def test_asks_drawn_together_equal_those_drawn_alone(engine: PocketEngine, exact: bool) -> None:
    if exact:
        engine = pocket.load("cpu")
        engine.model.float()
        engine.dtype = torch.float32
        engine.finisher = engine.finisher.float() if engine.finisher is not None else None
    asks = [asked("a red fox", seed=3), asked("three blue cars on a grey background, line style", seed=9, finish=False),
            asked("一只猫", seed=4, width=256, height=256), asked("a dog", seed=1, count=2)]
    assert len({engine.batch_key(ask) for ask in asks}) == 1
    together = list(engine.respond_together(asks))
    for place, ask in enumerate(asks):
        mine = [event for where, event in together if where == place]
        alone = list(engine.respond(ask))
        assert [type(e) for e in mine] == [type(e) for e in alone]
        assert [e for e in mine if isinstance(e, Step | Said)] == [e for e in alone if isinstance(e, Step | Said)]
        pairs = [(a, b) for a, b in zip(mine, alone, strict=True) if isinstance(a, Drew) and isinstance(b, Drew)]
        assert len(pairs) == ask.count
        for a, b in pairs:
            assert (a.index, a.seed, a.picture.origin) == (b.index, b.seed, b.picture.origin)
            apart = np.abs(a.picture.pixels.astype(int) - b.picture.pixels.astype(int))
            if exact:
                assert apart.max() <= 8 and apart.mean() < 0.01
            else:  # bf16 products round differently in another batch
                assert apart.mean() < 2.0


def test_asks_that_do_not_go_together_are_told_apart(engine: PocketEngine) -> None:
    one, steps, shape = asked("a"), Ask(asked("a").messages, steps=3), asked("a", width=640, height=384)
    assert len({engine.batch_key(ask) for ask in (one, steps, shape)}) == 3
    if engine.captions:
        free = asked("a", options={"plan": ""}) if engine.mind else asked("a", guidance=1.0)
        assert engine.batch_key(free) not in {engine.batch_key(ask) for ask in (one, steps, shape)}
    if Ability.VIEWS in engine.abilities:
        assert engine.batch_key(asked("a toy car, 3d model")) is None, "a pose is painted by itself"
    with pytest.raises(BadInput, match="apart"):
        engine.respond_together([one, steps])
    with pytest.raises(CannotDo):
        engine.respond_together([one, asked("a", want="text")])
