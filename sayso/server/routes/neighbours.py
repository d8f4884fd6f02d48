"""Files, models, moderations and provenance checks: the small interfaces around pictures."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi import Request as Call
from starlette.responses import Response

from sayso.server import catalog, forms, trusted, uploads
from sayso.server.context import Caller, Here, off
from sayso.server.errors import ApiError
from sayso.server.handlers import ERRORS, body_document
from sayso.server.references import Reader
from sayso.server.routes.images import file_answer
from sayso.server.schemas.chat import ImagePart
from sayso.server.schemas.common import Deleted
from sayso.server.schemas.images import form_document
from sayso.server.schemas.neighbours import (
    CATEGORIES,
    FileList,
    FileObject,
    Model,
    ModelList,
    ModerationAnswer,
    ModerationRequest,
    ModerationResult,
    ProvenanceCheck,
    ProvenanceResult,
    UploadFields,
)
from sayso.storage.rows import StoredFile
from sayso.studio.service import EngineState
from sayso.types import Picture, Policy

router = APIRouter(prefix="/v1", responses=ERRORS)
PURPOSES = ("vision", "user_data")
FLAGGED = 0.5
FileId = Annotated[str, Path(min_length=1, max_length=100, pattern=r"^file-[A-Za-z0-9_-]+$")]
NAME = re.compile(r"[^\w .()\-\u4e00-\u9fff]")


def shown(file: StoredFile) -> FileObject:
    return FileObject(
        id=file.id,
        bytes=file.bytes,
        created_at=int(file.created),
        filename=file.filename,
        purpose=file.purpose,
        expires_at=None if file.expires is None else int(file.expires),
    )


def harmless(name: str) -> str:
    """A file's name as something to show: the last part of a path, its stranger characters replaced. It is never a path of ours."""
    last = re.split(r"[/\\]", name)[-1].strip(". ")
    return (NAME.sub("_", last)[:120] or "upload") if last else "upload"


UPLOAD = body_document({"multipart/form-data": (form_document(UploadFields, {"file": {}}, ["file"]), {})})
ONE_FILE = {
    "type": "object",
    "properties": {"file": {"type": "string", "format": "binary"}},
    "required": ["file"],
    "additionalProperties": False,
}


@router.post("/files", response_model=FileObject, tags=["Files"], summary="Upload a picture", openapi_extra=UPLOAD)
async def upload(call: Call, owner: Caller, here: Here) -> FileObject:
    fields, files = await forms.read(call, UploadFields, {"file": 1})
    if (fields.expires_after_anchor is None) != (fields.expires_after_seconds is None):
        raise ApiError(
            400, "expires_after needs both anchor and seconds; send both or neither", param="expires_after", code="invalid_value"
        )
    if not files["file"]:
        raise ApiError(400, "Missing required parameter: 'file'; add a file.", param="file", code="missing_required_parameter")
    name, data = files["file"][0]
    picture = await off(uploads.decode, data, "file", here.limits)
    until = None if fields.expires_after_seconds is None else time.time() + fields.expires_after_seconds
    return shown(await off(here.studio.put_upload, owner, picture, filename=harmless(name), purpose=fields.purpose, expires=until))


@router.get("/files", response_model=FileList, tags=["Files"])
async def files(
    owner: Caller,
    here: Here,
    purpose: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100,
    after: Annotated[str | None, Query(max_length=100)] = None,
    order: Annotated[str, Query(pattern="^(asc|desc)$")] = "desc",
) -> FileList:
    rows: list[StoredFile] = []
    cursor, passed = None, after is None
    if after is not None:
        await off(here.studio.file, owner, after)
    while len(rows) <= limit:
        page = await off(here.studio.files, owner, purpose=purpose, cursor=cursor, limit=200, ascending=order == "asc")
        for row in page.rows:
            if passed and row.purpose in PURPOSES:
                rows.append(row)
            passed = passed or row.id == after
        cursor = page.next
        if cursor is None:
            break
    data = [shown(row) for row in rows[:limit]]
    return FileList(data=data, first_id=data[0].id if data else None, last_id=data[-1].id if data else None, has_more=len(rows) > limit)


@router.get("/files/{file}", response_model=FileObject, tags=["Files"])
async def file(file: FileId, owner: Caller, here: Here) -> FileObject:
    return shown(await off(here.studio.file, owner, file))


