"""The studio interface: conversations as trees of turns, and the jobs that fill them, event by event."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query
from fastapi import Request as Call
from starlette.responses import Response

from sayso.server import sse, uploads
from sayso.server.context import Caller, Context, Here, idempotency, off
from sayso.server.errors import ApiError, refused
from sayso.server.following import preview_of
from sayso.server.handlers import ERRORS
from sayso.server.references import Reader
from sayso.server.schemas import studio as schemas
from sayso.server.schemas.common import Deleted
from sayso.server.shown import Shower, conversation
from sayso.server.translate import MEANT, extras, pressed, sides, thinking
from sayso.storage.rows import JobEvent, Key
from sayso.studio.requests import START, Ref, Request, Said
from sayso.types import Text

router = APIRouter(prefix="/studio/v1", tags=["Studio: conversations"], responses=ERRORS)
Id = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]
Cursor = Annotated[str | None, Query(max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]
STREAM = sse.described("Events; each has its number as id.")
PARTIALS = 3


@router.get(
    "/conversations", response_model=schemas.ConversationList, summary="One's conversations, newest change first; query searches them"
)
async def listed(
    call: Call, owner: Caller, here: Here, query: Annotated[str, Query(max_length=500)] = "", cursor: Cursor = None, limit: Limit = 50
) -> schemas.ConversationList:
    page = await off(here.studio.conversations, owner, _clean(query), cursor=cursor, limit=limit)
    show = Shower(call, here, owner)
    return schemas.ConversationList(data=[await off(show.covered, row) for row in page.rows], next=page.next)


def _clean(words: str) -> str:
    if "\0" in words:
        raise refused("query", "the query holds a NUL character; leave it out")
    return words


@router.post("/conversations", response_model=schemas.Conversation)
async def create(body: schemas.NewConversation, owner: Caller, here: Here) -> schemas.Conversation:
    return conversation(await off(here.studio.create_conversation, owner, body.title or ""))


@router.get("/conversations/{name}", response_model=schemas.ConversationTree, summary="A conversation with every turn of every branch")
async def whole(call: Call, name: Id, owner: Caller, here: Here) -> schemas.ConversationTree:
    row = await off(here.studio.conversation, owner, name)
    return await off(Shower(call, here, owner).tree, row)


@router.patch("/conversations/{name}", response_model=schemas.Conversation, summary="Rename it, or go back to a turn")
async def change(name: Id, body: schemas.ChangeConversation, owner: Caller, here: Here) -> schemas.Conversation:
    return conversation(await off(here.studio.change_conversation, owner, name, title=body.title, head=body.current))


@router.delete("/conversations/{name}", response_model=Deleted, summary="Delete it with its turns and, unless told otherwise, its pictures")
async def delete(name: Id, owner: Caller, here: Here, pictures: bool = True) -> Deleted:
    await off(here.studio.delete_conversation, owner, name, pictures)
    return Deleted(id=name, object="conversation", deleted=True)


@router.post(
    "/conversations/{name}/branch", response_model=schemas.Conversation, summary="A new conversation that begins as this one up to a turn"
)
async def branch(name: Id, body: schemas.Branch, owner: Caller, here: Here) -> schemas.Conversation:
    old = await off(here.studio.conversation, owner, name)
    turns = await off(here.studio.turns, owner, name, body.turn)
    made = await off(here.studio.create_conversation, owner, body.title or f"{old.title} (2)".strip()[:200])
    try:
        for turn in turns:
            if turn.parts:
                await off(here.studio.append, owner, made.id, turn.role, turn.parts)
    except BaseException:
        await off(here.studio.delete_conversation, owner, made.id, False)
        raise
    return conversation(await off(here.studio.conversation, owner, made.id))


async def asked(here: Context, owner: Key, name: str | None, body: schemas.NewTurn) -> Request:
    """What a new turn asks, its pictures found. Raises ApiError 400."""
    wish, reader = body.wish or schemas.Wish(), Reader(here, owner)
    first = None
    for i, part in enumerate(body.parts):
        if isinstance(part, schemas.PicturePart):
            first = first or await reader.check(part.id, f"parts.{i}.id")
    if not any(isinstance(part, schemas.TextPart) and part.text.strip() for part in body.parts):
        raise refused("parts", "the parts hold no words; say what you want")
    if wish.mask is not None:
        await reader.check(wish.mask, "wish.mask")
        if first is not None:
            sent = await reader.stored(wish.mask, "wish.mask")
            await off(
                uploads.mask_of,
                sent,
                await reader.stored(next(p.id for p in body.parts if isinstance(p, schemas.PicturePart)), "parts"),
                "wish.mask",
            )
    parts = tuple(Text(part.text) if isinstance(part, schemas.TextPart) else Ref(part.id) for part in body.parts)
    answer = wish.action == "answer"
    return Request(
        messages=(Said("user", parts),),
        conversation=name,
        parent=START if body.from_start else body.parent,
        want="text" if answer else "picture" if wish.action in ("generate", "edit") else "either",
        action=wish.action if wish.action in ("generate", "edit") else "auto",
        engine=None if wish.engine is None else await off(here.engine, wish.engine),
        size=sides(wish.size, here, "wish.size"),
        count=wish.count or 1,
        seed=wish.seed,
        steps=wish.steps,
        guidance=wish.guidance,
        quality=MEANT.get(wish.quality or "auto", wish.quality or "auto"),
        background=wish.background_color or wish.background or "auto",
        mask=wish.mask,
        style=wish.style,
        think=thinking(wish.complexity, wish.think),
        plan_only=bool(wish.plan_only),
        finish=wish.finish is not False,
        format=wish.output_format or "png",
        compression=pressed(wish.output_format, wish.output_compression),
        moderation=wish.moderation or "auto",
        previews=PARTIALS if body.partial_images is None else body.partial_images,
        options=extras(wish.input_fidelity, wish.engine_options),
    )


@router.post(
    "/conversations/{name}/turns",
    response_model=schemas.Turn,
    summary="Say something; answers with the assistant's turn, whose job is under way",
)
async def say(call: Call, name: Id, body: schemas.NewTurn, owner: Caller, here: Here) -> schemas.Turn:
    await off(here.studio.conversation, owner, name)
    wanted = await asked(here, owner, name, body)
    key = idempotency(call, body.model_dump_json(exclude_none=True).encode())
    ticket = await off(here.studio.submit, owner, wanted, idempotency_key=key[0] if key else None, request_hash=key[1] if key else "")
    return await _turn(call, here, owner, name, ticket.turn)


async def _turn(call: Call, here: Context, owner: Key, name: str, turn: str | None) -> schemas.Turn:
    rows = await off(here.studio.tree, owner, name)
    for row in rows:
        if row.id == turn:
            return await off(Shower(call, here, owner).turn, row, [other.id for other in rows if other.parent == row.id])
    raise ApiError(404, f'no turn "{str(turn)[:80]}" was found in this conversation; check its id', param="turn", code="not_found")


@router.get("/conversations/{name}/turns/{turn}", response_model=schemas.Turn)
async def one_turn(call: Call, name: Id, turn: Id, owner: Caller, here: Here) -> schemas.Turn:
    await off(here.studio.conversation, owner, name)
    return await _turn(call, here, owner, name, turn)


@router.delete(
    "/conversations/{name}/turns/{turn}",
    response_model=Deleted,
    summary="Delete a turn and all that followed from it, with pictures that nothing else shows",
)
async def delete_turn(name: Id, turn: Id, owner: Caller, here: Here) -> Deleted:
    await off(here.studio.delete_turn, owner, name, turn)
    return Deleted(id=turn, object="turn", deleted=True)


@router.post(
    "/conversations/{name}/turns/{turn}/regenerate", response_model=schemas.Turn, summary="Answer again, beside this assistant's turn"
)
async def regenerate(call: Call, name: Id, turn: Id, body: schemas.Again, owner: Caller, here: Here) -> schemas.Turn:
    ticket = await off(here.studio.regenerate, owner, name, turn, body.seed)
    return await _turn(call, here, owner, name, ticket.turn)


@router.get("/jobs", response_model=schemas.JobList, tags=["Studio: jobs"], summary="One's jobs, newest first")
async def jobs(
    call: Call,
    owner: Caller,
    here: Here,
    state: Annotated[str | None, Query(pattern="^(queued|running|done|failed|cancelled)$")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> schemas.JobList:
    page = await off(here.studio.jobs, owner, state=state, cursor=cursor, limit=limit)
    show = Shower(call, here, owner)
    return schemas.JobList(data=[show.job(row) for row in page.rows], next=page.next)


@router.get("/jobs/{job}", response_model=schemas.Job, tags=["Studio: jobs"])
async def one_job(call: Call, job: Id, owner: Caller, here: Here) -> schemas.Job:
    return Shower(call, here, owner).job(await off(here.studio.job, owner, job))


@router.post("/jobs/{job}/cancel", response_model=schemas.Job, tags=["Studio: jobs"], summary="Stop it; a finished job stays as it is")
async def cancel(call: Call, job: Id, owner: Caller, here: Here) -> schemas.Job:
    return Shower(call, here, owner).job(await off(here.studio.cancel, owner, job))


@router.get(
    "/jobs/{job}/events",
    response_class=Response,
    responses={200: STREAM},
    tags=["Studio: jobs"],
    summary="The job's log as events, from its beginning or after a number; ends when the job does",
)
async def events(
    call: Call,
    job: Id,
    owner: Caller,
    here: Here,
    after: Annotated[int | None, Query(ge=0, le=2**31)] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    if last_event_id is not None and not (last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 10):
        raise refused("last-event-id", "the header Last-Event-ID is not one of our numbers; leave it out")
    await off(here.studio.job, owner, job)
    start = after if after is not None else int(last_event_id) if last_event_id is not None else 0
    return sse.stream(sse.told(_events(call, here, owner, job, start)), here.settings.keep_alive_seconds)


async def _events(call: Call, here: Context, owner: Key, job: str, after: int) -> AsyncIterator[str]:
    show = Shower(call, here, owner)
    async for event in here.studio.events(owner, job, after):
        yield f"id: {event.seq}\n" + sse.event(await _event(show, here, owner, job, event), event.kind)


async def _event(show: Shower, here: Context, owner: Key, job: str, event: JobEvent) -> dict[str, object]:
    """An event as the page gets it: a preview carries its picture, a finished picture its row."""
    told: dict[str, object] = {"type": event.kind, "seq": event.seq, "created_at": event.created, **event.data}
    if event.kind == "preview":
        told["image"] = f"data:{event.data['media_type']};base64,{await preview_of(here, owner, job, str(event.data['blob']))}"
        del told["blob"]
    elif event.kind == "picture":
        row = await off(show.picture, str(event.data["id"]))
        told["row"] = None if row is None else row.model_dump()
    return told
