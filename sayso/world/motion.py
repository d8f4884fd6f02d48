"""Turntables and walks in words and as data: which pose of which solid is to be seen, or which place in which alley.

`said` finds it in a person's words, `settled` chooses what they leave open, `turned` goes on from a pose and `stepped` from a place,
`write` and `read` keep it with a picture. A model is told of a pose patch by patch (world/grounds.py) and paints a place over a sketch
of it.
"""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from sayso.errors import BadInput, CannotDo
from sayso.world import alley, lexicon, solids
from sayso.world.colours import BY_WORD, COLOURS, ITEM_COLOURS, rgb

TURNS = 360 // solids.STEP
POSES = len(solids.KINDS) * TURNS


@dataclass(frozen=True)
class Motion:
    """One of four. A pose: a solid of `kind` (solids.KINDS) in `colour` and `second` before `background` ("#rrggbb", None: nothing),
    its front turned by `turn` degrees; a place in an alley of `mood` (alley.MOODS), in its `alley` (alley.numbered; None: not chosen yet)
    at `cell`, looking `way` (alley.WAYS); a `step` (alley.STEPS) on from a place; or else a `turn` on from a pose. Turns are
    multiples of solids.STEP from 0 to 330; positive: the front goes to the viewer's right.
    """

    turn: int = 0
    step: str = ""
    kind: str = ""
    colour: str = ""
    second: str = ""
    background: str | None = None
    mood: str = ""
    alley: int | None = None
    cell: tuple[int, int] = (0, 0)
    way: int = 0

    @property
    def begins(self) -> bool:
        """Whether it needs no picture before it."""
        return bool(self.kind or self.mood)

    @property
    def walks(self) -> bool:
        return bool(self.step or self.mood)

    @property
    def pose(self) -> int:
        """Which of POSES it shows."""
        return solids.KINDS.index(self.kind) * TURNS + self.turn // solids.STEP

    @property
    def placed(self) -> bool:
        """Whether it is a place in an alley that was chosen."""
        return self.alley is not None


def turned(pose: Motion, degrees: int) -> Motion:
    """The pose, turned on."""
    return replace(pose, turn=(pose.turn + degrees) % 360)


def begun(number: int, mood: str) -> Motion:
    """Where a walk in the alley of that number begins."""
    _, walker = alley.numbered(number, mood)
    return Motion(mood=mood, alley=number, cell=walker.cell, way=walker.way)


def stepped(place: Motion, step: str) -> Motion:
    """The place after a step. Raises BadInput where a house is in the way, Unknown for what is no step."""
    assert place.alley is not None
    there, _ = alley.numbered(place.alley, place.mood)
    walker = alley.go(there, alley.Walker(place.cell, place.way), step)
    return replace(place, cell=walker.cell, way=walker.way)


def sketched(place: Motion, height: int, width: int) -> np.ndarray:
    """What the map says of a place (alley.sketched), uint8 [H, W, 4]."""
    assert place.alley is not None
    there, _ = alley.numbered(place.alley, place.mood)
    return alley.sketched(there, alley.Walker(place.cell, place.way), height, width)


# --- as text -------------------------------------------------------------------------------------------------------------

_PLACE = re.compile(r"alley (\w+) (-?\d{1,20}) at (-?\d{1,3}),(-?\d{1,3}) facing ([0-3])")
_POSE = re.compile(r"solid (\w+) (#[0-9a-f]{6}) (#[0-9a-f]{6}) on (nothing|#[0-9a-f]{6}) turned (\d+)")


def write(motion: Motion) -> str:
    """ "solid car #e02424 #2563eb on #ffffff turned 30", "alley night 17 at 0,-2 facing 3", "alley night", "step left", "turn 330"."""
    if motion.kind:
        return f"solid {motion.kind} {motion.colour} {motion.second} on {motion.background or 'nothing'} turned {motion.turn}"
    if motion.placed:
        return f"alley {motion.mood} {motion.alley} at {motion.cell[0]},{motion.cell[1]} facing {motion.way}"
    if motion.mood:
        return f"alley {motion.mood}"
    return f"step {motion.step}" if motion.step else f"turn {motion.turn}"


def read(text: str) -> Motion:
    """What `write` wrote. Raises BadInput."""
    kind, _, rest = text.partition(" ")
    if found := _POSE.fullmatch(text):
        name, one, two, behind, turn = found.groups()
        if name in solids.KINDS and int(turn) in range(0, 360, solids.STEP):
            return Motion(int(turn), "", name, one, two, None if behind == "nothing" else behind)
    elif found := _PLACE.fullmatch(text):
        mood, number, x, z, way = found.groups()
        if mood in alley.MOODS:
            place = Motion(mood=mood, alley=int(number), cell=(int(x), int(z)), way=int(way))
            if place.cell in alley.numbered(int(number), mood)[0].street:
                return place
    elif kind == "alley" and rest in alley.MOODS:
        return Motion(mood=rest)
    elif kind == "step" and rest in alley.STEPS:
        return Motion(step=rest)
    elif kind == "turn" and rest.isdecimal() and int(rest) in range(0, 360, solids.STEP):
        return Motion(int(rest))
    raise BadInput(f'"{text[:80]}" is no motion; write one such as "step left" or "solid car #e02424 #2563eb on nothing turned 30"')


