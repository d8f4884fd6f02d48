"""What one set of weights is trained for: tasks, each a fixed layout of words and pictures and a way to fill it.

The model thinks in plans (world/shorthand.py): it reads a picture as a plan, writes one after a prompt, changes one as it is told
to, answers from it, and paints it. Words that follow each other are one text. What is learnt is marked in the layout: words
to be written, pictures to be drawn. Everything here is a pure function of a `random.Random`; no torch.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sayso.errors import BadInput
from sayso.types import Plan
from sayso.world import edits, fonts, lexicon, looks, masks, plan, revision, sheets, shorthand, solids
from sayso.world.captions import caption
from sayso.world.colours import COLOURS
from sayso.world.combine import sample_combination
from sayso.world.compare import sample_comparison
from sayso.world.layout import box, frame, overlap
from sayso.world.motion import TURNS, Motion, lot, turned
from sayso.world.negation import negated
from sayso.world.questions import Question, sample_question
from sayso.world.render import render
from sayso.world.sampler import WorldSpec, sample_scene
from sayso.world.scene import Lettering, Scene
from sayso.world.staging import INK

ZOOM = 2  # how many times as large a part of a scene is shown


@dataclass(frozen=True)
class Zoomed:
    """A part of a scene, ZOOM times as large, on the scene's own canvas. `left`, `top`: where it begins, in fractions of the scene,
    0..1 − 1 / ZOOM."""

    scene: Scene
    left: float
    top: float

    @property
    def shown(self) -> Scene:
        """What is in it, with things that lie outside. What lies behind is not that scene's, which would not be zoomed."""
        there = [replace(i, x=(i.x - self.left) * ZOOM, y=(i.y - self.top) * ZOOM, size=i.size * ZOOM) for i in self.scene.items]
        lines = [replace(n, x=(n.x - self.left) * ZOOM, y=(n.y - self.top) * ZOOM, height=n.height * ZOOM) for n in self.scene.lettering]
        return replace(self.scene, items=tuple(there), lettering=tuple(lines), relations=(), grid=None)


Image = Scene | Zoomed | np.ndarray
"""A picture of a task: a scene for the compositor or a part of one, or uint8 [H, W, 4] with straight alpha."""


@dataclass(frozen=True)
class Words:
    """At most `width` pieces with their marks. `learnt`: the model is to write them."""

    width: int
    learnt: bool = False


@dataclass(frozen=True)
class Shot:
    """A picture. `drawn`: the model is to draw it; `shown`: what follows sees it clean; `painted`: it is told of its plan or pose;
    `sketched`: it begins with a sketch in place of noise."""

    drawn: bool
    shown: bool
    painted: bool = False
    sketched: bool = False


@dataclass(frozen=True, eq=False)
class Painting:
    """A plan and its picture. `sketch`: what it is painted over, uint8 [H, W, 4]; the plan then speaks of the look alone."""

    plan: Plan
    image: Image
    sketch: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class View:
    """A picture of a turntable or a walk, uint8 [H, W, 4], and its pose or place; of a place its sketch too (motion.sketched)."""

    motion: Motion
    image: np.ndarray
    sketch: np.ndarray | None = None


SEEN, PAINTED, POSED = Shot(False, True), Shot(True, False, painted=True), Shot(True, True, painted=True)
PLACED, LAST = Shot(True, True, sketched=True), Shot(True, False, sketched=True)
DRESSED = Shot(True, False, painted=True, sketched=True)
Layout = tuple[Words | Shot, ...]
Content = str | Image | Painting | View


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
    """`turntables`: per solid its kind and its views without colours (solids.undyed), 30° apart, uint8 [12, S, S, 6]; `walks`: per
    walk its places, sketches of them and what is seen there, both uint8 [N, S, S, 4]."""

    turntables: tuple[tuple[str, np.ndarray], ...]
    walks: tuple[tuple[tuple[Motion, ...], np.ndarray, np.ndarray], ...]


