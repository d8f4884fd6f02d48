"""The studio interface: pictures, and what a file says of its origin."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi import Request as Call
from starlette.responses import Response

from sayso.server import forms, trusted, uploads
from sayso.server.context import Caller, Here, off
from sayso.server.errors import ApiError, missing
from sayso.server.handlers import ERRORS, body_document
from sayso.server.routes.images import file_answer
from sayso.server.routes.neighbours import ONE_FILE, harmless
from sayso.server.routes.studio_talk import Cursor, Id, Limit, _clean
from sayso.server.schemas import studio as schemas
from sayso.server.schemas.common import Deleted
from sayso.server.shown import Shower

router = APIRouter(prefix="/studio/v1", tags=["Studio: pictures"], responses=ERRORS)
Word = Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$")]
MOST_SECONDS = 2**40  # of a time since 1970


@router.get("/pictures", response_model=schemas.PictureList, summary="One's drawn pictures, newest first; query looks in their prompts")
async def search(
    call: Call,
    owner: Caller,
    here: Here,
    query: Annotated[str, Query(max_length=500)] = "",
    favourites: bool = False,
    conversation: Word = None,
    engine: Word = None,
    action: Literal["created", "edited"] | None = None,
    style: Word = None,
    since: Annotated[float | None, Query(ge=0, le=MOST_SECONDS)] = None,
    until: Annotated[float | None, Query(ge=0, le=MOST_SECONDS)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> schemas.PictureList:
    sieve: dict[str, Any] = {"favourites": favourites, "conversation": conversation, "engine": engine, "action": action, "style": style}
    page = await off(here.studio.search, owner, _clean(query), **sieve, since=since, until=until, cursor=cursor, limit=limit)
    show = Shower(call, here, owner)
    return schemas.PictureList(data=[show.drawn(row) for row in page.rows], next=page.next)


@router.post(
    "/pictures",
    response_model=schemas.Picture,
    summary="Upload a picture, to be shown in a turn or used as a mask",
    openapi_extra=body_document({"multipart/form-data": (ONE_FILE, {})}),
)
async def upload(call: Call, owner: Caller, here: Here) -> schemas.Picture:
    _, files = await forms.read(call, forms.Nothing, {"file": 1})
    if not files["file"]:
        raise ApiError(400, "Missing required parameter: 'file'; add a file.", param="file", code="missing_required_parameter")
    name, data = files["file"][0]
    picture = await off(uploads.decode, data, "file", here.limits)
    return Shower(call, here, owner).upload(await off(here.studio.put_upload, owner, picture, filename=harmless(name), purpose="vision"))


@router.get("/pictures/{picture}", response_model=schemas.Picture)
async def one(call: Call, picture: Id, owner: Caller, here: Here) -> schemas.Picture:
    found = await off(Shower(call, here, owner).picture, picture)
    if found is None:
        raise missing("picture", picture)
    return found


@router.get(
    "/pictures/{picture}/content",
    response_class=Response,
    summary="The file, for programs; pages use the signed url of the row",
    responses={
        200: {
            "content": {f"image/{kind}": {"schema": {"type": "string", "format": "binary"}} for kind in ("png", "webp", "jpeg")},
            "description": "The file.",
        }
    },
)
async def content(picture: Id, owner: Caller, here: Here) -> Response:
    data, kind = await off(here.studio.data, owner, picture)
    return file_answer(data, kind, 3600)


@router.get(
    "/pictures/{picture}/seal", response_model=schemas.Seal, summary="How a drawn picture came to be, and what its file says of that"
)
async def seal(call: Call, picture: Id, owner: Caller, here: Here) -> schemas.Seal:
    row = await off(here.studio.picture, owner, picture)
    data, _ = await off(here.studio.data, owner, picture)
    show = Shower(call, here, owner)
    parents = [schemas.ParentShown(id=name, picture=await off(show.picture, name)) for name in row.parents]
    findings = [schemas.Finding(kind=one.kind, sentence=one.sentence, facts=dict(one.facts)) for one in await off(trusted.findings, data)]
    return schemas.Seal(picture=show.drawn(row), weights=row.weights, mark=row.seal or None, parents=parents, findings=findings)


@router.post(
    "/verify",
    response_model=schemas.Findings,
    summary="What can be told about any file: manifests, marks, look-alikes",
    openapi_extra=body_document({"multipart/form-data": (ONE_FILE, {})}),
)
async def verify(call: Call, owner: Caller, here: Here) -> schemas.Findings:
    _, files = await forms.read(call, forms.Nothing, {"file": 1})
    if not files["file"]:
        raise ApiError(400, "Missing required parameter: 'file'; add a file.", param="file", code="missing_required_parameter")
    data = files["file"][0][1]
    await off(uploads.decode, data, "file", here.limits, uploads.CHECKED)
    found = await off(trusted.findings, data)
    return schemas.Findings(findings=[schemas.Finding(kind=one.kind, sentence=one.sentence, facts=dict(one.facts)) for one in found])


@router.put("/pictures/{picture}/favourite", response_model=schemas.Picture)
async def favour(call: Call, picture: Id, owner: Caller, here: Here) -> schemas.Picture:
    return Shower(call, here, owner).drawn(await off(here.studio.favourite, owner, picture, True))


@router.delete("/pictures/{picture}/favourite", response_model=schemas.Picture)
async def disfavour(call: Call, picture: Id, owner: Caller, here: Here) -> schemas.Picture:
    return Shower(call, here, owner).drawn(await off(here.studio.favourite, owner, picture, False))


@router.delete("/pictures/{picture}", response_model=Deleted, summary="Delete a picture or an upload: row, words and file")
async def delete(picture: Id, owner: Caller, here: Here) -> Deleted:
    remove = here.studio.delete_file if picture.startswith("file-") else here.studio.delete_picture
    await off(remove, owner, picture)
    return Deleted(id=picture, object="picture", deleted=True)
