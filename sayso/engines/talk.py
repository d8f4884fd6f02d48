"""What an ask to the pocket model means: the pictures and words that stand before, the prompt, and what is wanted. No torch.

A conversation becomes pairs (words, picture), as in training: the words that led to a picture, "" for one that a person
brought along. Words that led to no picture, such as questions that were answered, are not kept.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from sayso.errors import BadInput, CannotDo, SaysoError, Unknown
from sayso.types import Ability, Ask, Picture, Text
from sayso.world import alley, colours, looks, plan, shorthand, solids, wording
from sayso.world import motion as motions
from sayso.world.motion import Motion
from sayso.world.scene import STYLES

WINDOW = 3  # pictures that the model was trained to combine
OPTIONS = ("layers", "plan")
_QUESTION = re.compile(
    r"[?？]\s*$|[吗呢]\s*[。.]?$|^(what|how many|who|where|which|is|are|does|do|can you see|count|read|name|describe|list)\b", re.IGNORECASE
)
_STYLES = [rf"\b{word}\b" for words in wording.STYLE_EN.values() for word in words] + [w for ws in wording.STYLE_ZH.values() for w in ws]
_STYLE = re.compile("|".join(_STYLES), re.IGNORECASE)
_COMPARES = re.compile(r"\b(both|two|same|different|changed|which picture)\b|两|第[一二]|哪张|变化|不同|一样", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Talk:
    """`pairs`: at most WINDOW, the last one being what an edit is about. `prompt`: what is asked for now.

    `brought`: how many pictures came with the prompt. `wants`: a picture or words. `plan`: text of a plan to keep to, None = the
    model's own, "" = none at all. `mask`: as in Ask. `motion`: the pose or the place in an alley that the prompt asks for;
    `pairs` then holds the picture it goes on from, if any. `layers`: whether what a plan says is painted one by one. `style`: in
    which the conversation's last things were drawn, for what comes after they are gone; "" where nothing tells, or the prompt says one.
    """

    pairs: tuple[tuple[str, Picture], ...]
    prompt: str
    brought: int
    wants: Literal["picture", "text"]
    think: bool
    plan: str | None
    mask: np.ndarray | None
    motion: Motion | None
    layers: bool
    style: str


def understood(ask: Ask, abilities: Collection[Ability], known_looks: Collection[str]) -> Talk:
    """The ask in the model's terms. Raises CannotDo for what these weights lack, BadInput for what nobody could do."""
    pairs, prompt = _pairs(ask)
    prompt = _unquoted(shorthand.plainly(prompt))
    wants = _wanted(ask, prompt, bool(pairs), abilities)
    _check(ask, pairs, wants, abilities)
    if not prompt:
        raise BadInput("the prompt is empty; say what to draw" if not pairs else "no words came with the picture; say what to do with it")
    chinese = any("\u4e00" <= c <= "\u9fff" for c in prompt)
    moved = _motion(ask, prompt, pairs, abilities) if wants == "picture" else None
    if moved is not None:
        motion, before = moved
        return Talk(before, prompt, 0, wants, ask.think, None, None, motion, False, "")
    if wants == "picture":
        prompt = _dressed(prompt, ask, chinese, bool(pairs), known_looks)
    if ask.mask is not None:
        pairs = [("", pairs[-1][1])]
    if wants == "text":
        pairs = _asked_about(ask, pairs, prompt)
    brought = sum(isinstance(p, Picture) for p in ask.messages[-1].parts)
    own = _own_plan(ask, abilities, known_looks)
    style = "" if _STYLE.search(prompt) else _style(pairs)
    return Talk(tuple(pairs[-WINDOW:]), prompt, brought, wants, ask.think, own, ask.mask, None, _layers(ask, abilities), style)


