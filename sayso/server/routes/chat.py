"""Chat Completions: words and pictures in, words and pictures out."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi import Request as Call
from starlette.responses import Response

from sayso.server import sse
from sayso.server.context import Caller, Context, Here, idempotency, off
from sayso.server.errors import refused
from sayso.server.following import base64_of, cancelled, finished, watched
from sayso.server.handlers import ERRORS
from sayso.server.references import Reader
from sayso.server.routes.images import drop, keep
from sayso.server.schemas.chat import ChatAnswer, ChatCompletion, ChatMessage, ChatUsage, Choice, CreateChat, ImagePart, ImageUrl, TextPart
from sayso.server.schemas.common import Usage
from sayso.server.translate import MEANT, failure, sides
from sayso.server.usage import usage
from sayso.storage.rows import Key, StoredPicture
from sayso.studio.requests import Ref, Request, Said
from sayso.types import Picture, Text

router = APIRouter(prefix="/v1", tags=["Chat"], responses=ERRORS)
STREAM = sse.described("The answer; as chunks when stream is true.")
END = "data: [DONE]\n\n"


@dataclass(frozen=True)
class Talk:
    """An accepted chat. `pictured`: pictures are sent as message.images instead of Markdown links."""

    here: Context
    owner: Key
    call: Call
    body: CreateChat
    wanted: Request
    read: list[tuple[int, int]]
    job: str
    id: str
    created: int
    keep: bool

    @property
    def pictured(self) -> bool:
        return "image" in (self.body.modalities or ())

    @property
    def model(self) -> str:
        return self.body.model or self.here.default

    def usage(self, rows: Sequence[StoredPicture], said: list[str]) -> Usage:
        words = [part.text for one in self.wanted.messages for part in one.parts if isinstance(part, Text)]
        return usage(words, self.read, [(row.width, row.height) for row in rows], self.wanted.quality, said=said)

    async def part(self, row: StoredPicture) -> ImagePart:
        url = f"data:{row.media_type};base64,{await base64_of(self.here, self.owner, row.id)}"
        return ImagePart(type="image_url", image_url=ImageUrl(url=url))

    def link(self, row: StoredPicture) -> str:
        return f"![picture]({self.here.link(self.call, self.owner, row.id)})"


async def heard(here: Context, owner: Key, message: ChatMessage, place: str) -> list[Text | Ref | Picture]:
    """A message's parts; new pictures are still pixels. Raises ApiError 400."""
    reader, parts = Reader(here, owner), []
    content = [TextPart(type="text", text=message.content)] if isinstance(message.content, str) else message.content or []
    out: list[Text | Ref | Picture] = [Text(f"{message.name}:")] if message.name is not None else []
    for i, part in enumerate([*content, *(message.images or [])]):
        where = f"{place}.content.{i}"
        if isinstance(part, TextPart):
            parts.append(Text(part.text))
            out.append(parts[-1])
        elif isinstance(part, ImagePart):
            out.append(await reader.read(part.image_url.url, None, f"{where}.image_url"))
        else:
            await reader.check(part.file.file_id, f"{where}.file_id")
            out.append(Ref(part.file.file_id))
    if message.role in ("system", "developer") and any(not isinstance(part, Text) for part in out):
        raise refused(place, f"a {message.role} message cannot show pictures; put them into a user message")
    return out


async def begin(call: Call, here: Context, owner: Key, body: CreateChat) -> Talk:
    """Checks everything, keeps what came and hands it to the studio."""
    said: list[tuple[str, list[Text | Ref | Picture]]] = []
    for i, message in enumerate(body.messages):
        said.append((message.role, await heard(here, owner, message, f"messages.{i}")))
    shown = sum(not isinstance(part, Text) for _, parts in said for part in parts)
    if shown > here.settings.inputs:
        raise refused("messages", f"the messages show more than {here.settings.inputs} pictures; leave some out")
    if not any(isinstance(part, Text) and part.text.strip() for part in said[-1][1]):
        raise refused("messages", "the last message holds no words; say what you want")
    read = [(part.width, part.height) for _, parts in said for part in parts if isinstance(part, Picture)]
    instructions = "\n".join(
        part.text for role, parts in said if role in ("system", "developer") for part in parts if isinstance(part, Text)
    )
    engine, size, key = (
        await off(here.engine, body.model),
        sides(body.size, here),
        idempotency(call, body.model_dump_json(exclude_none=True).encode()),
    )
    kept: list[str] = []
    try:
        messages = []
        for role, parts in said:
            if role in ("user", "assistant"):
                stored = [Ref(await _kept(here, owner, part, kept)) if isinstance(part, Picture) else part for part in parts]
                messages.append(Said("assistant" if role == "assistant" else "user", tuple(stored)))
        only_words = body.modalities == ["text"]
        wanted = Request(
            tuple(messages),
            want="text" if only_words else "either",
            engine=engine,
            size=size,
            count=body.n or 1,
            seed=body.seed,
            quality=MEANT.get(body.quality or "auto", body.quality or "auto"),
            background=body.background or "auto",
            person=body.safety_identifier or body.user or "",
            metadata=body.metadata or {},
            instructions=instructions,
        )
        ticket = await off(here.studio.submit, owner, wanted, idempotency_key=key[0] if key else None, request_hash=key[1] if key else "")
    except BaseException:
        await drop(here, owner, kept)
        raise
    return Talk(here, owner, call, body, wanted, read, ticket.job, f"chatcmpl-{secrets.token_hex(16)}", int(time.time()), key is not None)


