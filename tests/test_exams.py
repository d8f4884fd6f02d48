"""Exams beyond drawing: an engine that does exactly what was asked passes them all, one that does nothing fails them all."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sayso.evals import exams, world
from sayso.evals.exams import EXAMS, Exam, Outcome, Room, agree, exact, sat, strayed
from sayso.types import Ability, Ask, Drew, Event, Picture, Said
from sayso.world import alley, art, compare, edits, looks, masks, motion, negation, questions, solids
from sayso.world.render import render
from sayso.world.sampler import default_mix
from sayso.world.scene import Background, Item, Scene

WORLD = default_mix(art.CORE[:80])
ALL = frozenset(Ability)


class Recorder:
    """Remembers what the world's functions gave to the exam: an oracle reads it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.seen: dict[str, list[Any]] = {}
        for module, name in (
            (edits, "sample_edit"),
            (exams, "sample_turns"),
            (exams, "sample_combination"),
            (questions, "sample_question"),
            (compare, "sample_comparison"),
            (solids, "sample_solid"),
            (solids, "instruction"),
            (alley, "instruction"),
            (negation, "negated"),
            (exams, "sample_scene"),
        ):
            monkeypatch.setattr(module, name, self._kept(name, getattr(module, name), module))

    def _kept(self, name: str, original: Callable[..., Any], module: Any) -> Callable[..., Any]:
        def wrapped(*args: Any, **more: Any) -> Any:
            out = original(*args, **more)
            self.seen.setdefault(f"{module.__name__.rsplit('.', 1)[1]}.{name}", []).append((args, out))
            return out

        return wrapped

    def last(self, name: str) -> Any:
        return self.seen[name][-1][1]


class Oracle:
    """An engine that knows what was asked, and what for."""

    name, abilities, looks = "oracle", ALL, looks.NAMES

    def __init__(self, recorder: Recorder, exam: str):
        self.recorder, self.exam = recorder, exam
        self.turn = 0

    def respond(self, ask: Ask) -> Iterator[Event]:
        if ask.want == "text":
            kept = (
                self.recorder.last("questions.sample_question")
                if self.exam == "questions"
                else self.recorder.last("compare.sample_comparison").question
            )
            yield Said(kept.answer)
            return
        yield Drew(0, Picture(self.picture(ask), self.origin(ask)), ask.seed)

    def origin(self, ask: Ask) -> dict[str, object]:
        return {"motion": motion.write(motion.begun(ask.seed, "day"))} if self.exam == "walks" else {}

    def picture(self, ask: Ask) -> np.ndarray:
        last = self.recorder.last
        parts = [p for m in ask.messages for p in m.parts]
        before = next((p.pixels for p in reversed(parts) if isinstance(p, Picture)), None)
        if self.exam == "edits":
            return exact(last("edits.sample_edit").after)
        if self.exam == "masks":
            assert ask.mask is not None and before is not None
            return np.where(ask.mask[..., None], exact(last("edits.sample_edit").after), before)
        if self.exam == "eighth turn":
            made = last("exams.sample_turns")
            self.turn += 1
            assert sum(isinstance(p, Picture) for p in parts) == self.turn - 1
            return exact(made.scenes[self.turn - 1])
        if self.exam == "references":
            return exact(last("exams.sample_combination").after)
        if self.exam == "views":
            turned = sum(args[0] for args, _ in self.recorder.seen["solids.instruction"])
            return solids.render(last("solids.sample_solid"), turned, 128, 128)
        if self.exam == "walks":
            place = motion.begun(ask.seed, "day")
            for args, _ in self.recorder.seen.get("alley.instruction", []):
                place = motion.stepped(place, args[0])
            return alley.render(alley.numbered(ask.seed, "day")[0], alley.Walker(place.cell, place.way), 96, 96)
        scene: Scene = last("exams.sample_scene")
        if self.exam == "new looks":
            assert before is not None
            return looks.put_on(looks.LOOKS[ask.seed].name, before)
        if self.exam == "looks":
            item = scene.items[0]
            plain = Scene(scene.width, scene.height, scene.background, (type(item)(**{**item.__dict__, "tint": None, "turn": 0.0}),))
            return looks.put_on(looks.LOOKS[ask.seed].name, render(plain, 256, 256))
        return exact(scene)


class Idle:
    """An engine that hands back what it was shown, draws nothing and says nothing."""

    name, abilities, looks = "idle", ALL, looks.NAMES

    def respond(self, ask: Ask) -> Iterator[Event]:
        shown = [p for m in ask.messages for p in m.parts if isinstance(p, Picture)]
        yield Said("") if ask.want == "text" else Drew(0, shown[-1] if shown else Picture(np.full((256, 256, 4), 255, np.uint8)), ask.seed)


