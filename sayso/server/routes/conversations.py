"""The Conversations interface: the studio's conversations, read along their current branch."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from sayso.server.context import Caller, Context, Here, off
from sayso.server.errors import missing, refused
from sayso.server.following import base64_of
from sayso.server.handlers import ERRORS
from sayso.server.intake import Intake
from sayso.server.routes.responses import listed
from sayso.server.schemas.common import Deleted
from sayso.server.schemas.responses import Conversation, CreateConversation, CreateItems, InputItem, ItemList, UpdateConversation
from sayso.storage.rows import Conversation as Row
from sayso.storage.rows import Key, Turn
from sayso.studio.errors import NotFound
from sayso.studio.requests import part_to_json

router = APIRouter(prefix="/v1/conversations", tags=["Conversations"], responses=ERRORS)
Id = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_-]+$")]


def shown(row: Row) -> Conversation:
    return Conversation(id=row.id, created_at=int(row.created), metadata=dict(row.metadata))


async def items_of(here: Context, owner: Key, turns: tuple[Turn, ...]) -> list[dict[str, Any]]:
    """Turns as items, oldest first: words as messages, drawn pictures as calls of the picture tool."""
    out: list[dict[str, Any]] = []
    for turn in turns:
        words: list[dict[str, Any]] = []
        for part in turn.parts:
            if "text" in part:
                words.append(
                    {"type": "output_text", "text": part["text"], "annotations": []}
                    if turn.role == "assistant"
                    else {"type": "input_text", "text": part["text"]}
                )
            elif turn.role == "user":
                words.append({"type": "input_image", "file_id": part["picture"], "image_url": None, "detail": "auto"})
            else:
                out.append(await _call(here, owner, part["picture"]))
        if words:
            out.append({"id": f"msg_{turn.id}", "type": "message", "role": turn.role, "status": "completed", "content": words})
    return out


async def _call(here: Context, owner: Key, picture: str) -> dict[str, Any]:
    item: dict[str, Any] = {"id": picture, "type": "image_generation_call", "status": "completed", "result": None}
    try:
        row = await off(here.studio.picture, owner, picture)
        kind = row.media_type.removeprefix("image/")
        return {
            **item,
            "result": await base64_of(here, owner, picture),
            "output_format": kind,
            "size": f"{row.width}x{row.height}",
            "revised_prompt": row.revised_prompt,
            "action": "edit" if row.action == "edited" else "generate",
        }
    except NotFound:  # an upload shown as the assistant's, or deleted since
        return item


async def _append(here: Context, owner: Key, conversation: str, items: list[InputItem]) -> list[dict[str, Any]]:
    """Puts items at the end of the current branch; all of them or none."""
    intake = Intake(here, owner)
    heard = await intake.read(items)
    if heard.instructions:
        raise refused("items", "system and developer messages are not kept in a conversation; send them as instructions with each response")
    turns = []
    try:
        for said in await intake.kept():
            parts = tuple(part_to_json(part) for part in said.parts)
            turns.append(await off(here.studio.append, owner, conversation, said.role, parts))
    except BaseException:
        await intake.dropped()
        raise
    return await items_of(here, owner, tuple(turns))


@router.post("", response_model=Conversation, summary="Begin a conversation")
async def create(body: CreateConversation, owner: Caller, here: Here) -> Conversation:
    row = await off(here.studio.create_conversation, owner, "", body.metadata or {})
    try:
        if body.items:
            await _append(here, owner, row.id, body.items)
    except BaseException:
        await off(here.studio.delete_conversation, owner, row.id)
        raise
    return shown(row)


@router.get("/{conversation}", response_model=Conversation)
async def retrieve(conversation: Id, owner: Caller, here: Here) -> Conversation:
    return shown(await off(here.studio.conversation, owner, conversation))


@router.post("/{conversation}", response_model=Conversation, summary="Change the metadata")
async def update(conversation: Id, body: UpdateConversation, owner: Caller, here: Here) -> Conversation:
    return shown(await off(here.studio.change_conversation, owner, conversation, metadata=body.metadata))


@router.delete("/{conversation}", response_model=Deleted, summary="Delete a conversation with its turns and pictures")
async def delete(conversation: Id, owner: Caller, here: Here) -> Deleted:
    await off(here.studio.delete_conversation, owner, conversation)
    return Deleted(id=conversation, object="conversation.deleted", deleted=True)


@router.get("/{conversation}/items", response_model=ItemList)
async def items(
    conversation: Id,
    owner: Caller,
    here: Here,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: str | None = None,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
) -> ItemList:
    await off(here.studio.conversation, owner, conversation)
    found = await items_of(here, owner, await off(here.studio.turns, owner, conversation))
    return listed(found if order == "asc" else found[::-1], limit, after)


@router.post("/{conversation}/items", response_model=ItemList, summary="Put items at the end; conversations are append-only")
async def add_items(conversation: Id, body: CreateItems, owner: Caller, here: Here) -> ItemList:
    await off(here.studio.conversation, owner, conversation)
    return listed(await _append(here, owner, conversation, body.items), 100, None)


@router.get("/{conversation}/items/{item}", response_model=dict[str, Any])
async def item(conversation: Id, item: Id, owner: Caller, here: Here) -> dict[str, Any]:
    await off(here.studio.conversation, owner, conversation)
    for one in await items_of(here, owner, await off(here.studio.turns, owner, conversation)):
        if one["id"] == item:
            return one
    raise missing("item", item)