def _unquoted(prompt: str) -> str:
    """The prompt, or what stands in the quotation marks that it stands in as a whole: it is no lettering then."""
    inner = prompt.strip()
    whole = len(inner) > 2 and (inner[0], inner[-1]) in (('"', '"'), ("“", "”"), ("「", "」"), ("'", "'"), ("‘", "’"), ("«", "»"))
    return inner[1:-1] if whole and not set(inner[1:-1]) & {inner[0], inner[-1]} else prompt


Pairs = tuple[tuple[str, Picture], ...]


def _motion(ask: Ask, prompt: str, pairs: list[tuple[str, Picture]], abilities: Collection[Ability]) -> tuple[Motion, Pairs] | None:
    """The pose or the place in an alley that the prompt asks for, where these weights can, and the picture that it goes on from. A picture
    painted after a plan is neither.

    Raises CannotDo for what does not go with it and for going on from one or from what nobody has told of, BadInput for a step into a
    house.
    """
    if not {Ability.VIEWS, Ability.WALK} & set(abilities) or ask.mask is not None or ask.options.get("plan") is not None:
        return None
    if ask.background:
        prompt += _background(ask.background, chinese=False)
    flat = bool(pairs) and "plan" in pairs[-1][1].origin
    motion = motions.said(prompt, after=bool(pairs) and not flat)
    if motion is None and flat and motions.goes_on(prompt):
        raise CannotDo("this picture is drawn flat: there is no way into it and it has no other side; begin with such as: an alley at night"
                       " or: a toy car, red and blue, 3d model")
    if motion is None or (Ability.WALK if motion.walks else Ability.VIEWS) not in abilities:
        return None
    if ask.style:
        raise CannotDo(f'solids and alleys are drawn in one way, not in the style "{ask.style}"; leave the style out')
    if ask.background and not motion.kind:
        raise CannotDo("only a new 3d model has a background of its own; leave the background out")
    if motion.begins:
        return motion, ()
    if motion.step:
        if (place := motions.place_of(pairs[-1][1].origin)) is None:
            raise CannotDo("I walk only where I know the way: in alleys of my own; begin with such as: an alley at night")
        return motions.stepped(place, motion.step), tuple(pairs[-1:])
    if (pose := _pose(pairs)) is None:
        raise CannotDo("I turn only what the words before tell of; begin with such as: a toy car, red and blue, 3d model")
    return motions.turned(pose, motion.turn), tuple(pairs[-1:])


def _pose(pairs: list[tuple[str, Picture]]) -> Motion | None:
    """The pose that the last picture shows, from what pictures say of themselves or the words that led to them."""
    pose: Motion | None = None
    before: Picture | None = None
    for words, picture in pairs:
        told = picture.origin.get("motion")
        again = before is not None and not words and np.array_equal(picture.pixels, before.pixels)  # brought along once more
        before = picture
        if isinstance(told, str) or "plan" in picture.origin:
            pose = _read(str(told))
        elif not again:
            pose = _led(words, pose)
            pose = None if pose is None else replace(pose, background=_ground(picture.pixels))
    return pose


def _read(told: str) -> Motion | None:
    """The pose of a picture's own words; None for a step, and for what another version or somebody else wrote."""
    with contextlib.suppress(BadInput):
        motion = motions.read(told)
        return motion if motion.kind else None
    return None


def _led(words: str, pose: Motion | None) -> Motion | None:
    """The pose that these words lead to."""
    try:
        motion = motions.said(words, after=pose is not None)
    except CannotDo:  # a turn that nobody could do led nowhere
        return None
    if motion is None or motion.walks:
        return None
    return motions.settled(motion, 0) if motion.kind else None if pose is None else motions.turned(pose, motion.turn)


def _ground(pixels: np.ndarray) -> str | None:
    """The colour at the rim of a picture [H, W, 4] of a solid, None where it is clear."""
    rim = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    red, green, blue, alpha = np.median(rim, axis=0).round().astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}" if alpha > 127 else None


