"""The Images interface: generations, edits, variations, and the signed links of their answers."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter
from fastapi import Request as Call
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from sayso.server import forms, sse, uploads
from sayso.server.context import INPUT_SECONDS, Caller, Context, Here, idempotency, off
from sayso.server.errors import ApiError, refused, sentence
from sayso.server.following import base64_of, cancelled, finished, preview_of, watched
from sayso.server.handlers import ERRORS, body_document
from sayso.server.references import Reader
from sayso.server.schemas.images import (
    EditFields,
    EditJsonRequest,
    GenerateRequest,
    ImagesResponse,
    Looks,
    OnePicture,
    VariationFields,
    form_document,
)
from sayso.server.translate import drawing, failure
from sayso.server.usage import usage
from sayso.storage.rows import Job, Key
from sayso.studio.requests import Ref, Request
from sayso.types import Picture, Text

router = APIRouter(prefix="/v1", tags=["Images"], responses=ERRORS)
REFERENCES = 16
STREAM = sse.described("The pictures; as events when stream is true.")
BODY = "application/json"
KINDS = ("image/png", "image/webp", "image/jpeg")


@dataclass(frozen=True)
class Drawing:
    """An accepted job, and what its answer repeats. `keep`: it goes on when the client goes, because it can be asked for again."""

    here: Context
    owner: Key
    job: str
    wanted: Request
    looks: Looks
    read: list[tuple[int, int]]
    keep: bool

    @property
    def words(self) -> list[str]:
        return [part.text for said in self.wanted.messages for part in said.parts if isinstance(part, Text)]

    @property
    def quality(self) -> str:
        return "medium" if self.wanted.quality == "auto" else self.wanted.quality

    @property
    def background(self) -> str:
        return "transparent" if self.wanted.background == "transparent" else "opaque"


async def accept(call: Call, here: Context, owner: Key, wanted: Request, looks: Looks, key: tuple[str, str] | None) -> Drawing:
    """Hands a request to the studio."""
    name, mixed = key or (None, "")
    ticket = await off(here.studio.submit, owner, wanted, idempotency_key=name, request_hash=mixed)
    reader = Reader(here, owner)
    read = [await reader.check(part.id, "image") for said in wanted.messages for part in said.parts if isinstance(part, Ref)]
    return Drawing(here, owner, ticket.job, wanted, looks, read, key is not None)


async def document(call: Call, drawn: Drawing) -> ImagesResponse:
    """A finished job as an ImagesResponse."""
    return await off(_document, call, drawn, await finished(call, drawn.here, drawn.owner, drawn.job, drawn.keep))


def _document(call: Call, drawn: Drawing, job: Job) -> ImagesResponse:
    here, owner, looks = drawn.here, drawn.owner, drawn.looks
    rows = here.studio.drawn(owner, job)
    data = []
    for row in rows:
        if looks.response_format == "url":
            data.append(OnePicture(url=here.link(call, owner, row.id), id=row.id, seed=row.seed))
        else:
            data.append(OnePicture(b64_json=base64.b64encode(here.studio.file_of(row)).decode(), id=row.id, seed=row.seed))
    return ImagesResponse(
        created=int(job.created),
        background=drawn.background,  # type: ignore[arg-type]
        output_format=drawn.wanted.format,
        quality=drawn.quality,
        size=f"{rows[0].width}x{rows[0].height}",
        data=data,
        usage=usage(drawn.words, drawn.read, [(row.width, row.height) for row in rows], drawn.quality),
        safety_identifier=looks.safety_identifier,
        remarks=here.studio.remarks(job),
    )


async def events(drawn: Drawing, name: str) -> AsyncIterator[str]:
    """A job as events of the Images interface: partial pictures as the sampler makes them, then each finished picture."""
    here, owner, looks = drawn.here, drawn.owner, drawn.looks
    asked = {
        "size": looks.size or "auto",
        "quality": looks.quality or "auto",
        "background": looks.background or "auto",
        "output_format": drawn.wanted.format,
    }
    sent: dict[int, int] = {}
    words, read = drawn.words, drawn.read
    async with watched(here, owner, drawn.job, drawn.keep):
        async for event in here.studio.events(owner, drawn.job):
            told = event.data
            if event.kind == "preview" and told["nth"] == sent.get(told["picture"], 0):
                sent[told["picture"]] = told["nth"] + 1
                kind = f"{name}.partial_image"
                yield sse.event(
                    {
                        "type": kind,
                        "b64_json": await preview_of(here, owner, drawn.job, told["blob"]),
                        "partial_image_index": told["nth"],
                        "created_at": int(event.created),
                        **asked,
                    },
                    kind,
                )
            elif event.kind == "picture":
                counted = usage(words, read, [(told["width"], told["height"])], drawn.quality, sent.get(told["picture"], 0))
                words, read = [], []  # what was read is counted once
                kind = f"{name}.completed"
                data = {
                    "type": kind,
                    "b64_json": await base64_of(here, owner, told["id"]),
                    "created_at": int(event.created),
                    "size": f"{told['width']}x{told['height']}",
                    "quality": drawn.quality,
                    "output_format": drawn.wanted.format,
                    "background": drawn.background,
                    "usage": counted.model_dump(),
                }
                if looks.safety_identifier is not None:
                    data["safety_identifier"] = looks.safety_identifier
                yield sse.event(data, kind)
            elif event.kind == "failed":
                raise failure(told)
            elif event.kind == "cancelled":
                raise cancelled()


async def answer(call: Call, drawn: Drawing, name: str) -> Response:
    if drawn.looks.stream:
        return sse.stream(sse.told(events(drawn, name)), drawn.here.settings.keep_alive_seconds)
    made = await document(call, drawn)
    return Response(made.model_dump_json(exclude_none=True), media_type=BODY)


@router.post("/images/generations", response_model=ImagesResponse, responses={200: STREAM}, summary="Draw pictures from words")
async def generations(call: Call, body: GenerateRequest, owner: Caller, here: Here) -> Response:
    key = idempotency(call, body.model_dump_json(exclude_none=True).encode())
    wanted = await off(drawing, body, here, body.prompt)
    return await answer(call, await accept(call, here, owner, wanted, body, key), "image_generation")


def _edit_documents() -> dict[str, Any]:
    parts = {
        "image": {"description": "The picture to change; several as image[]."},
        "mask": {"description": "A png, transparent where it may change."},
    }
    form = form_document(EditFields, parts, [], "image")
    plain = EditJsonRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    return body_document({"multipart/form-data": (form, {}), BODY: (plain, plain.pop("$defs", {}))})


@router.post(
    "/images/edits",
    response_model=ImagesResponse,
    responses={200: STREAM},
    summary="Change pictures by words",
    openapi_extra=_edit_documents(),
)
async def edits(call: Call, owner: Caller, here: Here) -> Response:
    if call.headers.get("content-type", "").lower().startswith(BODY):
        return await _edit_json(call, owner, here)
    fields, files = await forms.read(call, EditFields, {"image": REFERENCES, "mask": 1, "markup": 1})
    if files["markup"]:
        raise refused("markup", "no engine here reads a markup; describe the change in the prompt or send a mask", "unsupported_value")
    if fields.moderation is not None:
        raise ApiError(400, "Unknown parameter: 'moderation'; it belongs to JSON edits.", param="moderation", code="unknown_parameter")
    if not files["image"]:
        raise ApiError(400, "Missing required parameter: 'image'; add a file.", param="image", code="missing_required_parameter")
    if files["mask"] and len(files["mask"][0][1]) > uploads.MASK_BYTES:
        raise refused("mask", f"the mask has more than {uploads.MASK_BYTES} bytes; send a smaller png", "image_file_too_large")
    await off(drawing, fields, here, fields.prompt, ("",))  # everything else is checked before a file is unpacked
    pictures = [await off(uploads.decode, data, "image", here.limits) for _, data in files["image"]]
    mask = await off(uploads.decode, files["mask"][0][1], "mask", here.limits) if files["mask"] else None
    key = idempotency(call, fields.model_dump_json(exclude_none=True).encode(), *(data for each in files.values() for _, data in each))
    return await _edit(call, here, owner, fields, pictures, mask, key)


async def _edit_json(call: Call, owner: Key, here: Context) -> Response:
    raw = await call.body()
    try:
        body = TypeAdapter(EditJsonRequest).validate_json(raw)
    except ValidationError as error:
        raise sentence(error.errors(include_url=False)) from error
    await off(drawing, body, here, body.prompt, ("",))
    reader = Reader(here, owner)
    pictures = [await reader.read(one.image_url, one.file_id, f"images.{i}") for i, one in enumerate(body.images)]
    mask = await reader.read(body.mask.image_url, body.mask.file_id, "mask") if body.mask is not None else None
    return await _edit(call, here, owner, body, pictures, mask, idempotency(call, raw))


async def _edit(
    call: Call,
    here: Context,
    owner: Key,
    looks: EditFields | EditJsonRequest,
    pictures: list[Picture],
    mask: Picture | None,
    key: tuple[str, str] | None,
) -> Response:
    """Everything has been checked: the pictures are kept, the job accepted."""
    if mask is not None:
        mask = await off(uploads.mask_of, mask, pictures[0])
    shown = [await keep(here, owner, one) for one in pictures]
    hidden = await keep(here, owner, mask) if mask is not None else None
    try:
        wanted = await off(drawing, looks, here, looks.prompt, tuple(shown), hidden, looks.input_fidelity)
        drawn = await accept(call, here, owner, wanted, looks, key)
    except Exception:
        await drop(here, owner, [*shown, *([hidden] if hidden else [])])
        raise
    return await answer(call, drawn, "image_edit")


async def keep(here: Context, owner: Key, picture: Picture, seconds: float | None = INPUT_SECONDS) -> str:
    """Stores a picture that came with a request; returns its id. `seconds`: how long, None for ever."""
    until = None if seconds is None else time.time() + seconds
    return (await off(here.studio.put_upload, owner, picture, filename="input.png", purpose="input", expires=until)).id


async def drop(here: Context, owner: Key, things: list[str]) -> None:
    """Deletes stored inputs of a request that was refused after all."""
    for thing in things:
        await off(here.studio.delete_file, owner, thing)


VARIATION = body_document({"multipart/form-data": (form_document(VariationFields, {"image": {}}, ["image"]), {})})
AGAIN = "another version of this picture"


@router.post("/images/variations", response_model=ImagesResponse, summary="The same picture in other versions", openapi_extra=VARIATION)
async def variations(call: Call, owner: Caller, here: Here) -> Response:
    fields, files = await forms.read(call, VariationFields, {"image": 1})
    if not files["image"]:
        raise ApiError(400, "Missing required parameter: 'image'; add a file.", param="image", code="missing_required_parameter")
    looks = EditFields(prompt=AGAIN, **fields.model_dump())
    await off(drawing, looks, here, AGAIN, ("",))
    picture = await off(uploads.decode, files["image"][0][1], "image", here.limits)
    key = idempotency(call, fields.model_dump_json(exclude_none=True).encode(), files["image"][0][1])
    return await _edit(call, here, owner, looks, [picture], None, key)


@router.get(
    "/pictures/{picture}/content",
    summary="A picture's file by a signed link",
    response_class=Response,
    responses={200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in KINDS}, "description": "The file."}},
)
async def content(picture: str, owner: str, expires: int, signature: str, here: Here) -> Response:
    whole = len(owner) + len(picture) < 200 and 0 <= expires < 2**53
    if not whole or not hmac.compare_digest(here.sign(owner, picture, expires).encode(), signature.encode("utf-8", "replace")):
        raise ApiError(403, "this link is not one of ours; ask for the picture again", code="invalid_signature")
    if expires < time.time():
        raise ApiError(403, "this link has expired; ask for the picture again", code="link_expired")
    data, kind = await off(here.studio.data, Key(owner), picture)
    return file_answer(data, kind, max(0, expires - int(time.time())))


def file_answer(data: bytes, kind: str, seconds: int) -> Response:
    """A picture's file; anything that is no picture goes out as bytes to be saved."""
    headers = {"Cache-Control": f"private, max-age={seconds}, immutable", "Content-Security-Policy": "default-src 'none'"}
    if kind not in KINDS:
        kind, headers["Content-Disposition"] = "application/octet-stream", "attachment"
    return Response(data, media_type=kind, headers=headers)
