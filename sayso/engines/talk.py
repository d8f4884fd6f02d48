"""What an ask to the pocket model means: the pictures and words that stand before, the prompt, and what is wanted. No torch.

A conversation becomes pairs (words, picture), as in training: the words that led to a picture, "" for one that a person
brought along. Words that led to no picture, such as questions that were answered, are not kept.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sayso.errors import BadInput, CannotDo, Unknown
from sayso.types import Ability, Ask, Picture, Text
from sayso.world import alley, colours, looks, plan, shorthand, solids, wording
from sayso.world.scene import STYLES

WINDOW = 3  # pictures that the model was trained to see before the one it draws
OPTIONS = ("layers", "plan")
_QUESTION = re.compile(
    r"[?？]\s*$|[吗呢]\s*[。.]?$|^(what|how many|who|where|which|is|are|does|do|can you see|count|read|name|describe|list)\b", re.IGNORECASE
)
_COMPARES = re.compile(r"\b(both|two|same|different|changed|which picture)\b|两|第[一二]|哪张|变化|不同|一样", re.IGNORECASE)
_TURNS = re.compile(r"\b(turn|rotate|spin)\b.*(°|\bdegrees?\b)|转\s*\d+\s*度", re.IGNORECASE)
_STEPS = re.compile(r"\b(step|walk|go|move|turn|look)\b.*\b(forward|ahead|on|left|right)\b|[往向].*[走转]|前进|左转|右转", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Talk:
    """`pairs`: at most WINDOW, the last one being what an edit is about. `prompt`: what is asked for now.

    `brought`: how many pictures came with the prompt. `wants`: a picture or words. `plan`: text of a plan to keep to, None = the
    model's own, "" = none at all. `mask`: as in Ask. `moves`: whether the prompt turns a thing or takes a step. `layers`: whether
    what a plan says is painted one by one.
    """

    pairs: tuple[tuple[str, Picture], ...]
    prompt: str
    brought: int
    wants: Literal["picture", "text"]
    think: bool
    plan: str | None
    mask: np.ndarray | None
    moves: bool
    layers: bool


def understood(ask: Ask, abilities: Collection[Ability], known_looks: Collection[str]) -> Talk:
    """The ask in the model's terms. Raises CannotDo for what these weights lack, BadInput for what nobody could do."""
    pairs, prompt = _pairs(ask)
    prompt = shorthand.plainly(prompt)
    wants = _wanted(ask, prompt, bool(pairs), abilities)
    _check(ask, pairs, wants, abilities)
    if not prompt:
        raise BadInput("the prompt is empty; say what to draw" if not pairs else "no words came with the picture; say what to do with it")
    chinese = any("\u4e00" <= c <= "\u9fff" for c in prompt)
    if wants == "picture":
        prompt = _dressed(prompt, ask, chinese, bool(pairs), known_looks)
    if ask.mask is not None:
        pairs = [("", pairs[-1][1])]
    if wants == "text":
        pairs = _asked_about(ask, pairs, prompt)
    brought = sum(isinstance(p, Picture) for p in ask.messages[-1].parts)
    own, moves = _own_plan(ask, abilities, known_looks), bool(pairs) and _moves(prompt, abilities)
    return Talk(tuple(pairs[-WINDOW:]), prompt, brought, wants, ask.think, own, ask.mask, moves, _layers(ask, abilities))


def _moves(prompt: str, abilities: Collection[Ability]) -> bool:
    """Whether the prompt turns a thing or takes a step, and these weights can."""
    return (Ability.VIEWS in abilities and bool(_TURNS.search(prompt))) or (Ability.WALK in abilities and bool(_STEPS.search(prompt)))


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