def familiar(word: str, abilities: Collection[Ability], known_looks: Collection[str]) -> bool:
    """Whether a word that names nothing in the drawn world is one that these weights were trained with all the same."""
    phrases = [phrase for name in known_looks for phrase in (*looks.look(name).en, *looks.look(name).zh)]
    if Ability.VIEWS in abilities:
        phrases += [*solids.NAMES_EN.values(), *solids.NAMES_ZH.values(), *solids.POSE_EN, *solids.POSE_ZH]
    if Ability.WALK in abilities:
        phrases += [*alley.PLACE_EN, *alley.PLACE_ZH]
    low = word.lower()
    return any(low in re.split(r"[\s-]+", phrase.lower()) or (not low.isascii() and low in phrase) for phrase in phrases)


def look_of(prompt: str, known_looks: Collection[str]) -> str:
    """The look of these that the prompt names, by its longest phrase; "" for none."""
    low = prompt.lower()
    said = [(len(phrase), name) for name in known_looks for phrase in (*looks.look(name).en, *looks.look(name).zh) if phrase.lower() in low]
    return max(said)[1] if said else ""


def _pairs(ask: Ask) -> tuple[list[tuple[str, Picture]], str]:
    pairs: list[tuple[str, Picture]] = []
    pending = ""
    for message in ask.messages:
        said = " ".join(p.text for p in message.parts if isinstance(p, Text)).strip()
        shown = [p for p in message.parts if isinstance(p, Picture)]
        if message.role == "user":
            if shown and sum(isinstance(p, Picture) for p in message.parts) > WINDOW:
                raise CannotDo(f"the pocket model looks at {WINDOW} pictures at most; leave some of the {len(shown)} out")
            pairs += [("", picture) for picture in shown]
            pending = said
        else:
            pairs += [(pending if k == 0 else "", picture) for k, picture in enumerate(shown)]
            pending = ""
    return pairs, pending


def _style(pairs: list[tuple[str, Picture]]) -> str:
    """Of the last thing in the last picture whose plan tells of any."""
    for _, picture in reversed(pairs):
        told = picture.origin.get("plan")
        with contextlib.suppress(SaysoError):
            if isinstance(told, str) and (items := plan.read(told).items):
                return items[-1].style
    return ""


def _asked_about(ask: Ask, pairs: list[tuple[str, Picture]], prompt: str) -> list[tuple[str, Picture]]:
    """The pictures that a question is about: those that came with it, else the last, else (it compares) the last two."""
    brought = sum(isinstance(p, Picture) for p in ask.messages[-1].parts)
    if brought > 2:
        raise CannotDo(f"questions are answered about one or two pictures, not {brought}; leave some out")
    return pairs[-(brought or (2 if _COMPARES.search(prompt) else 1)) :]


def _wanted(ask: Ask, prompt: str, has_pictures: bool, abilities: Collection[Ability]) -> Literal["picture", "text"]:
    """ "either" is a question when it reads like one, there is something to read, and the weights can."""
    if ask.want == "either":
        return "text" if has_pictures and Ability.ASK in abilities and _QUESTION.search(prompt) else "picture"
    return ask.want


