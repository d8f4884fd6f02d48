"""The score of a model: prompts are held out and say what is judged, sums are right, a stopped run goes on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sayso.errors import Unknown
from sayso.evals import world
from sayso.evals.tasks import TASKS, Task, prompt_of
from sayso.evals.world import Result
from sayso.types import Ask, Drew, Event, Message, Picture
from sayso.world import art, colours, lexicon, wording
from sayso.world.render import render
from sayso.world.sampler import default_mix
from sayso.world.splits import held_out

WORLD = default_mix(art.CORE[:60])


@pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)
def test_prompts_are_held_out_and_name_what_is_asked(task: Task) -> None:
    for index in range(12):
        scene, prompt = prompt_of(task, WORLD, 0, index)
        assert (scene, prompt) == prompt_of(task, WORLD, 0, index)
        assert task.fits(scene) or task.name == "background"
        if task.kind != "single":
            assert held_out(scene), prompt
        assert {i.concept for i in scene.items} <= {m.slug for m in lexicon.mentions(prompt)}, prompt
    assert prompt_of(task, WORLD, 1, 0)[1] != prompt_of(task, WORLD, 0, 0)[1]


class Exact:
    """An engine that draws the scene itself: the score of a perfect model."""

    name = "exact"

    def __init__(self, scenes: dict[str, object]):
        self.scenes = scenes

    def respond(self, ask: Ask) -> Iterator[Event]:
        assert isinstance(ask.messages[0], Message)
        scene = self.scenes[ask.messages[0].parts[0].text]  # type: ignore[union-attr]
        yield Drew(0, Picture(render(scene, 512, 512)), ask.seed)  # type: ignore[arg-type]


def test_an_exact_engine_is_right_and_a_stopped_run_goes_on(tmp_path: Path) -> None:
    tasks = tuple(t for t in TASKS if t.name in ("single", "background", "transparency"))
    scenes = {prompt: scene for t in tasks for i in range(2) for scene, prompt in [prompt_of(t, WORLD, 0, i)]}
    args = argparse.Namespace(n=2, out=tmp_path, seed=0, steps=None, guidance=None, resume=False)
    results = list(world.examine(Exact(scenes), WORLD, tasks, args))  # type: ignore[arg-type]
    assert all(r.right for r in results), [r.reasons for r in results]
    path = tmp_path / "results.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:3]) + '\n{"task": "half', encoding="utf-8")
    args.resume = True
    left = Exact({r.prompt: scenes[r.prompt] for r in results[3:]})
    again = list(world.examine(left, WORLD, tasks, args))  # type: ignore[arg-type]
    assert again == results
    assert len(list((tmp_path / "pictures").iterdir())) == 6


def test_sums() -> None:
    tasks = TASKS[:2]
    results = [Result("single", i, "p", i < 3, 1.0, None, ()) for i in range(4)] + [
        Result("two", i, "p", i < 1, 0.5, None, ()) for i in range(4)
    ]
    scores = world.summary(results, tasks)
    assert scores["tasks"]["single"]["share"] == 0.75 and scores["tasks"]["two"]["facts"] == 0.5
    assert scores["overall"] == 0.5 and scores["overall_low"] <= 0.5 <= scores["overall_high"]
    assert "| single | 0.75 of 4 |" in world.table(scores) and json.dumps(scores)


def test_unknown_tasks_are_named() -> None:
    with pytest.raises(Unknown, match="single"):
        world.chosen("singel")


@pytest.mark.parametrize("name", ["style", "background", "transparency"])
def test_what_is_judged_was_asked_for(name: str) -> None:
    task = next(t for t in TASKS if t.name == name)
    for index in range(100):
        scene, prompt = prompt_of(task, WORLD, 0, index)
        if name == "style":
            words = {*wording.STYLE_EN[scene.items[0].style], *wording.STYLE_ZH[scene.items[0].style]}
        elif name == "transparency":
            words = {"transparent", "no background", "without", "cut out", "透明", "无背景", "没有背景"}
        else:
            (colour,) = scene.background.colours
            words = {colour, *(word for c in colours.COLOURS if c.hex == colour for word in (*c.en, *c.zh))}
        assert any(word.lower() in prompt.lower() for word in words), (prompt, words)
