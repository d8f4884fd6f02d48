"""What one set of weights is trained for: tasks, each a fixed layout of words and pictures and a way to fill it.

A conversation is a row of pairs (words, picture), then words; the words before a picture are empty where none were said.
What is learnt is marked in the layout: words to be written, pictures to be drawn. Everything here is a pure function of a
`random.Random`; no torch.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sayso.errors import BadInput
from sayso.world import edits, looks, masks, plan
from sayso.world.captions import caption
from sayso.world.combine import sample_combination
from sayso.world.compare import sample_comparison
from sayso.world.negation import negated
from sayso.world.questions import sample_question
from sayso.world.render import render
from sayso.world.sampler import WorldSpec, sample_scene
from sayso.world.scene import Scene
from sayso.world.turns import sample_turns

Image = Scene | np.ndarray
"""A picture of a task: a scene for the compositor, or uint8 [H, W, 4] with straight alpha."""


@dataclass(frozen=True)
class Words:
    """At most `width` pieces with their marks. `learnt`: the model is to write them."""

    width: int
    learnt: bool = False


@dataclass(frozen=True)
class Shot:
    """A picture. `drawn`: the model is to draw it; `shown`: what follows sees it clean."""

    drawn: bool
    shown: bool


SEEN, DRAWN, BOTH = Shot(False, True), Shot(True, False), Shot(True, True)
Layout = tuple[Words | Shot, ...]
Content = str | Image


@dataclass(frozen=True)
class Desk:
    """What a task works with. `size`: (width, height) of pictures in pixels. `reel`: view and walk sequences made ahead."""

    rng: random.Random
    world: WorldSpec
    size: tuple[int, int]
    language: str
    reel: Reel | None = None


@dataclass(frozen=True, eq=False)
class Reel:
    """`turntables`: per solid its caption by language and its views, 30° apart; `walks`: per walk its caption by language,
    its steps and its pictures, one more than steps."""

    turntables: tuple[tuple[dict[str, str], tuple[np.ndarray, ...]], ...]
    walks: tuple[tuple[dict[str, str], tuple[str, ...], tuple[np.ndarray, ...]], ...]


Maker = Callable[[Desk], list[Content] | None]


@dataclass(frozen=True)
class Task:
    """`make` fills the layout, or gives None where this draw did not fit. `ability`: of types.Ability, by value."""

    name: str
    layout: Layout
    ability: str
    make: Maker

    @property
    def pictures(self) -> int:
        return sum(isinstance(block, Shot) for block in self.layout)


# --- drawing -------------------------------------------------------------------------------------------------------------

_MANY = (("grid", 0.35), ("crowd", 0.25), ("several", 0.25), ("count", 0.15))


def _plan(desk: Desk) -> list[Content]:
    """A plan of many things, drawn."""
    scene = sample_scene(desk.rng, replace(desk.world, kinds=_MANY))
    return [plan.write(plan.to_plan(scene)), scene]


def _think(desk: Desk) -> list[Content]:
    """A prompt, its plan, its picture. The canvas of a plan is the world's own, whatever the picture's pixels."""
    scene = sample_scene(desk.rng, desk.world)
    return [caption(scene, desk.rng, desk.language, desk.rng.choice(("short", "medium"))), plan.write(plan.to_plan(scene)), scene]


def _think_long(desk: Desk) -> list[Content]:
    scene = sample_scene(desk.rng, replace(desk.world, kinds=_MANY))
    return [caption(scene, desk.rng, desk.language, desk.rng.choice(("short", "dense"))), plan.write(plan.to_plan(scene)), scene]


def _without(desk: Desk) -> list[Content]:
    scene = sample_scene(desk.rng, desk.world)
    return [negated(scene, desk.rng, desk.language, desk.world.concepts).prompt, scene]


_LARGE = (("single", 0.5), ("pair", 0.25), ("colours", 0.25))


def _styled(desk: Desk, scene: Scene) -> tuple[looks.Look, np.ndarray, np.ndarray]:
    """A random look with the exact picture before and after, at the desk's size."""
    look = desk.rng.choice(looks.LOOKS)
    width, height = desk.size
    scale = max(1, looks.SHORT // min(desk.size))
    plain = render(replace(scene, width=width, height=height), width * scale, height * scale)
    return look, small(plain, width, height), small(looks.put_on(look.name, plain), width, height)


def small(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 [H, W, 4] straight → [height, width, 4] by area means of premultiplied colours; H, W are multiples of these."""
    if pixels.shape[:2] == (height, width):
        return pixels
    x = pixels.astype(np.float32) / 255
    x[..., :3] *= x[..., 3:]
    x = x.reshape(height, pixels.shape[0] // height, width, pixels.shape[1] // width, 4).mean((1, 3))
    x[..., :3] /= np.maximum(x[..., 3:], 1e-4)
    out: np.ndarray = np.round(x.clip(0, 1) * 255).astype(np.uint8)
    return out


def look_words(look: looks.Look, rng: random.Random, language: str) -> str:
    said = look.en if language == "en" else look.zh
    return said[0] if rng.random() < 0.6 else rng.choice(said)


def _look(desk: Desk) -> list[Content]:
    """A caption that asks for a look, and the picture in it."""
    scene = sample_scene(desk.rng, replace(desk.world, kinds=_LARGE))
    look, _, after = _styled(desk, scene)
    said = caption(scene, desk.rng, desk.language, "short").rstrip(".。?？")
    return [said + ("，" if desk.language == "zh" else ", ") + look_words(look, desk.rng, desk.language), after]


_AS_EN = ("turn it into a {}", "make it a {}", "redraw it as a {}", "the same as a {}")
_AS_ZH = ("变成{}", "改成{}", "用{}重画", "画成{}")


_UNCOUNTED = (
    "pixel art",
    "8-bit pixel art",
    "watercolour",
    "neon lights",
    "stained glass",
    "chalk on a blackboard",
    "cross-stitch",
    "painted in oils",
)


def relook_words(look: looks.Look, rng: random.Random, language: str) -> str:
    """ "turn it into pixel art"."""
    said = rng.choice(_AS_EN if language == "en" else _AS_ZH).format(look_words(look, rng, language))
    for word in _UNCOUNTED:
        said = said.removesuffix(f" a {word}") + f" {word}" if said.endswith(f" a {word}") else said
    for word in ("8-bit", "oil", "embroidery"):
        said = said.replace(f" a {word}", f" an {word}")
    return said


def _relook(desk: Desk) -> list[Content]:
    scene = sample_scene(desk.rng, replace(desk.world, kinds=_LARGE))
    look, before, after = _styled(desk, scene)
    return ["", before, relook_words(look, desk.rng, desk.language), after]


# --- editing -------------------------------------------------------------------------------------------------------------


def _edit(desk: Desk) -> list[Content]:
    """A picture, with or without the words it was drawn from, an instruction, and the picture after it."""
    scene = sample_scene(desk.rng, desk.world)
    made = edits.sample_edit(scene, desk.rng, desk.language, desk.world.concepts, desk.world.styles)
    said = caption(scene, desk.rng, desk.language, "short") if desk.rng.random() < 0.5 else ""
    return [said, made.before, made.instruction, made.after]


_ERASE_EN, _ERASE_ZH = ("erase this", "remove this", "erase what is marked"), ("擦掉这里", "去掉这里的东西", "移除标出的部分")
_WIDER_EN, _WIDER_ZH = (
    ("draw what is around it", "extend the picture", "continue the picture outwards"),
    ("扩展画面", "把画面向外补全", "画出周围"),
)


def _mask(desk: Desk) -> list[Content] | None:
    """A picture, where it may change, what to do there, and the picture after: an edit, an erasure, more picture around."""
    rng, (width, height) = desk.rng, desk.size
    scene = sample_scene(rng, desk.world)
    draw = rng.random()
    if draw < 0.25:
        return _outpaint(desk, scene)
    kind = "remove" if draw < 0.5 else rng.choice(("add", "replace", "recolour", "lettering", "give"))
    made = edits.sample_edit(scene, rng, desk.language, desk.world.concepts, desk.world.styles, kind)
    mask = masks.brushed(made.region, width, height, rng)
    said = made.instruction
    if kind == "remove" and rng.random() < 0.6:
        said = rng.choice(_ERASE_EN if desk.language == "en" else _ERASE_ZH)
    return ["", made.before, "", masks.picture(mask), said, made.after]


def _outpaint(desk: Desk, scene: Scene) -> list[Content]:
    rng, (width, height) = desk.rng, desk.size
    x0, y0 = 0.35 * rng.random(), 0.35 * rng.random()
    mask = masks.border((x0, y0, 1 - 0.35 * rng.random(), 1 - 0.35 * rng.random()), width, height)
    before = render(replace(scene, width=width, height=height)).copy()
    before[mask] = 0
    said = rng.choice(_WIDER_EN if desk.language == "en" else _WIDER_ZH)
    if rng.random() < 0.5:
        said = caption(scene, rng, desk.language, "short")
    return ["", before, "", masks.picture(mask), said, scene]


def _references(desk: Desk) -> list[Content]:
    made = sample_combination(desk.rng, desk.world, desk.language, 2)
    return ["", made.pictures[0], "", made.pictures[1], made.instruction, made.after]


def _references_three(desk: Desk) -> list[Content]:
    made = sample_combination(desk.rng, desk.world, desk.language, 3)
    return ["", made.pictures[0], "", made.pictures[1], "", made.pictures[2], made.instruction, made.after]


def _turns(desk: Desk) -> list[Content]:
    scene = sample_scene(desk.rng, desk.world)
    made = sample_turns(scene, desk.rng, desk.language, desk.world.concepts, desk.world.styles, 4)
    return [part for pair in zip(made.words, made.scenes, strict=True) for part in pair]


# --- reading -------------------------------------------------------------------------------------------------------------


def _ask(desk: Desk) -> list[Content]:
    scene = sample_scene(desk.rng, desk.world)
    question = sample_question(scene, desk.rng, desk.language)
    return ["", scene, question.text, question.answer]


DESCRIBE_EN = ("describe the picture", "what does the picture show?", "write a caption", "describe it")
DESCRIBE_ZH = ("描述这张图", "说说画面内容", "给图片写一句说明", "描述一下")
LIST_EN, LIST_ZH = ("write the plan of the picture", "where is everything?"), ("写出这张图的布局", "列出所有东西的位置")


def _describe(desk: Desk) -> list[Content]:
    """A caption of a picture, or its plan with all boxes."""
    scene = sample_scene(desk.rng, desk.world)
    if desk.rng.random() < 0.4:
        return ["", scene, desk.rng.choice(LIST_EN if desk.language == "en" else LIST_ZH), plan.write(plan.to_plan(scene))]
    asked = desk.rng.choice(DESCRIBE_EN if desk.language == "en" else DESCRIBE_ZH)
    return ["", scene, asked, caption(scene, desk.rng, desk.language, "medium")]


def _compare(desk: Desk) -> list[Content]:
    made = sample_comparison(desk.rng, desk.world, desk.language)
    return ["", made.first, "", made.second, made.question.text, made.question.answer]


# --- views and walks -------------------------------------------------------------------------------------------------------


def _views(desk: Desk) -> list[Content] | None:
    """Three views of a solid: as it stands, and turned on twice by a multiple of 30°."""
    from sayso.world import solids

    assert desk.reel is not None, "views are made ahead; pass a reel"
    said, views = desk.rng.choice(desk.reel.turntables)
    views = tuple(small(v, *desk.size) for v in views)
    at = 0
    contents: list[Content] = [said[desk.language], views[0]]
    for _ in range(2):
        turn = desk.rng.choice((-3, -2, -1, -1, 1, 1, 2, 3))
        at = (at + turn) % len(views)
        contents += [solids.instruction(turn * solids.STEP, desk.rng, desk.language), views[at]]
    return contents


def _walk(desk: Desk) -> list[Content] | None:
    """Three pictures of a walk."""
    from sayso.world import alley

    assert desk.reel is not None, "walks are made ahead; pass a reel"
    said, steps, pictures = desk.rng.choice(desk.reel.walks)
    at = desk.rng.randrange(len(steps) - 1)
    contents: list[Content] = [said[desk.language], small(pictures[at], *desk.size)]
    for k in (at, at + 1):
        contents += [alley.instruction(steps[k], desk.rng, desk.language), small(pictures[k + 1], *desk.size)]
    return contents


# --- the table -----------------------------------------------------------------------------------------------------------

_T = Words(24)
TASKS: tuple[Task, ...] = (
    Task("plan", (Words(320), DRAWN), "draw", _plan),
    Task("without", (Words(40), DRAWN), "draw", _without),
    Task("look", (Words(40), DRAWN), "draw", _look),
    Task("think", (Words(40), Words(112, learnt=True), DRAWN), "think", _think),
    Task("think long", (Words(112), Words(320, learnt=True), DRAWN), "think", _think_long),
    Task("edit", (Words(40), SEEN, _T, DRAWN), "edit", _edit),
    Task("relook", (_T, SEEN, _T, DRAWN), "edit", _relook),
    Task("turns", (Words(40), BOTH, Words(32), BOTH, Words(32), BOTH, Words(32), DRAWN), "edit", _turns),
    Task("mask", (Words(2), SEEN, Words(2), SEEN, Words(40), DRAWN), "mask", _mask),
    Task("references", (Words(2), SEEN, Words(2), SEEN, Words(40), DRAWN), "references", _references),
    Task("references three", (Words(2), SEEN, Words(2), SEEN, Words(2), SEEN, Words(40), DRAWN), "references", _references_three),
    Task("ask", (Words(2), SEEN, _T, Words(16, learnt=True)), "ask", _ask),
    Task("describe", (Words(2), SEEN, _T, Words(112, learnt=True)), "ask", _describe),
    Task("compare", (Words(2), SEEN, Words(2), SEEN, _T, Words(24, learnt=True)), "ask", _compare),
    Task("views", (Words(40), BOTH, _T, BOTH, _T, DRAWN), "views", _views),
    Task("walk", (_T, BOTH, _T, BOTH, _T, DRAWN), "walk", _walk),
)
BY_NAME = {task.name: task for task in TASKS}


def fill(task: Task, desk: Desk, fits: Callable[[str, int], bool], tries: int = 40) -> list[Content]:
    """One sample of a task whose words all fit their widths. Raises BadInput where the world allows none."""
    for _ in range(tries):
        try:
            made = task.make(desk)
        except BadInput:  # this scene allows no edit or question of that kind; another will
            continue
        if made is not None and all(
            fits(c, b.width) for b, c in zip(task.layout, made, strict=True) if isinstance(b, Words) and isinstance(c, str)
        ):
            return made
    raise BadInput(f'the world of this run has no sample for the task "{task.name}"; train on more concepts or leave the task out')
