"""The score of a model beyond drawing: edits, long conversations, questions, plans, looks, references, views and walks.

An exam talks to the engine through its public door, as often as it takes, and judges what came out against the exact
world. Scenes are of the held-out compositions. An exam is only sat by weights that say they were trained for it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

import numpy as np

from sayso.errors import BadInput, CannotDo
from sayso.types import Ability, Ask, Drew, Engine, Message, Part, Picture, Said, Text
from sayso.world import alley, compare, edits, lexicon, looks, masks, motion, negation, questions, solids, wording
from sayso.world.captions import caption
from sayso.world.combine import sample_combination
from sayso.world.layout import frame
from sayso.world.render import render
from sayso.world.sampler import WorldSpec, sample_scene
from sayso.world.scene import BACKDROP_VARIANTS, Item, Scene, Style
from sayso.world.turns import sample_turns

if TYPE_CHECKING:
    from sayso.world.judge import Judge, Seen, SeenItem

T = TypeVar("T")
CHINESE = 0.25
SHOWN = 512  # pixels along the shorter side of the exact pictures that an engine is shown
STRAY = 0.02  # share of pixels outside the edited region that may differ
FAR = 0.15  # difference of premultiplied colours (0..1) from which a pixel differs
VIEW = 0.5  # likeness (judge.dress) that a view or step must reach
_TRIES = 200  # scenes that are looked at before an exam is given up
_UNLETTERED = tuple(kind for kind in edits.EDITS if kind != "lettering")
ITEM_FACTS = ("concept", "count", "colour", "style")


@dataclass(frozen=True)
class Outcome:
    """`prompt`: what was asked, in a line; `pixels`: the picture for the sheet; `share`: of the facts asked that are right."""

    prompt: str
    pixels: np.ndarray
    right: bool
    share: float
    reasons: tuple[str, ...]


@dataclass
class Room:
    """Where an exam is sat. `steps`, `guidance`: None = the engine's own."""

    engine: Engine
    world: WorldSpec
    seed: int
    steps: int | None
    guidance: float | None

    @cached_property
    def judge(self) -> Judge:
        from sayso.world.judge import Judge

        return Judge()

    def rng(self, name: str, index: int) -> random.Random:
        return random.Random(f"{self.seed}/{name}/{index}")

    def scene(self, rng: random.Random, *kinds: str) -> Scene:
        """A held-out scene of one of these kinds."""
        return sample_scene(rng, replace(self.world, kinds=tuple((k, 1.0) for k in kinds), split="held-out"))

    def draw(self, messages: Sequence[Message], index: int, **more: object) -> np.ndarray:
        return self.drawn(messages, index, **more).pixels

    def drawn(self, messages: Sequence[Message], index: int, **more: object) -> Picture:
        """The picture with its origin. Raises CannotDo where the engine drew none."""
        ask = Ask(tuple(messages), seed=self.seed + index, steps=self.steps, guidance=self.guidance, **more)  # type: ignore[arg-type]
        said = ""
        for event in self.engine.respond(ask):
            if isinstance(event, Drew):
                return event.picture
            said = event.text if isinstance(event, Said) else said
        raise CannotDo(said or "no picture came; ask in other words")

    def answer(self, messages: Sequence[Message], index: int) -> str:
        ask = Ask(tuple(messages), want="text", seed=self.seed + index)
        return " ".join(e.text for e in self.engine.respond(ask) if isinstance(e, Said))


@dataclass(frozen=True)
class Exam:
    """`ability`: what weights must have been trained for. `look`: whether they must also draw looks."""

    name: str
    ability: Ability
    sit: Callable[[Room, int], Outcome]
    look: bool = False

    def offered(self, engine: Engine) -> bool:
        return self.ability in engine.abilities and (not self.look or bool(getattr(engine, "looks", ())))


def user(*parts: str | np.ndarray) -> Message:
    return Message("user", tuple(_part(p) for p in parts))


def drawn(picture: Picture | np.ndarray) -> Message:
    return Message("assistant", (picture if isinstance(picture, Picture) else Picture(picture),))


def _part(part: str | np.ndarray) -> Part:
    return Text(part) if isinstance(part, str) else Picture(part)


def exact(scene: Scene) -> np.ndarray:
    """The scene as a person would bring it: SHOWN pixels along the shorter side."""
    scale = SHOWN / min(scene.width, scene.height)
    return render(scene, round(scene.width * scale), round(scene.height * scale))


def _language(rng: random.Random) -> str:
    return "zh" if rng.random() < CHINESE else "en"


