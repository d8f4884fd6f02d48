"""What the routes need of a studio, as a protocol and plain data: the one seam between the interfaces and what is behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np

from sayso.types import Picture, Verdict

State = Literal["queued", "running", "completed", "failed", "cancelled"]


@dataclass(frozen=True)
class Owner:
    """Whose pictures they are: a key, or the person at this machine."""

    id: str
    name: str


@dataclass(frozen=True)
class Shown:
    """A stored picture inside a message."""

    id: str


@dataclass(frozen=True)
class Spoken:
    role: Literal["user", "assistant"]
    parts: tuple[str | Shown, ...]


@dataclass(frozen=True)
class Wish:
    """What is wanted next, as a client said it; None is "the engine's own".

    `messages`: the context when there is no conversation, else what is said now. `mask`: a stored picture's id, transparent
    where the edited picture may change. `kind`, `compression`: of the file. `previews`: whether pictures on the way are kept.
    """

    messages: tuple[Spoken, ...]
    action: Literal["auto", "generate", "edit", "answer"] = "auto"
    engine: str | None = None
    count: int = 1
    width: int | None = None
    height: int | None = None
    quality: str = "auto"
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    background: str | None = None
    style: str | None = None
    think: bool | None = None
    finish: bool = True
    mask: str | None = None
    fidelity: str | None = None
    kind: str = "png"
    compression: int | None = None
    moderation: str = "auto"
    previews: int = 0
    user: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One line of a job's log. `kind`: started, thought, said, step, preview, picture, done, failed, cancelled."""

    number: int
    kind: str
    data: Mapping[str, Any]


@dataclass(frozen=True)
class Stored:
    """A picture's row. `media_type` is that of its file."""

    id: str
    created_at: float
    width: int
    height: int
    media_type: str
    bytes: int
    drawn: bool
    prompt: str | None = None
    engine: str | None = None
    seed: int | None = None
    favourite: bool = False
    conversation: str | None = None
    turn: str | None = None
    parents: tuple[str, ...] = ()
    transparent: bool = False


@dataclass(frozen=True)
class Job:
    """`action`: what the director decided. `error`: code, message and perhaps moderation_details."""

    id: str
    state: State
    created_at: float
    finished_at: float | None
    action: str
    engine: str
    pictures: tuple[str, ...]
    said: tuple[str, ...]
    error: Mapping[str, Any] | None
    conversation: str | None
    turn: str | None
    wish: Wish
    progress: float = 0.0
    width: int | None = None
    height: int | None = None


class Studio(Protocol):
    """Every call is about one owner; what belongs to another does not exist. Errors are those of `sayso.errors` and its kin."""

    async def accept(
        self, owner: Owner, wish: Wish, *, conversation: str | None = None, parent: str | None = None, key: tuple[str, str] | None = None
    ) -> Job: ...

    def log(self, owner: Owner, job: str, after: int = 0) -> AsyncIterator[Entry]: ...

    async def job(self, owner: Owner, job: str) -> Job: ...

    async def cancel(self, owner: Owner, job: str) -> Job: ...

    async def keep(self, owner: Owner, picture: Picture, name: str) -> Stored: ...

    async def picture(self, owner: Owner, picture: str) -> Stored: ...

    async def content(self, owner: Owner, picture: str) -> bytes: ...

    async def judge(self, owner: Owner, words: Sequence[str], pictures: Sequence[np.ndarray]) -> Verdict: ...

    async def put(self, owner: Owner, kind: str, id: str, document: Mapping[str, Any]) -> None: ...

    async def get(self, owner: Owner, kind: str, id: str) -> dict[str, Any]: ...