# A look costs a second and lettering another; one of each is enough here.
HOW_MANY = {
    "looks": (1,),
    "new looks": (0, 4),
    "eighth turn": (1,),
    "questions": (0, 1, 2, 3, 5, 6),
    "comparisons": (0, 1, 2, 3),
    "edits": (1, 3, 7),
    "masks": (0, 1),
    "references": (0, 2),
    "walks": (0, 3),
}


@pytest.mark.parametrize("exam", EXAMS, ids=lambda e: e.name)
def test_who_does_what_was_asked_passes(exam: Exam, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    for index in HOW_MANY.get(exam.name, (0,)):
        recorder.seen.clear()
        room = Room(Oracle(recorder, exam.name), WORLD, 0, None, None)  # type: ignore[arg-type]
        out = exam.sit(room, index)
        assert out.right and out.share == 1, (exam.name, index, out.prompt, out.reasons)


@pytest.mark.parametrize("exam", [e for e in EXAMS if e.name != "negation"], ids=lambda e: e.name)
def test_who_does_nothing_fails(exam: Exam) -> None:
    room = Room(Idle(), WORLD, 0, None, None)  # type: ignore[arg-type]
    for index in HOW_MANY.get(exam.name, (0,))[:2]:
        out = exam.sit(room, index)
        assert not out.right and out.reasons, (exam.name, index, out.prompt)
        assert 0 <= out.share < 1


def test_an_exam_repeats() -> None:
    room = Room(Idle(), WORLD, 3, None, None)  # type: ignore[arg-type]
    for exam in EXAMS:
        if exam.name in ("references", "questions", "comparisons"):
            one, again, other = (sat(exam, room, index) for index in (0, 0, 4))
            assert one.prompt == again.prompt and np.array_equal(one.pixels, again.pixels)
            assert not np.array_equal(one.pixels, other.pixels)


def test_what_weights_were_not_trained_for_is_not_scored(tmp_path: Path) -> None:
    class Draws(Idle):
        abilities, looks = frozenset({Ability.DRAW}), ()

    wanted = world.chosen("edits,looks,negation,views")
    left = world.offered(Draws(), wanted)  # type: ignore[arg-type]
    assert [t.name for t in left] == ["negation"]
    scores = world.summary([world.Result("negation", 0, "p", True, 1.0, None, ())], left, ("edits", "looks", "views"))
    assert "| edits | not trained | | |" in world.table(scores) and "overall" not in scores
    args = argparse.Namespace(n=1, out=tmp_path, seed=0, steps=None, guidance=None, resume=False)
    assert [r.task for r in world.examine(Idle(), WORLD, world.chosen("walks"), args)] == ["walks"]  # type: ignore[arg-type]
    assert (tmp_path / "pictures" / "walks-000.png").exists()


def test_a_refusal_is_a_wrong_answer_with_its_reason() -> None:
    class Refuses(Idle):
        def respond(self, ask: Ask) -> Iterator[Event]:
            raise exams.CannotDo("not today; come tomorrow")

    out = sat(EXAMS[3], Room(Refuses(), WORLD, 0, None, None), 0)  # type: ignore[arg-type]
    assert isinstance(out, Outcome) and not out.right and out.reasons == ("not today; come tomorrow",)


def test_answers_agree_however_they_are_put() -> None:
    assert agree("A fox.", "fox", "what") and agree("red", "Red", "colour") and not agree("red", "blue", "colour")
    assert agree("a cat and a dog", "dog and cat", "what") and not agree("a cat", "dog and cat", "what")
    assert agree("两只", "两只", "how many") and not agree("", "3", "how many")


def test_strays_are_counted_outside_the_region_only() -> None:
    a = np.zeros((10, 10, 4), np.uint8)
    b = a.copy()
    b[:5] = 255
    free = masks.of_boxes(((0.0, 0.0, 1.0, 0.5),), 10, 10, 0.0)
    assert strayed(a, b, free) == 0 and strayed(a, b, ~free) == 1 and strayed(a, b, np.ones((10, 10), bool)) == 0


@pytest.mark.parametrize(("styles", "asked"), [
    (("flat", None, "line"), "flat"), (("flat", None, None, "line", "line"), "flat"),
    (("flat", None, "line", "noto"), "noto"), (("flat", "line"), "line"),
    (("flat", None, "line", None, "noto"), "flat"), (("flat", None, "line", "noto", None, "line"), "noto"), (("flat", None), None)])
def test_what_comes_after_all_things_are_gone_is_in_their_style(styles: tuple[str | None, ...], asked: str | None) -> None:
    fox = Item("fox", "flat", 0.5, 0.5, 0.5)
    held = [() if style is None else (replace(fox, style=style),) for style in styles]  # type: ignore[arg-type]
    scenes = [Scene(64, 64, Background("transparent"), items) for items in held]
    assert [item.style for item in exams.in_style(scenes).items] == ([] if asked is None else [asked])