def _first(make: Callable[[], T]) -> T:
    """What `make` gives when it first does not raise BadInput, because the scene it drew did not fit."""
    for _ in range(_TRIES):
        try:
            return make()
        except BadInput:
            continue
    raise BadInput("the concepts of these weights do not allow this exam; examine weights that know more")


def strayed(pixels: np.ndarray, reference: np.ndarray, free: np.ndarray) -> float:
    """Share of pixels outside `free` (bool [H, W]) in which two uint8 [H, W, 4] differ plainly."""
    x, y = (np.concatenate([p[..., :3] * (p[..., 3:] / 255.0), p[..., 3:]], -1) / 255 for p in (pixels, reference))
    differs = np.abs(x - y).max(-1) > FAR
    return float(differs[~free].mean()) if (~free).any() else 0.0


def _facts(scene: Scene, *more: str) -> tuple[str, ...]:
    """What is judged of a scene: its things, and lettering or relations where it has them."""
    return (*ITEM_FACTS, *(("lettering",) if scene.lettering else ()), *more)


# --- editing -------------------------------------------------------------------------------------------------------------


def _an_edit(room: Room, rng: random.Random, kind: str, others: Sequence[str]) -> edits.Edit:
    """An edit of a held-out scene, of that kind; of another one where the world's concepts hardly allow it."""
    language = _language(rng)
    for k in range(_TRIES):
        scene = room.scene(rng, "single", "pair", "several", "colours")
        try:
            chosen = kind if k < _TRIES // 2 else rng.choice(list(others))
            return edits.sample_edit(scene, rng, language, room.world.concepts, room.world.styles, chosen)
        except BadInput:  # this scene allows no such edit
            continue
    raise BadInput("the concepts of these weights allow no edits; examine weights that know more")


LEFT_OPEN = ("add", "move", "resize", "give")  # kinds whose instruction leaves open where exactly, or how large
RESIZED = 1.12  # factor from which a thing has another size
NEAR = 0.05  # of the canvas: how far a thing may lie outside of the ninth that it was to go to


def _edit(room: Room, index: int) -> Outcome:
    """Done, and nothing else changed."""
    rng = room.rng("edits", index)
    made = _an_edit(room, rng, _UNLETTERED[index % len(_UNLETTERED)], _UNLETTERED)
    before = exact(made.before)
    pixels = room.draw([user(before, made.instruction)], index)
    seen = room.judge.look(pixels)
    verdict = room.judge.check(seen, made.after, _facts(made.after, "background", "position"))
    reasons, boxes = list(verdict.reasons), made.region
    if made.kind in LEFT_OPEN:
        faults, found = _placed(made, seen)
        reasons += faults
        boxes += found
    if made.region != edits.WHOLE:
        free = masks.of_boxes(boxes, before.shape[1], before.shape[0])
        if (stray := strayed(pixels, before, free)) > STRAY:
            reasons.append(f"{stray:.0%} of what was not named changed")
    total = len(verdict.facts) + 1
    return Outcome(made.instruction, pixels, not reasons, max(0.0, 1 - len(reasons) / total), tuple(reasons))


def _placed(made: edits.Edit, seen: Seen) -> tuple[list[str], tuple[edits.Box, ...]]:
    """What is wrong with the place and size of the thing that an edit brought, moved or resized, and the boxes it takes."""
    after, kept = made.after, [i for i in made.after.items if i in made.before.items]
    (new,) = (i for i in after.items if i not in made.before.items)
    across, down = frame(after.width, after.height)

    def apart(a: Item | SeenItem, b: Item | SeenItem) -> float:
        return float(np.hypot((a.x - b.x) * across, (a.y - b.y) * down))

    mine = [s for s in seen.items if s.concept == new.concept and all(apart(s, k) > k.size / 4 for k in kept if k.concept == s.concept)]
    if not mine:
        return [], ()  # that it is missing was said
    it = min(mine, key=lambda s: apart(s, new))
    faults = []
    placed = made.kind == "move" or (made.kind == "add" and len(after.relations) == len(made.before.relations))
    ninths = {wording.ninth(it.x + dx, it.y + dy) for dx in (-NEAR, 0, NEAR) for dy in (-NEAR, 0, NEAR)}
    if placed and wording.ninth(new.x, new.y) not in ninths:
        faults.append(f"the {new.concept} is not where it was to go")
    if made.kind == "resize":
        old = next(i for i in made.before.items if i not in after.items)
        grown = it.size / old.size if new.size > old.size else old.size / it.size
        if grown < RESIZED:
            faults.append(f"the {new.concept} has its old size")
    pose = Item(new.concept, new.style, it.x, it.y, it.size, it.turn, it.flip, shadow=False)
    return faults, edits.item_boxes(pose, after.width, after.height)