def place_of(origin: Mapping[str, object]) -> Motion | None:
    """The place in an alley that a picture says of itself it shows; None where it says no such thing, or nothing that can be so."""
    told = origin.get("motion")
    with contextlib.suppress(BadInput):
        place = read(told) if isinstance(told, str) else None
        return place if place is not None and place.placed else None
    return None


# --- in words ------------------------------------------------------------------------------------------------------------

_POLITE = re.compile(r"^(?:(?:please|now|then|and|ok|okay|请|然后|接着|再)[\s,，]*)+|(?:[\s,，]*please)?[\s.!。！]*$", re.IGNORECASE)
_DEGREES = re.compile(r"\b(?:turn|rotate|spin|swing)\b.*?(\d+)\s*(?:°|degrees?\b)|转\s*(\d+)\s*(?:°|度)", re.IGNORECASE)
_PARTS = {  # turns in words, in degrees
    re.compile(r"(?:turn|spin|rotate) (?:it|this|that) (?:all the way |right )?a?round|(?:让它)?转过身(?:去|来)?|转到背面", re.IGNORECASE): 180,
    re.compile(r"(?:(?:turn|rotate|give) it )?(?:by )?(?:a )?half turn|转半圈", re.IGNORECASE): 180,
    re.compile(r"(?:(?:turn|rotate|give) it )?(?:by )?(?:a )?quarter turn(?: to the (?:left|right))?|[向往]?[左右]?转四分之一圈", re.IGNORECASE): 90,
}
_TO_LEFT = re.compile(r"\bleft\b|(?<!anti)(?<!anti-)(?<!counter)(?<!counter-)clockwise|[向往]左|左转|(?<!逆)顺时针", re.IGNORECASE)
_STEPS = {
    "forward": r"(?:go|walk|move|step|keep(?: going| walking| on)?|continue|head)\s+(?:straight\s+)?(?:on|ahead|forwards?|straight|further)"
    r"|take (?:a|another) step(?: forwards?| ahead)?|walk|(?:一直|继续)?[向往]前(?:再)?走(?:一步)?|前进|继续走",
    "left": r"(?:turn|look|go|face|walk)\s+(?:to\s+(?:the|your)\s+)?left|[向往]左(?:边)?[转看走]|左转",
    "right": r"(?:turn|look|go|face|walk)\s+(?:to\s+(?:the|your)\s+)?right|[向往]右(?:边)?[转看走]|右转",
}
_MODEL = re.compile(r"\b3-?d model\b|立体模型|三维模型", re.IGNORECASE)
_NOUNS = {
    "train": r"trains?\b|火车", "blocks": r"blocks\b|积木", "figure": r"figure\b|小人", "car": r"car\b|车", "house": r"house\b|房子",
    "robot": r"robot\b|机器人", "table": r"table\b|桌", "tree": r"tree\b|树", "boat": r"boat\b|船", "dog": r"dog\b|狗",
}  # fmt: skip
_POSES = {
    r"\bfrom (?:the )?(?:back|behind)\b|\bback view\b|从(?:背面|后面)": 180,
    r"\bfrom (?:the |its )?left\b|从左": 270,
    r"\bfrom (?:the |its )?(?:right|side)\b|\bside view\b|从(?:右|侧)": 90,
}
_MANNER = r"\b(?:toy|little)\b|玩具|小|\b(?:seen )?from (?:the |its )?\w+|\b\w+ view\b|从.面看|background|背景"
_ALLEY = re.compile(r"\balley(?:way)?\b|小巷|巷子|胡同", re.IGNORECASE)
_HOURS = {"night": r"\bnight\b|夜|晚上", "evening": r"\b(?:evening|dusk|sunset)\b|傍晚|黄昏"}
_BEHIND = re.compile(r"(?:\b(?:on|with)\s+)?(?:\b(?:a|an)\s+)?([#\w]+)\s+background|([#\w]*?)色?(?:的)?背景", re.IGNORECASE)
_ENGLISH, _CHINESE = ("|".join(sorted((w for w in BY_WORD if w.isascii() == ascii), key=len, reverse=True)) for ascii in (True, False))
_COLOUR = re.compile(rf"#[0-9a-f]{{6}}\b|(?<![a-z])(?:{_ENGLISH})(?![a-z])|{_CHINESE}", re.IGNORECASE)
_CHANGES = re.compile(r"^(?:turn|make|add|change|replace|put|give|redraw|remove|draw it)\b|^[把将换变改加]", re.IGNORECASE)


