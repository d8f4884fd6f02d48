"""The director: what did they mean? Draw, edit or answer; which picture; which engine can; in which words.

Rules alone, in English and Chinese, without a model; `adviser` may be asked first. What is decided is data and is kept with
the job. Whatever no engine here can do is refused in a sentence before any work.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from sayso.errors import BadInput, CannotDo, Unknown
from sayso.hooks import EngineInfo
from sayso.studio import wording
from sayso.studio.requests import Ref, Request, Said
from sayso.studio.settings import Settings
from sayso.studio.tools import sizes
from sayso.types import Ability, Text

STUDIO = "studio"  # stands for an engine where the studio itself speaks
Action = Literal["created", "edited", "answered"]
NOT_UNASKED = frozenset({"fake"})  # engines that draw only when named or made the default


@dataclass(frozen=True)
class Shown:
    """A stored picture as the director sees it: its size, what it was drawn from ("" for an upload), and of which pictures."""

    id: str
    width: int
    height: int
    prompt: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Direction:
    """`prompt`: the words that the engine gets; `revised`: the same when they are not the caller's own.

    `pictures`: ids shown to the engine, first the one that is edited. `width`, `height`: asked of the engine; `fit`: the
    exact size of the finished picture, None = as it comes. `mask`: id; `obeys`: the engine itself keeps to masks.
    `answer`: words to say instead of asking an engine. `quality`: for an engine that knows the word.
    """

    action: Action
    engine: str
    prompt: str
    revised: str | None = None
    pictures: tuple[str, ...] = ()
    width: int | None = None
    height: int | None = None
    fit: tuple[int, int] | None = None
    steps: int | None = None
    background: str | None = None
    mask: str | None = None
    obeys: bool = False
    answer: str | None = None
    quality: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"pictures": list(self.pictures), "fit": None if self.fit is None else list(self.fit)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Direction:
        fit = data["fit"]
        return cls(**dict(data) | {"pictures": tuple(data["pictures"]), "fit": None if fit is None else (int(fit[0]), int(fit[1]))})


@dataclass(frozen=True)
class Advice:
    """What an adviser says: the action, which picture (id) and the words; `answer`: what to say when nothing is to be drawn."""

    action: Action
    picture: str | None
    prompt: str
    answer: str = ""


Adviser = Callable[[Sequence[Said], Mapping[str, Shown]], Advice | None]


class Director:
    """`table`: the engines offered here by name. `adviser`: asked first for requests that leave the choice; None = rules alone."""

    def __init__(self, settings: Settings, table: Mapping[str, EngineInfo], adviser: Adviser | None = None):
        self.settings, self.table, self.adviser = settings, table, adviser

    def decide(self, request: Request, talk: Sequence[Said], shown: Mapping[str, Shown]) -> Direction:
        """`talk`: all messages, the last is the user's newest. `shown`: facts of every picture in it, and of the mask.

        Raises BadInput, CannotDo or Unknown.
        """
        text = _said(talk[-1])
        self._check(request, text, talk)
        advice = self._advice(request, talk, shown)
        attached = [part.id for part in talk[-1].parts if isinstance(part, Ref)]
        earlier = [part.id for message in talk[:-1] for part in message.parts if isinstance(part, Ref)]
        action, pictures = self._meaning(request, text, attached, earlier, shown, advice)
        if action == "answered":
            return self._answer(request, text, tuple(attached or earlier[-1:]), advice)
        if len(pictures) > self.settings.inputs:
            raise BadInput(f"{len(pictures)} pictures are shown and {self.settings.inputs} are the most; leave some out")
        prompt = text
        if advice is not None and advice.prompt.strip():
            prompt = advice.prompt.strip()
        elif request.refine:
            last = next((shown[i].prompt for i in reversed(earlier) if shown[i].prompt), "")
            prompt = wording.refined(text, shown[pictures[0]].prompt if pictures and not wording.again(text) else last, action == "edited")
        if request.instructions.strip() and advice is None:
            prompt = f"{request.instructions.strip()}\n{prompt}"
        direction = Direction(
            action, "", prompt, prompt if prompt != text else None, tuple(pictures), background=_background(request.background)
        )
        return self._engine(request, self._sized(request, direction, shown), action, len(pictures))

    def _check(self, request: Request, text: str, talk: Sequence[Said]) -> None:
        if talk[-1].role != "user":
            raise BadInput("the last message is the assistant's; end with what the user says")
        if not text:
            raise BadInput("the prompt is empty; say what to draw")
        if len(text) > self.settings.prompt:
            raise BadInput(f"the prompt has {len(text):,} characters and the limit is {self.settings.prompt:,}; shorten it")
        if any(ord(c) < 32 and c not in "\n\r\t" for c in text):
            raise BadInput("the prompt holds control characters; write it as plain text")
        if not 1 <= request.count <= self.settings.count:
            raise BadInput(f"{request.count} pictures were asked for; ask for 1 to {self.settings.count}")
        if request.plan_only and not request.think:
            raise BadInput("a plan alone is what comes of thinking; ask to think, too")
        if request.mask is not None and request.action == "generate":
            raise BadInput("a mask belongs to an edit; leave it out, or the action")
        if request.want == "text" and (request.mask is not None or request.size is not None):
            raise BadInput("an answer in words has no size and no mask; leave them out")
        if request.parent is not None and request.conversation is None:
            raise BadInput("a turn to go on from needs its conversation; name both or neither")
        if not 0 <= request.previews <= 3:
            raise BadInput(f"{request.previews} partial pictures were asked for; ask for 0 to 3")
        if request.background == "transparent" and request.format == "jpeg":
            raise BadInput("a jpeg cannot be transparent; ask for png or webp")
        if request.compression is not None and (request.format not in ("jpeg", "webp", "avif") or not 0 <= request.compression <= 100):
            raise BadInput(f"compression {request.compression} does not go with {request.format}; it is 0 to 100 for jpeg, webp and avif")

    def _advice(self, request: Request, talk: Sequence[Said], shown: Mapping[str, Shown]) -> Advice | None:
        if self.adviser is None or not request.refine or request.want == "text":
            return None
        before = (Said("user", (Text(request.instructions),)),) if request.instructions.strip() else ()
        return self.adviser((*before, *talk), shown)

    def _meaning(
        self, request: Request, text: str, attached: list[str], earlier: list[str], shown: Mapping[str, Shown], advice: Advice | None
    ) -> tuple[Action, list[str]]:
        if request.want == "text":
            return "answered", []
        if request.action == "generate":
            return "created", attached
        chosen = attached or self._meant(text, earlier, shown)
        if request.action == "edit" or request.mask is not None:
            if not chosen:
                raise BadInput("there is no picture to edit; send one or draw one first")
            return "edited", chosen
        if advice is not None:
            if advice.action == "edited" and (advice.picture or chosen):
                return "edited", attached or ([advice.picture] if advice.picture else chosen)
            return ("answered", []) if advice.action == "answered" and request.want == "either" else ("created", attached)
        if wording.again(text) and request.refine and earlier and not attached:
            sources = [i for i in shown[earlier[-1]].parents if i in shown]
            return ("edited", sources) if sources else ("created", [])
        if attached:
            return ("answered", []) if request.want == "either" and wording.asks(text) else ("edited", attached)
        if request.want == "either" and (wording.asks(text) or wording.chats(text)):
            return "answered", []
        return ("edited", chosen) if chosen and wording.changes(text) else ("created", [])

    def _meant(self, text: str, earlier: list[str], shown: Mapping[str, Shown]) -> list[str]:
        """The earlier picture that the words point at: by its place, by what it shows, or else the newest."""
        if not earlier:
            return []
        distinct = list(dict.fromkeys(earlier))
        place = wording.pointed(text, len(distinct))
        if place is not None:
            return [distinct[place]]
        name = wording.named(text, [shown[i].prompt for i in distinct])
        return [distinct[name] if name is not None else distinct[-1]]

    def _answer(self, request: Request, text: str, pictures: tuple[str, ...], advice: Advice | None) -> Direction:
        if advice is not None and advice.answer:
            return Direction("answered", STUDIO, text, answer=advice.answer)
        found = [info.name for info in self._able(request, {Ability.ASK})]
        if found:
            return Direction("answered", found[0], text, pictures=pictures)
        if request.want == "text":
            raise CannotDo("no engine here answers in words; ask for a picture, or offer an engine that can")
        return Direction("answered", STUDIO, text, answer=wording.cannot_answer(text))

    def _sized(self, request: Request, direction: Direction, shown: Mapping[str, Shown]) -> Direction:
        """With the size to ask for; an edit keeps the size of its picture unless another is asked for."""
        most = self.settings
        if request.size is not None:
            width, height = request.size
            if width * height > most.draw_pixels or max(width, height) > most.draw_side:
                raise BadInput(f"size {width}x{height} is too large; at most {most.draw_pixels:,} pixels and {most.draw_side} along a side")
        mask = request.mask
        if direction.action == "created" and not direction.pictures:
            if mask is not None:
                raise BadInput("there is no picture that the mask could belong to; send one or leave the mask out")
            return replace(direction, width=request.size[0], height=request.size[1]) if request.size else direction
        first = shown[direction.pictures[0]]
        if mask is not None:
            if (shown[mask].width, shown[mask].height) != (first.width, first.height):
                raise BadInput(
                    f"the mask is {shown[mask].width}x{shown[mask].height} and the picture {first.width}x{first.height}; "
                    "make them the same size"
                )
            if request.size not in (None, (first.width, first.height)):
                raise BadInput(f"with a mask the size is that of the picture, {first.width}x{first.height}; leave size out or make it auto")
        if request.size is not None and mask is None:
            return replace(direction, width=request.size[0], height=request.size[1])
        fit = (first.width, first.height) if mask else sizes.within(first.width, first.height, most.draw_side, most.draw_pixels)
        width, height = sizes.drawable(*fit)
        return replace(direction, width=width, height=height, fit=fit, mask=mask)

    def _engine(self, request: Request, direction: Direction, action: Action, pictures: int) -> Direction:
        needs = {Ability.EDIT} if action == "edited" else {Ability.DRAW}
        if pictures > 1 or (pictures and action == "created"):
            needs.add(Ability.REFERENCES)
        if direction.background == "transparent":
            needs.add(Ability.TRANSPARENT)
        if request.think:
            needs.add(Ability.THINK)
        able = self._able(request, needs)
        if not able:
            raise CannotDo(self._why_not(request, needs))
        able.sort(key=lambda info: direction.mask is not None and Ability.MASK not in info.abilities)  # stable: the default stays first
        info = able[0]
        if len(direction.prompt) > info.prompt_limit:
            raise BadInput(
                f'the prompt has {len(direction.prompt):,} characters and the engine "{info.name}" reads {info.prompt_limit:,}; shorten it'
            )
        if info.shaped and direction.fit is None:
            direction = _in_shape(direction, info.sizes)
        quality = _quality(request)
        known, steps = "quality" in info.options, request.steps
        if steps is None and quality is not None and not known:
            steps = info.paces.get(quality) or int(getattr(self.settings, f"steps_{quality}"))
        return replace(direction, engine=info.name, steps=steps, quality=quality if known else None, obeys=Ability.MASK in info.abilities)

    def _able(self, request: Request, needs: set[Ability]) -> list[EngineInfo]:
        """The engines that can and are ready, the default first. Raises Unknown, or CannotDo for a named one that is not ready."""
        if request.engine is not None:
            if request.engine not in self.table:
                raise Unknown("engine", request.engine, tuple(self.table))
            info = self.table[request.engine]
            if (missing := info.missing()) is not None:
                raise CannotDo(f'the engine "{info.name}" cannot be used here: {missing}; choose another')
            return [info] if needs <= info.abilities else []
        default = self.settings.engine
        rows = sorted(self.table.values(), key=lambda info: info.name != default)
        named = {default, *self.settings.engines}
        return [i for i in rows if needs <= i.abilities and (i.name in named or i.name not in NOT_UNASKED) and i.missing() is None]

    def _why_not(self, request: Request, needs: set[Ability]) -> str:
        words = {
            Ability.DRAW: "draw",
            Ability.EDIT: "edit a picture",
            Ability.REFERENCES: "take several pictures",
            Ability.ASK: "answer",
            Ability.TRANSPARENT: "draw on a transparent background",
            Ability.THINK: "think before it draws",
        }
        if request.engine is not None:
            lacking = " and ".join(words[need] for need in sorted(needs - self.table[request.engine].abilities, key=lambda a: a.value))
            return f'the engine "{request.engine}" cannot {lacking}; choose another or ask for something else'
        wanted = " and ".join(words[need] for need in sorted(needs, key=lambda a: a.value))
        return f"no engine here can {wanted}; offer one that can, or ask for something else"


def _in_shape(direction: Direction, shapes: Sequence[str]) -> Direction:
    """Drawn in the nearest of the only shapes that an engine has, and brought to the asked size afterwards."""
    if direction.width is None or direction.height is None:
        return direction
    shape = sizes.nearest(direction.width, direction.height, shapes)
    return direction if shape is None else replace(direction, width=shape[0], height=shape[1], fit=(direction.width, direction.height))


def _quality(request: Request) -> str | None:
    """The quality asked for, None for auto. Raises Unknown."""
    quality = {"standard": "medium", "hd": "high"}.get(request.quality, request.quality)
    if quality not in ("auto", "low", "medium", "high", "xhigh", "max"):
        raise Unknown("quality", request.quality, ("auto", "low", "medium", "high", "xhigh", "max"))
    return None if quality == "auto" else quality


def _said(message: Said) -> str:
    return "\n".join(part.text for part in message.parts if isinstance(part, Text)).strip()


def _background(word: str) -> str | None:
    """What an engine is told: nothing for auto and opaque."""
    return None if re.fullmatch(r"auto|opaque", word.strip().lower()) else word.strip().lower()
