"""The studio interface: files in other formats, a person's own edits, pictures that look alike, and the policy in words."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi import Request as Call
from starlette.responses import Response

from sayso.server import forms, trusted, uploads
from sayso.server.context import Caller, Here, off
from sayso.server.errors import ApiError, refused
from sayso.server.handlers import ERRORS, body_document
from sayso.server.routes.neighbours import ONE_FILE
from sayso.server.routes.studio_talk import Id
from sayso.server.schemas import studio as schemas
from sayso.server.shown import Shower

router = APIRouter(prefix="/studio/v1", tags=["Studio: pictures"], responses=ERRORS)
ENDINGS = {"png": "png", "webp": "webp", "jpeg": "jpg", "avif": "avif"}
FILE = {
    200: {"content": {f"image/{kind}": {"schema": {"type": "string", "format": "binary"}} for kind in ENDINGS}, "description": "The file."}
}
VERSION = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "tool": {"type": "string", "enum": list(schemas.TOOLS)},
        "note": {"type": "string", "maxLength": 2000},
    },
    "required": ["file", "tool"],
    "additionalProperties": False,
}


async def _file(call: Call) -> bytes:
    _, files = await forms.read(call, forms.Nothing, {"file": 1})
    if not files["file"]:
        raise ApiError(400, "Missing required parameter: 'file'; add a file.", param="file", code="missing_required_parameter")
    return files["file"][0][1]


@router.get(
    "/pictures/{picture}/file",
    response_class=Response,
    responses=FILE,  # type: ignore[arg-type]
    summary="A drawn picture as a file of a format, sealed",
)
async def download(
    picture: Id,
    owner: Caller,
    here: Here,
    format: Literal["png", "webp", "jpeg", "avif"] = "png",
    quality: Annotated[int | None, Query(ge=0, le=100)] = None,
) -> Response:
    if quality is not None and format == "png":
        raise refused("quality", "a png has no quality; leave it out or ask for webp, jpeg or avif")
    if picture.startswith("file-"):
        raise refused("picture", "this is an upload, which is not sealed here; its own file is still yours")
    data, kind = await off(here.studio.data, owner, picture)
    if kind != f"image/{format}" or quality is not None:
        data, kind = await off(here.studio.sealed_as, owner, picture, format, quality)
    name = f"sayso-{picture}.{ENDINGS[format]}"
    return Response(
        data, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    )


@router.post(
    "/pictures/{picture}/versions",
    response_model=schemas.Picture,
    summary="Keep what a person made of a drawn picture by hand, sealed as an edit of it",
    openapi_extra=body_document({"multipart/form-data": (VERSION, {})}),
)
async def version(call: Call, picture: Id, owner: Caller, here: Here) -> schemas.Picture:
    fields, files = await forms.read(call, schemas.NewVersion, {"file": 1})
    if not files["file"]:
        raise ApiError(400, "Missing required parameter: 'file'; add a file.", param="file", code="missing_required_parameter")
    if picture.startswith("file-"):
        raise refused("picture", "this is an upload; let an engine draw from it first, then its pictures can be edited by hand")
    pixels = await off(uploads.decode, files["file"][0][1], "file", here.limits)
    made = await off(here.studio.add_version, owner, picture, pixels, tool=fields.tool, note=fields.note or fields.tool)
    return Shower(call, here, owner).drawn(made)


@router.post(
    "/pictures/similar",
    response_model=schemas.Alike,
    summary="One's own pictures that carry the same mark as a file, or look like it",
    openapi_extra=body_document({"multipart/form-data": (ONE_FILE, {})}),
)
async def similar(call: Call, owner: Caller, here: Here) -> schemas.Alike:
    data = await _file(call)
    await off(uploads.decode, data, "file", here.limits, uploads.CHECKED)
    found = await off(trusted.traces, data)
    rows = {row.seal: row for row in await off(here.studio.marked, owner, [mark for mark, _, _ in found])}
    show = Shower(call, here, owner)
    best: dict[str, schemas.AlikeRow] = {}
    for mark, how, distance in found:
        if mark in rows and mark not in best:
            best[mark] = schemas.AlikeRow(picture=show.drawn(rows[mark]), how=how, distance=distance)
    return schemas.Alike(data=list(best.values()))


@router.get("/policy", response_model=schemas.PolicyShown, tags=["Studio: server"], summary="What is not drawn here and what is, in words")
async def policy(owner: Caller, here: Here) -> schemas.PolicyShown:
    clauses, unseen = await off(trusted.clauses)
    return schemas.PolicyShown(clauses=[schemas.Clause(**clause) for clause in clauses], unseen=unseen)
