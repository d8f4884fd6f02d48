"""What is asked of the studio, as data that a queue can keep: words and the ids of stored pictures, never pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from sayso.types import Text

START = "start"


@dataclass(frozen=True)
class Ref:
    """A stored picture by id: `ig_…` for a drawn one, `file-…` for an upload."""

    id: str


@dataclass(frozen=True)
class Said:
    """One message: who spoke, and words and pictures in order."""

    role: Literal["user", "assistant"]
    parts: tuple[Text | Ref, ...]


@dataclass(frozen=True)
class Request:
    """One job. Words mean what they mean in `types.Ask`; here is what differs.

    `messages`: the whole context, oldest first, for a request that stands alone; with `conversation` only what is new, to
    be put after the turn `parent` (None = the conversation's head, START = a new beginning beside the first). The
    last message is the user's.
    `want`: "picture" draws or edits, "text" answers, "either" lets the director choose.
    `action`: "generate" never takes an earlier picture, "edit" needs one, "auto" lets the director choose.
    `size`: width, height; None = auto (the engine's own, or that of the picture edited).
    `seed`: None = drawn when the request is accepted, so that a second attempt draws the same.
    `quality`: "auto", "low", "medium", "high", "xhigh", "max": becomes steps by the settings unless `steps` is given.
    `background`: "auto", "opaque", "transparent", "#rrggbb" or a colour word.
    `mask`: id of a stored picture as large as the first picture edited; where its alpha is under 128 it may change.
    `format`, `compression`: of the file: png, jpeg, webp, avif or gif; 0–100 for jpeg, webp and avif.
    `previews`: how many partial pictures are wanted of each, 0–3, spread over the steps.
    `engine`: a name of the table of engines, None = the director's choice. `options`: the engine's own.
    `plan_only`: stop when the engine has thought and draw nothing; what it thought is in the log.
    `refine`: let the director word the prompt better; the words used come back as revised prompt.
    `store`: False = job and pictures are deleted an hour after the end.
    `person`: the caller's safety identifier, kept with the job and nowhere else.
    `metadata`: kept and given back, nothing more. `instructions`: read before the messages this time only; later turns of the
    conversation do not inherit them.
    """

    messages: tuple[Said, ...]
    conversation: str | None = None
    parent: str | None = None
    want: Literal["picture", "text", "either"] = "picture"
    action: Literal["auto", "generate", "edit"] = "auto"
    size: tuple[int, int] | None = None
    count: int = 1
    seed: int | None = None
    steps: int | None = None
    guidance: float | None = None
    quality: str = "auto"
    background: str = "auto"
    mask: str | None = None
    style: str | None = None
    think: bool = False
    plan_only: bool = False
    finish: bool = True
    format: Literal["png", "jpeg", "webp", "avif", "gif"] = "png"
    compression: int | None = None
    moderation: Literal["auto", "low"] = "auto"
    previews: int = 0
    engine: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    refine: bool = True
    store: bool = True
    person: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    instructions: str = ""


def drawing(prompt: str, *pictures: str, **how: Any) -> Request:
    """A request that stands alone: one user message of pictures (by id) and words."""
    return Request((Said("user", (*(Ref(i) for i in pictures), Text(prompt))),), **how)


def part_to_json(part: Text | Ref) -> dict[str, str]:
    return {"text": part.text} if isinstance(part, Text) else {"picture": part.id}


def part_from_json(data: Mapping[str, str]) -> Text | Ref:
    return Text(data["text"]) if "text" in data else Ref(data["picture"])


def to_json(request: Request) -> dict[str, Any]:
    """As JSON; `from_json` gives an equal request back."""
    out: dict[str, Any] = {f.name: getattr(request, f.name) for f in fields(request)}
    out["messages"] = [{"role": m.role, "parts": [part_to_json(p) for p in m.parts]} for m in request.messages]
    out["size"] = None if request.size is None else list(request.size)
    out["options"], out["metadata"] = dict(request.options), dict(request.metadata)
    return out


def from_json(data: Mapping[str, Any]) -> Request:
    rest = dict(data)
    rest["messages"] = tuple(Said(m["role"], tuple(part_from_json(p) for p in m["parts"])) for m in data["messages"])
    rest["size"] = None if data["size"] is None else (int(data["size"][0]), int(data["size"][1]))
    return Request(**rest)