@router.get(
    "/files/{file}/content",
    tags=["Files"],
    response_class=Response,
    summary="The picture as it was kept, never as it was sent",
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "description": "The file."}},
)
async def file_content(file: FileId, owner: Caller, here: Here) -> Response:
    data, kind = await off(here.studio.data, owner, file)
    return file_answer(data, kind, 3600)


@router.delete("/files/{file}", response_model=Deleted, tags=["Files"])
async def delete_file(file: FileId, owner: Caller, here: Here) -> Deleted:
    await off(here.studio.delete_file, owner, file)
    return Deleted(id=file, object="file", deleted=True)


def _model(table: Mapping[str, EngineState], name: str, engine: str) -> Model:
    row = table.get(engine)
    return Model(
        id=name, created=0, owned_by="sayso" if name == engine else "openai", engine=engine, ready=row is not None and row.missing is None
    )


@router.get("/models", response_model=ModelList, tags=["Models"], summary="Engines, and the OpenAI names that stand for them")
async def models(owner: Caller, here: Here) -> ModelList:
    table = await off(here.table)
    return ModelList(data=[_model(table, name, engine) for name, engine in catalog.names(table, here.aliases, here.default).items()])


@router.get("/models/{model:path}", response_model=Model, tags=["Models"])
async def model(model: str, owner: Caller, here: Here) -> Model:
    table = await off(here.table)
    return _model(table, model, catalog.engine_of(model, table, here.aliases, here.default))


@router.post("/moderations", response_model=ModerationAnswer, tags=["Moderations"], summary="What the policy says of words and pictures")
async def moderations(body: ModerationRequest, owner: Caller, here: Here) -> ModerationAnswer:
    if body.model is not None and body.model not in catalog.MODERATION_NAMES:
        raise ApiError(
            404,
            f"The model '{body.model[:80]}' does not exist here; there is one policy, {catalog.MODERATION_NAMES[-1]}.",
            param="model",
            code="model_not_found",
        )
    asked: list[tuple[list[str], list[Picture]]]
    if isinstance(body.input, str):
        asked = [([body.input], [])]
    else:
        asked, words, pictures = [], [], []
        reader = Reader(here, owner)
        for i, part in enumerate(body.input):
            if isinstance(part, str):
                asked.append(([part], []))
            elif isinstance(part, ImagePart):
                pictures.append(await reader.read(part.image_url.url, None, f"input.{i}.image_url"))
            else:
                words.append(part.text)
        if words or pictures:
            asked.append((words, pictures))
    policy = here.studio.rooms.door.policy
    results = [await _judged(policy, words, pictures) for words, pictures in asked]
    return ModerationAnswer(id=f"modr-{secrets.token_hex(12)}", model=catalog.MODERATION_NAMES[-1], results=results)


async def _judged(policy: Policy, words: list[str], pictures: list[Picture]) -> ModerationResult:
    verdict = await off(trusted.judge, policy, words, pictures)
    scores = {**dict.fromkeys(CATEGORIES, 0.0), **{name: float(score) for name, score in verdict.categories.items()}}
    kinds = [kind for kind, there in (("text", words), ("image", pictures)) if there]
    return ModerationResult(
        flagged=not verdict.allowed,
        categories={name: score >= FLAGGED for name, score in scores.items()},
        category_scores=scores,
        category_applied_input_types=dict.fromkeys(scores, kinds),  # type: ignore[arg-type]
        clause=verdict.clause,
        reason=verdict.reason,
        unseen=list(verdict.unseen),
    )


@router.post(
    "/content_provenance_checks",
    response_model=ProvenanceCheck,
    tags=["Provenance"],
    summary="What a file says of its origin",
    openapi_extra=body_document({"multipart/form-data": (ONE_FILE, {})}),
)
async def provenance_check(call: Call, owner: Caller, here: Here) -> ProvenanceCheck:
    _, files = await forms.read(call, forms.Nothing, {"file": 1})
    if not files["file"]:
        raise ApiError(400, "Missing required parameter: 'file'; add a file.", param="file", code="missing_required_parameter")
    data = files["file"][0][1]
    await off(uploads.decode, data, "file", here.limits)  # refuses what is no picture before a manifest is read
    rows = await off(trusted.provenance, data)
    return ProvenanceCheck(created_at=int(time.time()), results=[ProvenanceResult(**row) for row in rows])
