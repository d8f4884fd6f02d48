"""What the score of a model asks: GenEval's six tasks in the drawn world (Ghosh, Hajishirzi, Schmidt 2023) and five more.

Every task is a way to sample a scene whose tested composition is held out from training, to word it, and to judge it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from sayso.world.captions import caption
from sayso.world.sampler import WorldSpec, sample_scene
from sayso.world.scene import Background, Scene
from sayso.world.splits import held_out

CHINESE = 0.25  # share of prompts in Chinese


@dataclass(frozen=True)
class Task:
    """`kind`: of sampler.KINDS. `fits`: which sampled scenes will do. `change`: the scene that is asked for.

    `density`: how it is worded. `facts`: what the judge is asked (judge.TASKS). `general`: one of GenEval's six.
    """

    name: str
    kind: str
    density: str
    facts: tuple[str, ...]
    general: bool
    fits: Callable[[Scene], bool]
    change: Callable[[Scene, random.Random], Scene]


def _as_it_is(scene: Scene, rng: random.Random) -> Scene:
    return scene


def _plain(scene: Scene, rng: random.Random) -> Scene:
    """Without relations and tints, which the task does not test."""
    return replace(scene, relations=(), items=tuple(replace(i, tint=None) for i in scene.items))


def _on_colour(scene: Scene, rng: random.Random) -> Scene:
    return (
        scene if scene.background.kind == "solid" else replace(scene, background=Background("solid", (f"#{rng.randrange(1 << 24):06x}",)))
    )


def _on_nothing(scene: Scene, rng: random.Random) -> Scene:
    return replace(scene, background=Background("transparent"))


def _related(scene: Scene) -> bool:
    return len(scene.items) == 2 and any(r.kind in ("left of", "right of", "above", "below") for r in scene.relations)


def _hanzi(scene: Scene) -> bool:
    return any("\u4e00" <= c <= "\u9fff" for line in scene.lettering for c in line.text)


# Style and background are asked for in dense prompts, since shorter ones may leave them out.
TASKS: tuple[Task, ...] = (
    Task("single", "single", "short", ("concept",), True, lambda s: len(s.items) == 1, _plain),
    Task("two", "pair", "short", ("concept",), True, lambda s: len(s.items) == 2, _plain),
    Task("counting", "count", "short", ("count",), True, lambda s: 2 <= len(s.items) <= 4, _as_it_is),
    Task("colour", "colours", "short", ("concept", "colour"), True, lambda s: len(s.items) == 1, _as_it_is),
    Task("position", "pair", "dense", ("concept", "position"), True, _related, _as_it_is),
    Task(
        "binding",
        "colours",
        "short",
        ("concept", "colour"),
        True,
        lambda s: len(s.items) == 2 and len({i.tint for i in s.items}) == 2 and len({i.concept for i in s.items}) == 2,
        _as_it_is,
    ),
    Task("style", "single", "dense", ("style",), False, lambda s: len(s.items) == 1, _plain),
    Task("background", "single", "dense", ("background",), False, lambda s: s.background.kind == "solid", _on_colour),
    Task("transparency", "single", "dense", ("transparency",), False, lambda s: len(s.items) == 1, _on_nothing),
    Task("lettering", "lettering", "medium", ("lettering",), False, lambda s: len(s.lettering) == 1, _as_it_is),
    Task("letters", "lettering", "medium", ("lettering",), False, lambda s: len(s.lettering) == 1 and not _hanzi(s), _as_it_is),
    Task("characters", "lettering", "medium", ("lettering",), False, lambda s: len(s.lettering) == 1 and _hanzi(s), _as_it_is),
    Task("grid", "grid", "short", ("grid",), False, lambda s: s.grid == (4, 4), _as_it_is),
)


def prompt_of(task: Task, world: WorldSpec, seed: int, index: int) -> tuple[Scene, str]:
    """The index-th scene of a task and its wording; a pure function of its arguments."""
    rng = random.Random(f"{seed}/{task.name}/{index}")
    spec = replace(world, kinds=((task.kind, 1.0),), split="held-out")
    while True:
        scene = sample_scene(rng, spec)
        if not task.fits(scene):
            continue
        scene = task.change(scene, rng)
        if task.kind == "single" or held_out(scene):  # what made it held out may have been what was changed
            break
    return scene, caption(scene, rng, "zh" if rng.random() < CHINESE else "en", task.density)