def said(prompt: str, after: bool) -> Motion | None:
    """What the words ask for, or None where it is neither a turntable nor a walk. `after`: a picture stands before them.

    Colours that the words leave open are "". Raises CannotDo for a turn that is no multiple of solids.STEP.
    """
    words = _POLITE.sub("", prompt.strip())
    if after:
        for step, pattern in _STEPS.items():
            if re.fullmatch(pattern, words, re.IGNORECASE):
                return Motion(step=step)
        if (turn := _turn(words)) is not None:
            return Motion(turn=turn)
        if _CHANGES.search(words):
            return None
    return _solid(prompt) or _alley(prompt)


def goes_on(prompt: str) -> bool:
    """Whether the words are a step or a turn that goes on from a picture, of whatever angle."""
    words = _POLITE.sub("", prompt.strip())
    steps = (*_STEPS.values(), *(pattern.pattern for pattern in _PARTS))
    return any(re.fullmatch(pattern, words, re.IGNORECASE) for pattern in steps) or bool(_DEGREES.match(words))


def _turn(words: str) -> int | None:
    """Degrees 0..330 of a turn, or None where there is none."""
    sign = -1 if _TO_LEFT.search(words) else 1
    for pattern, degrees in _PARTS.items():
        if pattern.fullmatch(words):
            return sign * degrees % 360
    found = _DEGREES.search(words)
    if not found:
        return None
    degrees = int(found[1] or found[2])
    if degrees % solids.STEP:
        near = degrees // solids.STEP * solids.STEP
        remedy = f"ask for {near}° or {near + solids.STEP}°"
        raise CannotDo(f"things are turned by multiples of {solids.STEP}° and {degrees}° were asked for; {remedy}")
    return sign * degrees % 360


def _solid(prompt: str) -> Motion | None:
    if not _MODEL.search(prompt):
        return None
    kind = next((kind for kind, pattern in _NOUNS.items() if re.search(pattern, prompt, re.IGNORECASE)), None)
    if kind is None:
        return None
    turn = next((turn for pattern, turn in _POSES.items() if re.search(pattern, prompt, re.IGNORECASE)), 0)
    rest, background = _background(prompt)
    named = _colours(rest)[:2]
    colour, second = (*named, "", "")[:2]
    return Motion(turn, "", kind, colour, second, background)


def left_out(prompt: str, motion: Motion) -> list[str]:
    """Concepts by slug that a prompt names beside the solid, which stands alone."""
    if not motion.kind:
        return []
    said_of_it = rf"{_COLOUR.pattern}|{_MODEL.pattern}|{_NOUNS[motion.kind]}|{_MANNER}"
    rest = re.sub(said_of_it, " ", prompt, flags=re.IGNORECASE)
    return sorted({m.slug for m in lexicon.mentions(rest)})


def _background(prompt: str) -> tuple[str, str | None]:
    """The prompt without what it says of the background, and that."""
    found = _BEHIND.search(prompt)
    if not found:
        return prompt, "#ffffff"
    word, rest = (found[1] or found[2] or "").lower(), prompt.replace(found[0], " ")
    if word in ("transparent", "no", "透明", "无"):
        return rest, None
    return rest, next(iter(_colours(word) or _colours(word + "色")), "#ffffff")


def _colours(text: str) -> list[str]:
    """The colours that are named, in their order."""
    return [BY_WORD.get(word.lower(), word.lower()) for word in _COLOUR.findall(text)]


def _alley(prompt: str) -> Motion | None:
    """An alley, where nothing else is to be seen that is drawn from plans."""
    if not _ALLEY.search(prompt) or lexicon.mentions(prompt.replace("brick houses", "")):
        return None
    return Motion(mood=next((mood for mood, pattern in _HOURS.items() if re.search(pattern, prompt, re.IGNORECASE)), "day"))


def settled(motion: Motion, seed: int) -> Motion:
    """With colours, or an alley, where the words left them open. `seed` 0 or more."""
    if motion.mood and not motion.placed:
        return begun(seed, motion.mood)
    if not motion.kind or (motion.colour and motion.second):
        return motion
    rng = random.Random(seed)
    free = [c.hex for c in ITEM_COLOURS if c.hex not in (motion.colour, motion.second, "#222222")]
    one, two = rng.sample(free, 2)
    return replace(motion, colour=motion.colour or one, second=motion.second or two)


def lot(rng: random.Random, kind: str) -> Motion:
    """The beginning of a turntable by lot, in any pose."""
    one, two = rng.sample([c.hex for c in ITEM_COLOURS if c.hex != "#222222"], 2)
    pale = "#" + "".join(f"{round(255 - (255 - v) * 0.3):02x}" for v in rgb(rng.choice(COLOURS).hex))
    behind = rng.choices((pale, "#ffffff", "#f3ead3", None, rng.choice(COLOURS).hex), (0.35, 0.25, 0.1, 0.15, 0.15))[0]
    turn = 0 if rng.random() < 0.6 else solids.STEP * rng.randrange(TURNS)
    return Motion(turn, "", kind, one, two, behind)
