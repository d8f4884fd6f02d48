"""What storage hands out: plain frozen dataclasses, one a thing that lasts. Times are seconds since 1970 (UTC)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

State = Literal["queued", "running", "done", "failed", "cancelled"]
FINAL = ("done", "failed", "cancelled")
Row = TypeVar("Row")


@dataclass(frozen=True)
class Key:
    """Who calls. `id` owns everything made with it. The secret itself is kept nowhere; `hint` is its beginning.

    `rate`: requests a minute, `quota`: pictures a day (UTC), 0 = unlimited. `admin` may make and revoke keys, load and unload engines.
    """

    id: str
    name: str = ""
    hint: str = ""
    admin: bool = False
    rate: int = 0
    quota: int = 0
    created: float = 0.0
    expires: float | None = None
    revoked: float | None = None


@dataclass(frozen=True)
class JobEvent:
    """One line of a job's append-only log. `seq` counts from 1 without gaps; `kind` and `data` as in `studio.service`."""

    job: str
    seq: int
    kind: str
    data: Mapping[str, Any]
    created: float


@dataclass(frozen=True)
class Job:
    """`pictures`: ids reserved when it was accepted, one for each picture asked for; they lead somewhere once the picture is drawn.

    `drawn`: those that exist. `error`: {"code", "message", "details"} when failed. `position`: how many stand before it
    in the queue (only from `Studio.job`). `direction`: what the director made of the request. `turn`: the assistant's turn it
    fills, when it belongs to a conversation.
    """

    id: str
    owner: str
    state: State
    engine: str
    request: Mapping[str, Any]
    pictures: tuple[str, ...]
    drawn: tuple[str, ...]
    created: float
    priority: int = 0
    attempts: int = 0
    started: float | None = None
    finished: float | None = None
    error: Mapping[str, Any] | None = None
    conversation: str | None = None
    turn: str | None = None
    direction: Mapping[str, Any] = field(default_factory=dict)
    cancel: bool = False
    position: int | None = None


@dataclass(frozen=True)
class StoredPicture:
    """A drawn picture. `blob`: sha256 of its sealed file. `seal`: the mark it carries. `parents`: ids it was made from."""

    id: str
    owner: str
    blob: str
    bytes: int
    media_type: str
    width: int
    height: int
    prompt: str
    revised_prompt: str | None
    engine: str
    weights: str
    seed: int
    seal: str
    action: Literal["created", "edited"]
    created: float
    settings: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()
    job: str | None = None
    index: int = 0
    conversation: str | None = None
    turn: str | None = None
    favourite: bool = False


@dataclass(frozen=True)
class StoredFile:
    """An upload. `width`, `height`: 0 for what is no picture."""

    id: str
    owner: str
    blob: str
    bytes: int
    media_type: str
    filename: str
    purpose: str
    created: float
    expires: float | None = None
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation, never changed. `parts`: {"text": …} or {"picture": id}, in order.

    `job`: the job that fills an assistant's turn; its parts are there once the job is done.
    """

    id: str
    conversation: str
    parent: str | None
    role: Literal["user", "assistant"]
    parts: tuple[Mapping[str, str], ...]
    created: float
    job: str | None = None


@dataclass(frozen=True)
class Conversation:
    """A tree of turns. `head`: the turn that the next one follows unless another is named."""

    id: str
    owner: str
    title: str
    created: float
    updated: float
    head: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """A JSON object kept for whoever named its kind ("response", "chat" …)."""

    kind: str
    id: str
    owner: str
    data: Mapping[str, Any]
    created: float
    expires: float | None = None


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Rows, newest first, and the cursor that gives the next ones; None at the end."""

    rows: tuple[Row, ...]
    next: str | None