def _mask(room: Room, index: int) -> Outcome:
    """Done, and outside the mask not one pixel changed."""
    rng = room.rng("masks", index)
    kinds = ("add", "remove", "replace", "recolour", "give")
    made = _an_edit(room, rng, kinds[index % len(kinds)], kinds)
    before = exact(made.before)
    mask = masks.brushed(made.region, before.shape[1], before.shape[0], rng)
    pixels = room.draw([user(before, made.instruction)], index, mask=mask)
    verdict = room.judge.check(pixels, made.after, _facts(made.after))
    reasons = list(verdict.reasons)
    if not np.array_equal(pixels[~mask], before[~mask]):
        reasons.append("pixels outside the mask changed")
    return Outcome(made.instruction, pixels, not reasons, 1 - len(reasons) / (len(verdict.facts) + 1), tuple(reasons))


def in_style(scenes: Sequence[Scene]) -> Scene:
    """The last scene, things that came when there were none in the style of those before them, unless another was said since."""
    kept = before = ""
    for scene in scenes:
        style = scene.items[-1].style if scene.items else ""
        if style and (not kept or (before and style != before)):
            kept = style
        before = style
    if all(scene.items for scene in scenes) or len({item.style for item in scenes[-1].items}) != 1:
        return scenes[-1]
    return replace(scenes[-1], items=tuple(replace(item, style=cast(Style, kept)) for item in scenes[-1].items))


def _eighth(room: Room, index: int) -> Outcome:
    """Eight turns on one picture, each made from the engine's own last one; the eighth is judged, by what was said: the first words leave
    nothing open, which of a backdrop's variants it is nobody says, and what comes after all things are gone is drawn as they were."""
    rng = room.rng("eighth turn", index)
    language = _language(rng)
    made = _first(
        lambda: sample_turns(
            room.scene(rng, "single", "pair", "colours"), rng, language, room.world.concepts, room.world.styles, 8, back=0.0
        )
    )
    messages: list[Message] = []
    picture = Picture(np.zeros((1, 1, 4), np.uint8))
    for words in (caption(made.scenes[0], rng, language, "dense"), *made.words[1:]):
        picture = room.drawn([*messages, user(words)], index)
        messages += [user(words), drawn(picture)]
    last, seen = in_style(made.scenes), room.judge.look(picture.pixels)
    variants = range(BACKDROP_VARIANTS) if last.background.kind == "backdrop" else (last.background.variant,)
    behind = [replace(last.background, variant=v) for v in variants]
    verdicts = [room.judge.check(seen, replace(last, background=one), _facts(last, "background")) for one in behind]
    verdict = max(verdicts, key=lambda verdict: verdict.score)
    return Outcome(" → ".join(made.words), picture.pixels, bool(verdict), verdict.score, verdict.reasons)


def _reference(room: Room, index: int) -> Outcome:
    rng = room.rng("references", index)
    made = sample_combination(rng, replace(room.world, split="held-out"), _language(rng), 3 if index % 3 == 2 else 2)
    pixels = room.draw([user(*(exact(s) for s in made.pictures), made.instruction)], index)
    verdict = room.judge.check(pixels, made.after, _facts(made.after, "background"))
    return Outcome(made.instruction, pixels, bool(verdict), verdict.score, verdict.reasons)


# --- reading -------------------------------------------------------------------------------------------------------------


def plainly(text: str) -> str:
    """An answer without what does not matter: case, articles, blanks and marks at its ends."""
    words = text.strip().strip(".。!！?？\"“”'").casefold().split()
    return " ".join(w for w in words if w not in ("a", "an", "the"))


def agree(given: str, wanted: str, kind: str) -> bool:
    """Whether an answer is right; lists of things may come in any order and under any name."""
    if plainly(given) == plainly(wanted):
        return True
    if kind != "what":
        return False
    named, meant = ({m.slug for m in lexicon.mentions(t)} for t in (given, wanted))
    return bool(meant) and named == meant


def _question(room: Room, index: int) -> Outcome:
    """A question of each kind in turn about an exact picture."""
    rng = room.rng("questions", index)
    kind = questions.QUESTIONS[index % len(questions.QUESTIONS)]
    kinds = ("lettering",) if kind == "text" else ("single", "pair", "several", "count", "colours")

    def one() -> tuple[Scene, questions.Question]:
        scene = room.scene(rng, *kinds)
        return scene, questions.sample_question(scene, rng, _language(rng), kind)

    scene, asked = _first(one)
    pixels = exact(scene)
    given = room.answer([user(pixels, asked.text)], index)
    right = agree(given, asked.answer, asked.kind)
    return Outcome(f"{asked.text} {given}", pixels, right, float(right), () if right else (f'"{given}", not "{asked.answer}"',))