def _check(ask: Ask, pairs: list[tuple[str, Picture]], wants: str, abilities: Collection[Ability]) -> None:
    for name in ask.options:
        if name not in OPTIONS:
            raise Unknown("option", name, OPTIONS)
    if wants == "text":
        if Ability.ASK not in abilities:
            raise CannotDo("these weights draw and do not answer in text; ask for a picture")
        if not pairs:
            raise CannotDo("the pocket model answers questions about pictures only; add a picture or ask for one")
        if ask.mask is not None or ask.think:
            raise CannotDo("an answer in words takes neither a mask nor thinking; leave them out")
        return
    if ask.think and Ability.THINK not in abilities:
        raise CannotDo("these weights do not think before they draw; leave think off")
    if ask.mask is not None:
        if Ability.MASK not in abilities:
            raise CannotDo("these weights cannot keep to a mask; leave it out")
        if not pairs:
            raise BadInput("a mask came without a picture; add the picture that it belongs to")
        height, width = pairs[-1][1].height, pairs[-1][1].width
        if ask.mask.shape != (height, width) or ask.mask.dtype != bool:
            raise BadInput(
                f"the mask is {ask.mask.shape} {ask.mask.dtype}; it must be bool and {height}x{width}, as high and wide as the picture"
            )
        if not ask.mask.any():
            raise BadInput("the mask lets nothing change; mark the part that may")
        if ask.think:
            raise CannotDo("the pocket model thinks about whole pictures; leave the mask or think out")
    following = {Ability.EDIT, Ability.VIEWS, Ability.WALK, Ability.MASK}
    if pairs and ask.mask is None and not following & set(abilities):
        raise CannotDo("these weights draw from words alone; leave the pictures out and say all of it in one message")
    brought = sum(isinstance(p, Picture) for m in ask.messages[-1:] for p in m.parts)
    if brought > 1 and Ability.REFERENCES not in abilities:
        raise CannotDo("these weights work on one picture at a time; leave the others out")
    if not pairs and sum(m.role == "user" for m in ask.messages) > 1:
        raise CannotDo("the conversation so far holds no picture; say all of it in one message")


def _own_plan(ask: Ask, abilities: Collection[Ability], known_looks: Collection[str]) -> str | None:
    """The plan that came with the ask, in its canonical wording; "none" and "" ask for a picture from words alone. Raises BadInput."""
    given = ask.options.get("plan")
    if given is None:
        return None
    if Ability.THINK not in abilities:
        raise CannotDo("these weights were not trained to draw from a plan; leave the plan out")
    if not isinstance(given, str):
        raise BadInput(f"the plan is {type(given).__name__}; give it as text")
    if given.strip().lower() in ("", "none"):
        return ""
    read = plan.read(given)
    plan.scene_of(read)
    if read.look and read.look not in known_looks:
        raise CannotDo(f'these weights were not trained in the look "{read.look}"; leave it out of the plan and put it on afterwards')
    return plan.write(read)


def _layers(ask: Ask, abilities: Collection[Ability]) -> bool:
    """Whether things of a plan are painted one by one, as they are where nothing is said. Raises CannotDo or BadInput."""
    given = ask.options.get("layers")
    if given is None:
        return True
    if Ability.THINK not in abilities:
        raise CannotDo("these weights were not trained to draw from a plan; leave the layers out")
    known = {"on": True, "off": False, "true": True, "false": False}
    if str(given).strip().lower() not in known:
        raise BadInput(f'layers are "{given}"; write on to paint each thing by itself, off to paint the picture as one')
    return known[str(given).strip().lower()]


def _dressed(prompt: str, ask: Ask, chinese: bool, editing: bool, known_looks: Collection[str]) -> str:
    """The prompt with style and background said in its language."""
    comma = "，" if chinese else ", "
    if ask.style in STYLES:
        prompt += comma + (wording.STYLE_ZH if chinese else wording.STYLE_PHRASES_EN)[ask.style][0]
    elif ask.style and ask.style in known_looks:
        look = looks.look(ask.style)
        prompt += comma + (look.zh if chinese else look.en)[0]
    elif ask.style in looks.NAMES:
        raise CannotDo(f'these weights were not trained in the style "{ask.style}"; draw without it and put the look on afterwards')
    elif ask.style:
        raise Unknown("style", ask.style, (*STYLES, *known_looks))
    if ask.background:
        prompt += _background(ask.background, chinese)
    return prompt


def _background(background: str, chinese: bool) -> str:
    if background == "transparent":
        return "，透明背景" if chinese else ", transparent background"
    colour = background.strip().lower()
    hex_colour = colours.parse(colour)  # raises on what is no colour
    said = hex_colour if colour.startswith("#") else colour
    word = next((c for c in colours.COLOURS if said in c.en + c.zh), None)
    if word is not None:
        said = word.zh[0] if chinese else word.en[0]
    return f"，{said}背景" if chinese else f", {said} background"
