"""The nouns of the house: what is asked, what is shown, and what happened. Standard library and numpy only."""

from __future__ import annotations

import enum
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True, eq=False)
class Picture:
    """`pixels`: uint8 [H, W, 4], straight (not premultiplied) alpha, sRGB. `origin`: where it came from, as data."""

    pixels: np.ndarray
    origin: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.pixels.dtype == np.uint8 and self.pixels.ndim == 3 and self.pixels.shape[2] == 4, self.pixels.shape

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


Part = Text | Picture


@dataclass(frozen=True)
class Message:
    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class PlanItem:
    """One thing to draw. `box`: x0, y0, x1, y1 in percent of the canvas. `colour`: "#rrggbb" or None (its own)."""

    name: str
    box: tuple[int, int, int, int]
    style: str
    colour: str | None = None
    flip: bool = False
    turn: int = 0


@dataclass(frozen=True)
class PlanText:
    """One line of lettering. `box` as in PlanItem."""

    text: str
    box: tuple[int, int, int, int]
    font: str
    colour: str


@dataclass(frozen=True)
class Plan:
    """What is going to be drawn, as data. `background` is the one-line form that `world.plan` reads and writes.

    `look`: how the whole picture is made, such as "watercolour", "" = plainly.
    """

    width: int
    height: int
    background: str
    items: tuple[PlanItem, ...] = ()
    lettering: tuple[PlanText, ...] = ()
    look: str = ""


class Ability(enum.Enum):
    DRAW = "draw"
    EDIT = "edit"
    MASK = "mask"
    REFERENCES = "references"
    ASK = "ask"
    THINK = "think"
    TRANSPARENT = "transparent"
    VIEWS = "views"
    WALK = "walk"
    VIDEO = "video"


@dataclass(frozen=True)
class Ask:
    """The conversation so far and what is wanted next.

    `width`, `height`: pixels of the finished picture, None = the engine's own. `steps`, `guidance`: None = the engine's
    defaults. `background`: "transparent", "#rrggbb", a colour word or None. `mask`: bool [H, W], True where the picture
    may change. `finish`: let the engine's upscaler finish the picture (False = plain bicubic). `options`: settings that
    only some engines have, by name; an engine refuses one that it does not know.
    """

    messages: tuple[Message, ...]
    want: Literal["picture", "text", "either"] = "picture"
    width: int | None = None
    height: int | None = None
    count: int = 1
    seed: int = 0
    steps: int | None = None
    guidance: float | None = None
    background: str | None = None
    mask: np.ndarray | None = None
    style: str | None = None
    think: bool = False
    finish: bool = True
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Thought:
    text: str


@dataclass(frozen=True)
class Step:
    index: int  # 1-based
    total: int


@dataclass(frozen=True, eq=False)
class Preview:
    index: int  # which of the `count` pictures, 0-based
    picture: Picture


@dataclass(frozen=True)
class Said:
    text: str


@dataclass(frozen=True, eq=False)
class Drew:
    index: int  # 0-based
    picture: Picture
    seed: int


@dataclass(frozen=True)
class Failed:
    reason: str


Event = Thought | Step | Preview | Said | Drew | Failed


class Engine(Protocol):
    """The one protocol of the house: an engine continues a conversation, event by event."""

    name: str
    abilities: frozenset[Ability]

    def respond(self, ask: Ask) -> Iterator[Event]:
        """Yields events until the ask is answered; its last picture is the last of them. Raises `CannotDo` or `BadInput` before
        any work starts.

        Closing the iterator between two events cancels the work.
        """
        ...


class BatchEngine(Engine, Protocol):
    """An engine that answers several asks in one go."""

    def batch_key(self, ask: Ask) -> Hashable | None:
        """Asks of equal keys may go together; None: this one goes alone."""
        ...

    def respond_together(self, asks: Sequence[Ask]) -> Iterator[tuple[int, Event]]:
        """Events of all asks, each with the position of its ask. The pictures equal those of `respond` for each alone."""
        ...


@dataclass(frozen=True)
class Verdict:
    """What the policy says at one stage. `clause`: its id in the policy file, None when nothing was found.

    `reason` and `instead` are sentences for a person: why not, and what would be allowed. `categories`: the moderation
    interface's names with scores in 0..1. `unseen`: what could not be inspected here, in words.
    """

    allowed: bool
    stage: Literal["prompt", "inputs", "plan", "output"]
    clause: str | None = None
    reason: str = ""
    instead: str = ""
    categories: Mapping[str, float] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()


class Policy(Protocol):
    def judge(
        self, stage: Literal["prompt", "inputs", "plan", "output"], ask: Ask, plan: Plan | None, drawn: Picture | None, moderation: str
    ) -> Verdict:
        """`moderation`: "auto" or "low". `drawn`: the finished picture at the stage "output"."""
        ...


@dataclass(frozen=True)
class Parent:
    """A picture that another was made from: its file as it was stored, and what it was to the new one."""

    data: bytes
    relation: Literal["parentOf", "inputTo", "componentOf"]
    name: str


@dataclass(frozen=True)
class Record:
    """How a picture came to be, for its seal. `weights`: sha256 of the model's file, "" for a remote engine.

    With "mask" or "tool" among the settings of an edit, pixels that equal the parent's stay as they are under the seal.
    """

    action: Literal["created", "edited"]
    engine: str
    weights: str
    seed: int
    prompt: str
    settings: Mapping[str, object] = field(default_factory=dict)
    parents: tuple[Parent, ...] = ()


@dataclass(frozen=True)
class Sealed:
    """A picture's file, signed and marked. `id`: the mark it carries, hex. `data` is what a person gets, nothing else."""

    data: bytes
    id: str
    media_type: str


class Sealer(Protocol):
    def seal(self, picture: Picture, record: Record, kind: str, quality: int | None) -> Sealed:
        """`kind`: png, jpeg, webp, avif or gif. Raises `SaysoError` rather than give out an unsealed picture."""
        ...