def _comparison(room: Room, index: int) -> Outcome:
    """A question about two exact pictures."""
    rng = room.rng("comparisons", index)
    world = replace(room.world, kinds=(("single", 0.4), ("pair", 0.3), ("count", 0.3)), split="held-out")
    made = compare.sample_comparison(rng, world, _language(rng), compare.COMPARISONS[index % len(compare.COMPARISONS)])
    first, second = exact(made.first), exact(made.second)
    given = room.answer([user(first, second, made.question.text)], index)
    right = agree(given, made.question.answer, made.question.kind)
    reasons = () if right else (f'"{given}", not "{made.question.answer}"',)
    return Outcome(f"{made.question.text} {given}", np.concatenate([first, second], 1), right, float(right), reasons)


# --- drawing -------------------------------------------------------------------------------------------------------------


def _prompted(room: Room, index: int, options: dict[str, object]) -> Outcome:
    """The same crowded and counted prompts with and without a plan."""
    rng = room.rng("plans", index)
    scene = room.scene(rng, ("count", "several", "grid")[index % 3])
    prompt = caption(scene, rng, _language(rng), "short")
    pixels = room.draw([user(prompt)], index, options=options)
    verdict = room.judge.check(pixels, scene, ("grid",) if scene.grid else ("concept", "count"))
    return Outcome(prompt, pixels, bool(verdict), verdict.score, verdict.reasons)


def _without_plan(room: Room, index: int) -> Outcome:
    return _prompted(room, index, {"plan": ""})


def _with_plan(room: Room, index: int) -> Outcome:
    return _prompted(room, index, {})


def _negation(room: Room, index: int) -> Outcome:
    """What is said to be left out is not there, and the rest is."""
    rng = room.rng("negation", index)
    scene = replace(room.scene(rng, "single"), relations=())
    asked = negation.negated(scene, rng, _language(rng), room.world.concepts)
    pixels = room.draw([user(asked.prompt)], index)
    seen = room.judge.look(pixels)
    verdict = room.judge.check(seen, scene, ("concept",))
    reasons = list(verdict.reasons)
    if any(item.concept == asked.absent for item in seen.items):
        reasons.append(f"there is a {asked.absent}, which was to be left out")
    return Outcome(asked.prompt, pixels, not reasons, 1 - len(reasons) / (len(verdict.facts) + 1), tuple(reasons))


def _look(room: Room, index: int) -> Outcome:
    """The thing that was asked for, in the look that was asked for."""
    from sayso.world.judge import dress

    rng = room.rng("looks", index)
    look = looks.LOOKS[index % len(looks.LOOKS)]
    scene = replace(room.scene(rng, "single"), relations=())
    scene = replace(scene, items=tuple(replace(i, tint=None, turn=0.0) for i in scene.items))
    language = _language(rng)
    said = caption(scene, rng, language, "medium").rstrip(".。?？")
    prompt = said + ("，" + look.zh[0] if language == "zh" else ", " + look.en[0])
    pixels = room.draw([user(prompt)], index)
    found = dress.look_of(pixels, scene)
    others = rng.sample([c for c in room.world.concepts if c != scene.items[0].concept], min(7, len(room.world.concepts) - 1))
    shown = dress.named(pixels, scene, look.name, others)
    reasons = [] if found == look.name else [f"it looks like {found}, not {look.name}"]
    reasons += [] if shown == scene.items[0].concept else [f"it shows a {shown}, not a {scene.items[0].concept}"]
    return Outcome(prompt, pixels, not reasons, 1 - len(reasons) / 2, tuple(reasons))


def _relook(room: Room, index: int) -> Outcome:
    """A picture turned into a look: of all looks of that very picture, the asked one is nearest."""
    from sayso.world.judge import dress

    rng = room.rng("new looks", index)
    look = looks.LOOKS[index % len(looks.LOOKS)]
    scene = room.scene(rng, "single", "pair")
    language = _language(rng)
    words = look.zh[0] if language == "zh" else look.en[0]
    prompt = f"变成{words}" if language == "zh" else f"turn it into {words}"
    before = exact(scene)
    pixels = room.draw([user(before, prompt)], index)
    near = {name: dress.likeness(dress.coarse(pixels), dress.coarse(looks.put_on(name, before))) for name in looks.NAMES}
    near[dress.PLAIN] = dress.likeness(dress.coarse(pixels), dress.coarse(before))
    best = max(near, key=lambda name: near[name])
    reasons = [] if best == look.name else [f"it is nearest to {best}, not to {look.name}"]
    reasons += [] if near[look.name] >= dress.SAME else [f"its likeness is {near[look.name]:.2f}"]
    return Outcome(prompt, pixels, not reasons, 1 - len(reasons) / 2, tuple(reasons))