Maker = Callable[[Desk], list[Content] | None]


@dataclass(frozen=True)
class Task:
    """`make` fills the layout, or gives None where this draw did not fit. `abilities`: of types.Ability, by value."""

    name: str
    layout: Layout
    abilities: tuple[str, ...]
    make: Maker

    @property
    def pictures(self) -> int:
        return sum(isinstance(block, Shot) for block in self.layout)


# --- drawing -------------------------------------------------------------------------------------------------------------

SNAPPED = 0.6  # share of painted plans whose things lie on the lines of the patches, as those do that the model writes itself
SHEETS = 0.75  # share of painted pictures that are one sheet of a plan, as most are that the engine paints
LETTERS = 0.3  # share of the sheets that are a character by lot: in words most are rare
HANZI = 0.5  # share of these in the Chinese fonts that are mostly Chinese
_PAINTED = (
    ("single", 0.2),
    ("pair", 0.17),
    ("several", 0.12),
    ("count", 0.12),
    ("colours", 0.15),
    ("relation", 0.05),
    ("grid", 0.05),
    ("lettering", 0.11),
    ("crowd", 0.03),
)


_PLANNED = (  # scenes that plans are written of after a prompt: many whose words must be copied in their order
    ("single", 0.1),
    ("pair", 0.14),
    ("several", 0.12),
    ("count", 0.1),
    ("colours", 0.11),
    ("relation", 0.04),
    ("grid", 0.13),
    ("lettering", 0.24),
    ("crowd", 0.02),
)
_TALKED = (  # scenes that changes and questions are about
    ("single", 0.16),
    ("pair", 0.2),
    ("several", 0.18),
    ("count", 0.13),
    ("colours", 0.14),
    ("relation", 0.05),
    ("grid", 0.03),
    ("lettering", 0.15),
    ("crowd", 0.02),
)


def _bare(scene: Scene) -> Scene:
    """Without shadows, which a plan does not speak of."""
    return replace(scene, items=tuple(replace(i, shadow=False) for i in scene.items))


def _paint(desk: Desk) -> list[Content]:
    """A plan and its picture, or a sheet of it (engines/layers.py). Sheets are square, but for what lies behind."""
    snap = desk.world.snap if desk.rng.random() < SNAPPED else 0
    scene = _bare(sample_scene(desk.rng, replace(desk.world, kinds=_PAINTED, snap=snap)))
    if desk.rng.random() < SHEETS:
        square = desk.size[0] == desk.size[1]
        if square and desk.rng.random() < LETTERS:
            scene = _letter(desk)
            return [Painting(plan.to_plan(scene), scene)]
        scene = desk.rng.choice([s for s in sheets.all_of(scene) if square or not (s.items or s.lettering)] or [sheets.bare(scene)])
    return [Painting(plan.to_plan(scene), scene)]


def _letter(desk: Desk) -> Scene:
    """A character by lot."""
    font = desk.rng.choice(desk.world.fonts)
    latin = font not in fonts.CHINESE or desk.rng.random() > HANZI
    return sheets.of_character(desk.rng.choice(letters(font, latin)), font, desk.rng.choice(COLOURS).hex)


@functools.cache
def letters(font: str, latin: bool) -> tuple[str, ...]:
    """What of a font can be seen, or only what is not Chinese of it."""
    return tuple(sorted(c for c in fonts.glyphs(font) - {" "} if not latin or c.isascii()))


def _short(scene: Scene) -> str:
    return shorthand.write(plan.to_plan(scene))


_BY_LOT = 0.5  # share of the letterings after prompts that are characters by lot: only who copies can know them


def _lettered_by_lot(scene: Scene, rng: random.Random) -> Scene:
    """The scene, or one whose lettering says something else that is not longer."""
    if not scene.lettering or rng.random() > _BY_LOT:
        return scene
    (line,) = scene.lettering
    wide, made = fonts.width(line.font, line.text), _by_lot(rng, line.font)
    while fonts.width(line.font, made) > max(wide, 1.5):
        made = made[:-1].strip()
    return replace(scene, lettering=(replace(line, text=made, height=line.height * min(1, wide / fonts.width(line.font, made))),))