async def _kept(here: Context, owner: Key, picture: Picture, kept: list[str]) -> str:
    kept.append(await keep(here, owner, picture))
    return kept[-1]


async def whole(talk: Talk) -> ChatCompletion:
    """The answer at once: a choice for each picture, or one of words."""
    job = await finished(talk.call, talk.here, talk.owner, talk.job, talk.keep)
    rows = await off(talk.here.studio.drawn, talk.owner, job)
    said = await off(talk.here.studio.remarks, job)
    choices = []
    for i, row in enumerate(rows):
        words = "\n".join(said if i == 0 else [])
        answer = (
            ChatAnswer(content=words or None, images=[await talk.part(row)])
            if talk.pictured
            else ChatAnswer(content=f"{words}\n\n{talk.link(row)}".strip())
        )
        choices.append(Choice(index=i, message=answer, finish_reason="stop"))
    if not rows:
        choices.append(Choice(index=0, message=ChatAnswer(content="\n".join(said)), finish_reason="stop"))
    return ChatCompletion(id=talk.id, created=talk.created, model=talk.model, choices=choices, usage=ChatUsage.of(talk.usage(rows, said)))


async def chunks(talk: Talk) -> AsyncIterator[str]:
    """The answer as it comes."""

    def chunk(index: int, delta: dict[str, Any], reason: str | None = None) -> str:
        return sse.event(
            {
                "id": talk.id,
                "object": "chat.completion.chunk",
                "created": talk.created,
                "model": talk.model,
                "choices": [{"index": index, "delta": delta, "finish_reason": reason, "logprobs": None}],
            }
        )

    rows: list[StoredPicture] = []
    said: list[str] = []
    yield chunk(0, {"role": "assistant", "content": ""})
    async with watched(talk.here, talk.owner, talk.job, talk.keep):
        async for event in talk.here.studio.events(talk.owner, talk.job):
            if event.kind == "said" and event.data["text"] not in said:
                said.append(str(event.data["text"]))
                yield chunk(0, {"content": ("\n" if len(said) > 1 else "") + said[-1]})
            elif event.kind == "picture":
                row = await off(talk.here.studio.picture, talk.owner, str(event.data["id"]))
                rows.append(row)
                delta = (
                    {"images": [(await talk.part(row)).model_dump(exclude_none=True)]}
                    if talk.pictured
                    else {"content": f"\n\n{talk.link(row)}"}
                )
                yield chunk(int(event.data["picture"]), delta)
            elif event.kind == "failed":
                raise failure(event.data)
            elif event.kind == "cancelled":
                raise cancelled()
    for index in range(max(1, len(rows))):
        yield chunk(index, {}, "stop")
    if talk.body.stream_options is not None and talk.body.stream_options.include_usage:
        counted = ChatUsage.of(talk.usage(rows, said)).model_dump()
        yield sse.event(
            {
                "id": talk.id,
                "object": "chat.completion.chunk",
                "created": talk.created,
                "model": talk.model,
                "choices": [],
                "usage": counted,
            }
        )
    yield END


@router.post("/chat/completions", response_model=ChatCompletion, responses={200: STREAM}, summary="The next message of a chat")
async def create(call: Call, body: CreateChat, owner: Caller, here: Here) -> Response:
    talk = await begin(call, here, owner, body)
    if body.stream:
        return sse.stream(sse.told(chunks(talk)), here.settings.keep_alive_seconds)
    return Response(
        (await whole(talk)).model_dump_json(exclude={"choices": {"__all__": {"message": _absent(talk)}}}), media_type="application/json"
    )


def _absent(talk: Talk) -> set[str]:
    """Members of a message that are left out: images, where none were asked for."""
    return set() if talk.pictured else {"images"}
