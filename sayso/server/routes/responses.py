"""The Responses interface: a turn of a conversation, at once, as events, or in the background."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi import Request as Call
from starlette.responses import JSONResponse
from starlette.responses import Response as Answer

from sayso.server import sse
from sayso.server.context import Caller, Context, Here, idempotency, off
from sayso.server.errors import ApiError, missing, refused
from sayso.server.following import finished
from sayso.server.handlers import ERRORS
from sayso.server.intake import Heard, Intake, mask_of
from sayso.server.replies import KIND, Telling, echo, find, new_id
from sayso.server.routes.images import keep
from sayso.server.schemas.common import Deleted
from sayso.server.schemas.responses import AllowedTools, CreateResponse, ForcedTool, ItemList, Response
from sayso.server.translate import tooled
from sayso.storage.rows import Conversation, Key
from sayso.studio.errors import Conflict, NotFound
from sayso.studio.requests import Request

router = APIRouter(prefix="/v1", tags=["Responses"], responses=ERRORS)
STREAM = sse.described("The response; as events when it is streamed.")
LITTLE = ("none", "minimal")
ResponseId = Annotated[str, Path(pattern=r"^resp_[0-9a-f]{48}$", description="A response's id.")]


@dataclass(frozen=True)
class Place:
    """Where a turn goes: a conversation and the turn it follows. `begun`: the conversation is new and goes if nothing comes of it."""

    conversation: str | None = None
    parent: str | None = None
    begun: bool = False


async def place(here: Context, owner: Key, body: CreateResponse) -> Place:
    """Raises ApiError 400 or 404 for a response or a conversation that is not there."""
    if body.previous_response_id is not None:
        try:
            kept = (await off(here.studio.document, owner, KIND, body.previous_response_id)).data
        except NotFound as error:
            raise ApiError(
                400,
                f"Previous response with id '{body.previous_response_id[:80]}' not found; it was deleted or never stored.",
                param="previous_response_id",
                code="previous_response_not_found",
            ) from error
        return Place(kept["conversation"], kept["turn"])
    if body.conversation is not None:
        name = body.conversation if isinstance(body.conversation, str) else body.conversation.id
        try:
            found: Conversation = await off(here.studio.conversation, owner, name)
        except NotFound as error:
            raise missing("conversation", name) from error
        return Place(found.id, found.head)
    if body.store is False:
        return Place()
    return Place((await off(here.studio.create_conversation, owner)).id, None, begun=True)


def wanted(body: CreateResponse, here: Context, heard: Heard) -> Request:
    """The request without its messages and its place. Raises ApiError 400."""
    tool = body.tools[0] if body.tools and body.tool_choice != "none" else None
    effort = body.reasoning.effort if body.reasoning is not None else None
    think = (effort is not None and effort not in LITTLE) if tool is None or tool.complexity is None else tool.complexity != "low"
    instructions = "\n".join(text for text in (body.instructions, *heard.instructions) if text)
    common: dict[str, Any] = {
        "think": think,
        "store": body.store is not False,
        "person": body.safety_identifier or body.user or "",
        "instructions": instructions,
    }
    if tool is None:
        return Request((), want="text", engine=here.engine(body.model), **common)
    forced = body.tool_choice == "required" or isinstance(body.tool_choice, ForcedTool)
    forced = forced or (isinstance(body.tool_choice, AllowedTools) and body.tool_choice.mode == "required")
    return Request(
        (), want="picture" if forced or tool.action in ("generate", "edit") else "either", **tooled(tool, here, body.model), **common
    )


async def begin(call: Call, here: Context, owner: Key, body: CreateResponse) -> Telling:
    """Checks everything, stores what came, hands it to the studio and writes down the response."""
    intake = Intake(here, owner)
    heard = await intake.read(body.input)
    heard.ordered()
    asked = await off(wanted, body, here, heard)
    tool = body.tools[0] if body.tools and body.tool_choice != "none" else None
    given = tool.input_image_mask if tool is not None else None
    mask = (
        await mask_of(here, owner, intake.reader, given.image_url, given.file_id, "tools.0.input_image_mask") if given is not None else None
    )
    key = idempotency(call, body.model_dump_json(exclude_none=True).encode())
    where = await place(here, owner, body)
    try:
        messages = await intake.kept()
        if mask is not None:
            hidden = await keep(here, owner, mask, None)
            intake.new.append(hidden)
            asked = replace(asked, mask=hidden)
        asked = replace(asked, messages=messages, conversation=where.conversation, parent=where.parent)
        ticket = await off(here.studio.submit, owner, asked, idempotency_key=key[0] if key else None, request_hash=key[1] if key else "")
    except BaseException:
        await intake.dropped()
        if where.begun and where.conversation is not None:
            await off(here.studio.delete_conversation, owner, where.conversation)
        raise
    if ticket.replayed:
        await intake.dropped()
        if where.begun and where.conversation is not None and where.conversation != ticket.conversation:
            await off(here.studio.delete_conversation, owner, where.conversation)
    return await _written(
        here,
        owner,
        body,
        asked,
        heard,
        ticket.job,
        ticket.pictures[0] if ticket.pictures else f"ig_{ticket.job}",
        ticket.conversation,
        ticket.turn,
        replayed=ticket.replayed,
    )


async def _written(
    here: Context,
    owner: Key,
    body: CreateResponse,
    asked: Request,
    heard: Heard,
    job: str,
    picture: str,
    conversation: str | None,
    turn: str | None,
    replayed: bool,
) -> Telling:
    """The stored response of a job; that of the first time when the request is a repetition."""
    if replayed:
        try:
            first = (await off(here.studio.document, owner, "response-of-job", job)).data["response"]
            return await find(here, owner, first)
        except NotFound:
            pass  # the first one died between accepting and writing down; this one writes it
    look = {
        "background": "transparent" if asked.background == "transparent" else "opaque",
        "output_format": asked.format,
        "quality": "medium" if asked.quality == "auto" else asked.quality,
        "size": "auto" if asked.size is None else f"{asked.size[0]}x{asked.size[1]}",
        "revised_prompt": None,
    }
    kept: dict[str, Any] = {
        "id": new_id(),
        "created_at": time.time(),
        "job": job,
        "picture": picture,
        "conversation": conversation,
        "turn": turn,
        "echo": echo(body, here.default),
        "look": look,
        "summary": body.reasoning is not None and body.reasoning.summary is not None,
        "words": heard.words,
        "read": [list(size) for size in heard.read],
        "input": heard.items,
    }
    if body.store is not False:
        await off(here.studio.put_document, owner, KIND, kept["id"], kept)
        await off(here.studio.put_document, owner, "response-of-job", job, {"response": kept["id"]})
    return Telling(here, owner, kept)


def streamed(telling: Telling, after: int, keep_job: bool, here: Context) -> Answer:
    return sse.stream(sse.told(telling.events(after, keep_job), flat=True), here.settings.keep_alive_seconds)


@router.post("/responses", response_model=Response, responses={200: STREAM}, summary="Go on with a conversation")
async def create(call: Call, body: CreateResponse, owner: Caller, here: Here) -> Answer:
    keyed = "idempotency-key" in call.headers
    telling = await begin(call, here, owner, body)
    if body.stream:
        return streamed(telling, -1, keyed or bool(body.background), here)
    if not body.background:
        try:
            await finished(call, here, owner, str(telling.kept["job"]), keyed)
        except ApiError as error:
            if error.status == 499 or error.code == "cancelled":
                raise
    return JSONResponse(await telling.now())


@router.get(
    "/responses/{response}", response_model=Response, responses={200: STREAM}, summary="A stored response, or its events from a number on"
)
async def retrieve(
    response: ResponseId,
    owner: Caller,
    here: Here,
    stream: bool = False,
    starting_after: Annotated[int | None, Query(ge=0)] = None,
    include_obfuscation: bool = False,
) -> Answer:
    if starting_after is not None and not stream:
        raise refused("starting_after", "starting_after needs stream=true; add it")
    if include_obfuscation:
        raise refused("include_obfuscation", "this server adds no obfuscation; leave it out", "unsupported_value")
    telling = await find(here, owner, response)
    if stream:
        return streamed(telling, -1 if starting_after is None else starting_after, True, here)
    return JSONResponse(await telling.now())


@router.post("/responses/{response}/cancel", response_model=Response, summary="Stop a response; a finished one stays as it is")
async def cancel(response: ResponseId, owner: Caller, here: Here) -> Answer:
    telling = await find(here, owner, response)
    await off(here.studio.cancel, owner, telling.kept["job"])
    await here.studio.wait(owner, telling.kept["job"])
    return JSONResponse(await telling.now())


@router.delete("/responses/{response}", response_model=Deleted, summary="Delete a response, its job and its picture")
async def delete(response: ResponseId, owner: Caller, here: Here) -> Deleted:
    kept = (await find(here, owner, response)).kept
    try:
        await off(here.studio.delete_job, owner, kept["job"], pictures=True)
    except NotFound:
        pass  # with its conversation, earlier
    except Conflict as error:
        raise ApiError(409, str(error), code="conflict", headers={"x-should-retry": "false"}) from error
    await off(here.studio.delete_document, owner, KIND, response)
    return Deleted(id=response, object="response", deleted=True)


@router.get("/responses/{response}/input_items", response_model=ItemList, summary="What a response was asked")
async def input_items(
    response: ResponseId,
    owner: Caller,
    here: Here,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
) -> ItemList:
    kept = (await find(here, owner, response)).kept
    suffix = str(kept["id"]).removeprefix("resp_")
    items = [{"id": f"item{i}_{suffix}", **item} for i, item in enumerate(kept["input"])]
    return listed(items if order == "asc" else items[::-1], limit, after)


def listed(items: list[dict[str, Any]], limit: int, after: str | None) -> ItemList:
    """A page of items. Raises ApiError 404 when `after` names none of them."""
    start = 0
    if after is not None:
        places = [i for i, item in enumerate(items) if item["id"] == after]
        if not places:
            raise missing("item", after)
        start = places[0] + 1
    page = items[start : start + limit]
    return ItemList(
        data=page, first_id=page[0]["id"] if page else None, last_id=page[-1]["id"] if page else None, has_more=start + limit < len(items)
    )