def _by_lot(rng: random.Random, font: str) -> str:
    """One to three words of characters by lot, or one to four Chinese ones."""
    if font in fonts.CHINESE and rng.random() < 0.5:
        return "".join(rng.choices([c for c in letters(font, latin=False) if not c.isascii()], k=rng.randint(1, 4)))
    words = ["".join(rng.choices("aaabcdeeefghiiijklmnooopqrstuuuvwxyz", k=rng.randint(2, 7))) for _ in range(rng.choice((1, 1, 2, 3)))]
    said = " ".join(words)
    return rng.choice((said, said.upper(), said.title()))


def _think(desk: Desk) -> list[Content]:
    """A prompt and its plan, things in the order in which they are named; in one of eight a thing is said to be left out."""
    rng = desk.rng
    scene = _lettered_by_lot(sample_scene(rng, replace(desk.world, kinds=_PLANNED)), rng)
    if rng.random() < 0.12:
        said = negated(scene, rng, desk.language, desk.world.concepts).prompt
    else:
        said = caption(scene, rng, desk.language, rng.choices(("short", "medium", "dense"), (0.5, 0.35, 0.15))[0])
    return [said, _short(as_named(scene, said))]


def as_named(scene: Scene, said: str) -> Scene:
    """The scene with its things in the order in which the words name them, so that what belongs to each can be copied as it comes.

    Where one covers another the order says which is above, and stays. Relations point at things by their number and are left out.
    """
    boxes = [box(item, scene.width, scene.height) for item in scene.items]
    if scene.grid or any(overlap(a, b) > 0 for a, b in itertools.combinations(boxes, 2)):
        return scene
    at: dict[str, int] = {}
    for mention in lexicon.mentions(said):
        at.setdefault(mention.slug, mention.start)
    items = sorted(scene.items, key=lambda item: at.get(item.concept, len(said)))
    return replace(scene, items=tuple(items), relations=())


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
    """A picture painted over in a look."""
    look, before, after = _styled(desk, sample_scene(desk.rng, replace(desk.world, kinds=_PAINTED)))
    return [Painting(Plan(*desk.size, "transparent", look=look.name), after, before)]


def _think_look(desk: Desk) -> list[Content]:
    """A prompt that asks for a look, and the plan."""
    scene = sample_scene(desk.rng, replace(desk.world, kinds=_LARGE))
    look = desk.rng.choice(looks.LOOKS)
    said = caption(scene, desk.rng, desk.language, "short").rstrip(".。?？")
    scene = as_named(scene, said)
    said += ("，" if desk.language == "zh" else ", ") + look_words(look, desk.rng, desk.language)
    return [said, shorthand.write(replace(plan.to_plan(scene), look=look.name))]


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


# --- changing ------------------------------------------------------------------------------------------------------------


ASKED = 3  # instructions about one plan in a sample, each from that plan on: to read it takes longer than to answer


EMPTY = 0.06  # share of the plans that are changed in which nothing is left, as when the only thing was taken away


def _rethink(desk: Desk) -> list[Content]:
    """A plan, and instructions with what each makes of it; one of ten is about the look."""
    rng, scene = desk.rng, _shown(desk)
    if rng.random() < EMPTY:
        scene = sheets.bare(scene)
    before = plan.to_plan(scene)
    contents: list[Content] = [shorthand.write(before)]
    for _ in range(ASKED):
        if rng.random() < 0.1:
            look = rng.choice(looks.LOOKS)
            contents += [relook_words(look, rng, desk.language), revision.write(before, replace(before, look=look.name))]
            continue
        made = edits.sample_edit(scene, rng, desk.language, desk.world.concepts, desk.world.styles)
        contents += [made.instruction, _change(made)]
    return contents


