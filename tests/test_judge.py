"""The judge on exact renders: it sees what is there, names what is wrong, and knows what it cannot do. A fast, small `sayso eval judge`."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sayso.errors import BadInput, CannotDo, Unknown
from sayso.evals import judge as evals
from sayso.evals.stats import bootstrap_mean, share_text, wilson
from sayso.world import art
from sayso.world.judge import FAULTS, TASKS, Judge, glyphs, lettering
from sayso.world.judge.bank import load
from sayso.world.render import render
from sayso.world.scene import STYLES, Background, Item, Lettering, Relation, Scene

CONCEPTS = art.CORE[:40]
WHITE = Background("solid", ("#ffffff",))
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAYSO_CACHE", str(tmp_path_factory.mktemp("cache")))
        made = Judge(CONCEPTS)
        assert len(made.bank.sprites) == len(CONCEPTS) * len(STYLES)
    return made


@pytest.fixture(scope="module")
def examiner(judge: Judge) -> evals.Examiner:
    return evals.Examiner(judge, CONCEPTS, 256, None)


def pair(first: str = "fox", second: str = "car") -> Scene:
    items = (Item(first, "flat", 0.27, 0.5, 0.4), Item(second, "flat", 0.74, 0.52, 0.38, tint="#2563eb"))
    return Scene(256, 256, WHITE, items, relations=(Relation("left of", 0, (1,)),))


def test_sees_place_size_turn_and_flip(judge: Judge) -> None:
    scene = Scene(256, 256, Background("gradient", ("#a8e6a1", "#fbd9c0"), angle=45),
                  (Item(CONCEPTS[3], "noto", 0.4, 0.55, 0.5, turn=20, flip=True),))
    (item,) = judge.look(render(scene, 512)).items
    assert (item.concept, item.style, item.flip, item.tint) == (CONCEPTS[3], "noto", True, None)
    assert abs(item.x - 0.4) < 0.01 and abs(item.y - 0.55) < 0.01 and abs(item.size - 0.5) < 0.02 and abs(item.turn - 20) < 3


@pytest.mark.parametrize("name", [n for n in evals.QUESTIONS if n not in ("lettering", "relation")])
def test_questions_are_answered_rightly(examiner: evals.Examiner, name: str) -> None:
    right = sum(evals.QUESTIONS[name](examiner, random.Random(f"t {name} {i}")) for i in range(5))
    assert right >= 4, f"{right} of 5"


@pytest.mark.parametrize("name", [n for n in evals.FAULTS if n != "wrong word"])
def test_planted_faults_are_named(examiner: evals.Examiner, judge: Judge, name: str) -> None:
    kind, plant = evals.FAULTS[name]
    assert kind in FAULTS
    named = alarms = 0
    for i in range(3):
        asked, drawn = plant(examiner, random.Random(f"t {name} {i}"))
        named += judge.check(examiner.draw(drawn), asked).faults == {kind}
        alarms += not judge.check(examiner.draw(asked), asked)
    assert named >= 2 and alarms <= 1, (named, alarms)


def test_verdict_names_the_fault_in_words(judge: Judge) -> None:
    asked = pair()
    assert judge.check(render(asked), asked)
    swapped = replace(asked, items=(replace(asked.items[0], x=0.74), replace(asked.items[1], x=0.27)))
    verdict = judge.check(render(swapped), asked)
    assert verdict.faults == {"place"} and "fox left of car" in verdict.reasons[0] and 0 < verdict.score < 1
    alone = judge.check(render(replace(asked, items=asked.items[:1], relations=())), asked, ("concept",))
    assert [f.right for f in alone.facts] == [True, False] and "car" in alone.reasons[0]


@pytest.mark.parametrize("kind", ["on", "inside", "holding"])
def test_overlapping_items_are_found(judge: Judge, kind: str) -> None:
    below = Item(CONCEPTS[5], "twemoji", 0.5, 0.6, 0.6)
    above = {"on": Item("fox", "twemoji", 0.5, 0.18, 0.32), "inside": Item("fox", "twemoji", 0.5, 0.62, 0.26),
             "holding": Item("fox", "twemoji", 0.8, 0.68, 0.26)}[kind]
    subject = 0 if kind == "holding" else 1
    scene = Scene(256, 256, Background("solid", ("#1e2a5a",)), (below, above), relations=(Relation(kind, subject, (1 - subject,)),))
    assert judge.check(render(scene, 512), scene, ("concept", "style"))


def test_blurred_pictures_are_read_too(judge: Judge) -> None:
    scene = pair()
    assert judge.check(evals.squeezed(render(scene, 512), 64), scene, ("concept", "style", "colour", "position", "background"))


@needs_tesseract
@pytest.mark.parametrize(("text", "font", "language"), [("HELLO", "sans", "eng"), ("你好", "hei", "chi_sim")])
def test_lettering_is_read(judge: Judge, text: str, font: str, language: str) -> None:
    if language not in lettering.languages():
        pytest.skip(f"tesseract lacks {language}")
    scene = Scene(256, 256, WHITE, (), (Lettering(text, font, 0.5, 0.5, 0.25, "#1e2a5a"),))
    pixels = render(scene, 512)
    assert judge.answer(pixels, "lettering", "zh" if language == "chi_sim" else "") == (text,)
    assert judge.check(pixels, scene)
    wrong = judge.check(pixels, replace(scene, lettering=(replace(scene.lettering[0], text="JELLO" if font == "sans" else "你们"),)))
    assert wrong.faults == {"word"}


def test_without_tesseract_only_lettering_fails(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(256, 256, WHITE, (), (Lettering("HI", "sans", 0.5, 0.5, 0.3, "#222222"),))
    monkeypatch.setattr(lettering.shutil, "which", lambda _: None)
    lettering.languages.cache_clear()
    try:
        with pytest.raises(CannotDo, match="tesseract"):
            judge.check(render(scene), scene)
        assert judge.check(render(scene), scene, tuple(t for t in TASKS if t != "lettering"))
    finally:
        lettering.languages.cache_clear()


def test_bad_input_is_refused(judge: Judge) -> None:
    with pytest.raises(BadInput, match="uint8"):
        judge.look(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(BadInput, match="sides"):
        judge.look(np.zeros((8, 64, 4), np.uint8))
    with pytest.raises(Unknown, match="question"):
        judge.answer(np.zeros((64, 64, 4), np.uint8), "how manny")
    with pytest.raises(Unknown, match="task"):
        judge.check(render(pair()), pair(), ("concepts",))
    with pytest.raises(Unknown):
        Judge(("no-such-thing",))


def test_empty_pictures_hold_nothing(judge: Judge) -> None:
    seen = judge.look(np.zeros((64, 64, 4), np.uint8))
    assert seen.items == () and seen.background.kind == "transparent"
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 4), dtype=np.uint8)
    noise[..., 3] = 255
    assert all(i.score < 0.7 for i in judge.look(noise).items)


def test_a_damaged_bank_is_built_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSO_CACHE", str(tmp_path))
    first = load(CONCEPTS[:2], ("flat", "line"))
    (stored,) = tmp_path.glob("judge-*.npz")
    stored.write_bytes(stored.read_bytes()[:1000])
    again = load(CONCEPTS[:2], ("flat", "line"))
    assert np.array_equal(first.colour, again.colour) and len(list(tmp_path.iterdir())) == 1
    assert np.array_equal(load(CONCEPTS[:2], ("flat", "line")).sprites, first.sprites)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 500), st.integers(0, 500))
def test_wilson_holds_the_share(k: int, more: int) -> None:
    low, high = wilson(k, k + more)
    assert 0 <= low <= high <= 1
    if k + more:
        assert low <= k / (k + more) <= high
        assert wilson(2 * k, 2 * (k + more))[1] - wilson(2 * k, 2 * (k + more))[0] <= high - low + 1e-12


def test_intervals_against_known_values() -> None:
    low, high = wilson(8, 10)  # Wilson 1927 by hand: centre 0.7167, half width 0.2266
    assert abs(low - 0.4902) < 1e-3 and abs(high - 0.9433) < 1e-3
    with pytest.raises(ValueError, match="share"):
        wilson(3, 2)
    assert bootstrap_mean([2.0] * 5) == (2.0, 2.0)
    low, high = bootstrap_mean([0.0, 1.0] * 50)
    assert 0.38 < low < 0.46 and 0.54 < high < 0.62
    assert share_text(97, 100).strip().startswith("97.0 %")


@pytest.mark.parametrize("font", ["brush", "script"])
def test_ink_of_the_asked_colour_is_compared_letter_by_letter(judge: Judge, font: str) -> None:
    scene = Scene(256, 256, Background("solid", ("#f7d020",)), (), (Lettering("wake", font, 0.5, 0.2, 0.28, "#22c3d6"),))
    seen = judge.look(render(scene, 512))
    assert glyphs.stands(seen, "wake", "#22c3d6")
    assert not glyphs.stands(seen, "wade", "#22c3d6") and not glyphs.stands(seen, "wake", "#e02424")