# --- views and walks -------------------------------------------------------------------------------------------------------


def _nearest(pixels: np.ndarray, references: dict[str, np.ndarray], wanted: str) -> list[str]:
    """What is wrong with a picture that should be the wanted one of several exact ones."""
    from sayso.world.judge import dress

    near = {name: dress.likeness(dress.coarse(pixels), dress.coarse(p)) for name, p in references.items()}
    best = max(near, key=lambda name: near[name])
    reasons = [] if best == wanted else [f"it is nearest to {best}, not to {wanted}"]
    return reasons + ([] if near[wanted] >= VIEW else [f"its likeness is {near[wanted]:.2f}"])


def _view(room: Room, index: int) -> Outcome:
    """Two turns of a solid; the last view is compared with the exact one and with those 30° off."""
    rng = room.rng("views", index)
    language = _language(rng)
    solid = solids.sample_solid(rng, solids.KINDS[index % len(solids.KINDS)])
    messages = [user(solids.caption(solid, rng, language)), drawn(solids.render(solid, 0, 128, 128))]
    at, pixels, said = 0, np.zeros((0, 0, 4), np.uint8), ""
    for _ in range(2):
        turn = rng.choice((-2, -1, 1, 2)) * solids.STEP
        at, said = at + turn, solids.instruction(turn, rng, language)
        pixels = room.draw([*messages, user(said)], index)
        messages += [user(said), drawn(pixels)]
    beside = {f"{(at + d) % 360}°": solids.render(solid, at + d, 128, 128) for d in (-60, -30, 0, 30, 60)}
    reasons = _nearest(pixels, beside, f"{at % 360}°")
    return Outcome(f"{solids.NAMES_EN[solid.kind]}: {said}", pixels, not reasons, 1 - len(reasons) / 2, tuple(reasons))


WALKED = 3  # steps of a walk


def _walk(room: Room, index: int) -> Outcome:
    """Steps in an alley of the engine's own, each from its last picture. The last one is compared with what is to be seen in that alley
    there, before the step and after the other ones."""
    rng = room.rng("walks", index)
    language = _language(rng)
    said = alley.caption(tuple(alley.MOODS)[index % len(alley.MOODS)], rng, language)
    picture = room.drawn([user(said)], index)
    begun = motion.place_of(picture.origin)
    if begun is None or begun.alley is None:
        return Outcome(said, picture.pixels, False, 0.0, ("the picture does not say which alley it shows",))
    place, walker = alley.numbered(begun.alley, begun.mood)
    messages, trail = [user(said), drawn(picture)], [walker]
    for step in alley.sample_walk(place, walker, rng, WALKED):
        said = alley.instruction(step, rng, language)
        picture = room.drawn([*messages, user(said)], index)
        messages += [user(said), drawn(picture)]
        trail.append(alley.go(place, trail[-1], step))
    before = trail[-2]
    beside = {s: alley.render(place, alley.go(place, before, s), 128, 128) for s in alley.open_steps(place, before)}
    reasons = _nearest(picture.pixels, {**beside, "standing still": alley.render(place, before, 128, 128)}, step)
    return Outcome(said, picture.pixels, not reasons, 1 - len(reasons) / 2, tuple(reasons))


EXAMS: tuple[Exam, ...] = (
    Exam("negation", Ability.DRAW, _negation),
    Exam("looks", Ability.DRAW, _look, look=True),
    Exam("new looks", Ability.EDIT, _relook, look=True),
    Exam("edits", Ability.EDIT, _edit),
    Exam("masks", Ability.MASK, _mask),
    Exam("eighth turn", Ability.EDIT, _eighth),
    Exam("references", Ability.REFERENCES, _reference),
    Exam("questions", Ability.ASK, _question),
    Exam("comparisons", Ability.ASK, _comparison),
    Exam("without a plan", Ability.THINK, _without_plan),
    Exam("with a plan", Ability.THINK, _with_plan),
    Exam("views", Ability.VIEWS, _view),
    Exam("walks", Ability.WALK, _walk),
)


def sat(exam: Exam, room: Room, index: int) -> Outcome:
    """An exam's outcome; what the engine refuses to do is wrong, with its own words as the reason."""
    try:
        return exam.sit(room, index)
    except (BadInput, CannotDo) as refusal:
        return Outcome(exam.name, np.zeros((64, 64, 4), np.uint8), False, 0.0, (str(refusal),))