def _change(made: edits.Edit) -> str:
    return revision.write(*(shorthand.settled(plan.to_plan(s)) for s in (made.before, made.after)))


_ERASE_EN, _ERASE_ZH = ("erase this", "remove this", "erase what is marked"), ("擦掉这里", "去掉这里的东西", "移除标出的部分")


def _remask(desk: Desk) -> list[Content]:
    """A plan, and instructions with where it may change and what each makes of it."""
    rng, scene = desk.rng, _shown(desk)
    contents: list[Content] = [_short(scene)]
    for _ in range(ASKED):
        kind = rng.choice(("remove", "remove", "add", "replace", "recolour", "lettering", "give"))
        made = edits.sample_edit(scene, rng, desk.language, desk.world.concepts, desk.world.styles, kind)
        mask = masks.brushed(made.region, 128 * scene.width // scene.height, 128, rng)
        said = made.instruction
        if kind == "remove" and rng.random() < 0.6:
            said = rng.choice(_ERASE_EN if desk.language == "en" else _ERASE_ZH)
        contents += [masks.area_words(mask) + said, _change(made)]
    return contents


def _combined(desk: Desk, pictures: int) -> list[Content]:
    """Plans, what is to be made of them, and which of them is changed to it and how."""
    made = sample_combination(desk.rng, desk.world, desk.language, pictures)
    plans = [shorthand.settled(plan.to_plan(scene)) for scene in (*made.pictures, made.after)]
    base = made.base
    said = shorthand.mark(base + 1) + revision.write(plans[base], plans[-1])
    return [*map(shorthand.write, plans[:-1]), made.instruction, said]


def _combine(desk: Desk) -> list[Content]:
    return _combined(desk, 2)


def _combine_three(desk: Desk) -> list[Content]:
    return _combined(desk, 3)


# --- reading -------------------------------------------------------------------------------------------------------------


def _shown(desk: Desk) -> Scene:
    """A scene whose things lie anywhere, now and then on the lines of the patches."""
    snap = desk.world.snap if desk.rng.random() < 0.3 else 0
    return _bare(sample_scene(desk.rng, replace(desk.world, kinds=_TALKED, snap=snap)))


CLOSE_UPS = 0.35  # share of glances that show a part of a line of lettering enlarged, as the engine reads it
ZOOMS = 0.3  # share of those that show a part of a scene
_NONSENSE = 0.4  # share of the lines that are characters by lot: in words most are rare


def _glance(desk: Desk) -> list[Content]:
    """A picture whose patches are named by the eye alone."""
    at = desk.rng.random()
    if at < CLOSE_UPS:
        return [_close_up(desk)]
    scene = _shown(desk)
    if at > 1 - ZOOMS:
        return [Zoomed(scene, *(desk.rng.randrange(side + 1) / side * (1 - 1 / ZOOM) for side in desk.size))]
    return [scene]


def _close_up(desk: Desk) -> Scene:
    """A part of a line of lettering, cut off anywhere."""
    rng = desk.rng
    scene = sample_scene(rng, replace(desk.world, kinds=(("lettering", 1.0),)))
    line = scene.lettering[0] if scene.lettering else Lettering("A", "sans", 0.5, 0.5, 0.5, INK)
    if rng.random() < _NONSENSE:
        line = replace(line, text="".join(rng.choices(letters(line.font, latin=rng.random() < 0.5), k=4)))
    em = rng.uniform(*sheets.CLOSE)
    across, down = frame(*desk.size)
    reach = max(0.2, fonts.width(line.font, line.text) * em / 2 - 0.3)
    x, y = across / 2 + rng.uniform(-reach, reach), down / 2 + rng.uniform(-0.1, 0.1)
    line = replace(line, x=x / across, y=y / down, height=em)
    return replace(sheets.bare(scene), lettering=(line,))


QUESTIONS = 6  # about one plan in a sample


def _answer(desk: Desk) -> list[Content]:
    """A plan, and questions about it with their answers."""
    scene = _shown(desk)
    contents: list[Content] = [_short(scene)]
    for _ in range(QUESTIONS):
        question = sample_question(scene, desk.rng, desk.language)
        contents += [question.text, quoted(question)]
    return contents


def quoted(question: Question) -> str:
    """The answer, lettering in quotation marks: between them words keep their capitals, and are the pieces that the plan has."""
    return f'"{question.answer}"' if question.kind == "text" else question.answer


DESCRIBE_EN = ("describe the picture", "what does the picture show?", "write a caption", "describe it")
DESCRIBE_ZH = ("描述这张图", "说说画面内容", "给图片写一句说明", "描述一下")


def _describe(desk: Desk) -> list[Content]:
    """A plan and a caption of its picture."""
    scene = sample_scene(desk.rng, replace(desk.world, kinds=_TALKED))
    asked = desk.rng.choice(DESCRIBE_EN if desk.language == "en" else DESCRIBE_ZH)
    return [_short(scene), asked, caption(scene, desk.rng, desk.language, "short")]


def _compare(desk: Desk) -> list[Content]:
    made = sample_comparison(desk.rng, desk.world, desk.language)
    return [_short(made.first), _short(made.second), made.question.text, made.question.answer]


# --- views and walks -------------------------------------------------------------------------------------------------------


def _views(desk: Desk) -> list[Content]:
    """A solid in some pose, and turned on by a multiple of 30°."""
    assert desk.reel is not None, "views are made ahead; pass a reel"
    kind, views = desk.rng.choice(desk.reel.turntables)
    first = lot(desk.rng, kind)
    poses = first, turned(first, solids.STEP * desk.rng.randrange(1, TURNS))
    made = [solids.dyed(views[p.turn // solids.STEP], p.colour, p.second, p.background) for p in poses]
    return [View(pose, small(pixels, *desk.size)) for pose, pixels in zip(poses, made, strict=True)]


def _walk(desk: Desk) -> list[Content]:
    """Two pictures of a walk, one after the other."""
    assert desk.reel is not None, "walks are made ahead; pass a reel"
    places, sketches, pictures = desk.rng.choice(desk.reel.walks)
    at = desk.rng.randrange(len(places) - 1)
    return [View(places[k], small(pictures[k], *desk.size), small(sketches[k], *desk.size)) for k in (at, at + 1)]


# --- the table -----------------------------------------------------------------------------------------------------------

_ASKED, _PLAN, _NEW = Words(40), Words(144), Words(144, learnt=True)
_CHANGED = (_ASKED, Words(64, learnt=True))
TASKS: tuple[Task, ...] = (
    Task("paint", (PAINTED,), ("draw", "transparent"), _paint),
    Task("look", (DRESSED,), ("draw",), _look),
    Task("think", (Words(112), _NEW), ("think",), _think),
    Task("think look", (Words(56), _NEW), ("think",), _think_look),
    Task("rethink", (_PLAN, *_CHANGED * ASKED), ("edit",), _rethink),
    Task("remask", (_PLAN, *_CHANGED * ASKED), ("mask",), _remask),
    Task("combine", (_PLAN, _PLAN, *_CHANGED), ("references",), _combine),
    Task("combine three", (_PLAN, _PLAN, _PLAN, *_CHANGED), ("references",), _combine_three),
    Task("glance", (SEEN,), (), _glance),
    Task("answer", (_PLAN, *(_ASKED, Words(24, learnt=True)) * QUESTIONS), ("ask",), _answer),
    Task("describe", (_PLAN, Words(16), Words(56, learnt=True)), ("ask",), _describe),
    Task("compare", (_PLAN, _PLAN, _ASKED, Words(24, learnt=True)), ("ask",), _compare),
    Task("views", (POSED, PAINTED), ("views",), _views),
    Task("walk", (PLACED, LAST), ("walk",), _walk),
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
