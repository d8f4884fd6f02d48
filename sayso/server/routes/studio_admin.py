"""The studio interface: engines, keys, settings, bounds, and everything of one owner."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict

from fastapi import APIRouter
from starlette.responses import Response, StreamingResponse

from sayso import __version__
from sayso.errors import Unknown
from sayso.server import catalog, shown
from sayso.server.context import Caller, Here, off
from sayso.server.errors import ApiError
from sayso.server.handlers import ERRORS
from sayso.server.routes.studio_talk import Id
from sayso.server.schemas import studio as schemas
from sayso.server.schemas.common import Deleted
from sayso.storage.rows import Key

router = APIRouter(prefix="/studio/v1", responses=ERRORS)


@router.get("/engines", response_model=schemas.EngineList, tags=["Studio: engines"])
async def engines(owner: Caller, here: Here) -> schemas.EngineList:
    rows, table = await off(here.studio.engines), here.studio.rooms.director.table
    data = [
        schemas.EngineState(
            name=row.name,
            summary=row.summary,
            abilities=sorted(a.value for a in row.abilities),
            default=row.default,
            missing=row.missing,
            loaded=row.loaded,
            busy=row.busy,
            megabytes=row.megabytes,
            styles=None if row.styles is None else list(row.styles),
            sizes=list(row.sizes),
            options=sorted(row.options),
            prompt_limit=table[row.name].prompt_limit,
            fit=table[row.name].fit is not None,
        )
        for row in rows
    ]
    return schemas.EngineList(
        data=data, megabytes=sum(row.megabytes for row in rows if row.loaded), megabytes_budget=here.settings.memory_mb or None
    )


def _admin(owner: Key) -> None:
    if not owner.admin:
        raise ApiError(403, "this key may not do that; ask with an admin's", code="not_allowed")


@router.post("/engines/{name}/load", response_model=schemas.EngineList, tags=["Studio: engines"], summary="Bring an engine into memory")
async def load(name: Id, owner: Caller, here: Here) -> schemas.EngineList:
    _admin(owner)
    await off(here.studio.load_engine, name)
    return await engines(owner, here)


@router.post("/engines/{name}/unload", response_model=schemas.EngineList, tags=["Studio: engines"], summary="Free an engine's memory")
async def unload(name: Id, owner: Caller, here: Here) -> schemas.EngineList:
    _admin(owner)
    await off(here.studio.unload_engine, name)
    return await engines(owner, here)


@router.get(
    "/engines/{name}/fit",
    response_model=schemas.Ways,
    tags=["Studio: engines"],
    summary="Ways of running an engine on this machine: what fits, how long a picture takes, and why; measures for a moment",
)
async def fit(name: Id, owner: Caller, here: Here) -> schemas.Ways:
    _admin(owner)
    table = here.studio.rooms.director.table
    if name not in table:
        raise Unknown("engine", name, tuple(table))
    known = table[name].fit
    return schemas.Ways(data=[schemas.Way(**asdict(row)) for row in await off(known)] if known is not None else [])


@router.get(
    "/server",
    response_model=schemas.ServerShown,
    tags=["Studio: server"],
    summary="Version, default engine, who is calling, and the bounds",
)
async def server(owner: Caller, here: Here) -> schemas.ServerShown:
    now, studio = here.settings, here.studio
    limits = schemas.LimitsShown(
        body_bytes=now.body_mb * 2**20,
        file_bytes=here.limits.file_bytes,
        pixels=here.limits.pixels,
        side=here.limits.side,
        prompt_characters=now.prompt,
        pictures_at_once=now.count,
        references=now.inputs,
        pictures_per_day=owner.quota or now.quota or None,
        pictures_today=await off(studio.used_today, owner),
        requests_per_minute=owner.rate or now.rate or None,
        urls_allowed=now.urls,
    )
    return schemas.ServerShown(
        version=__version__, default_engine=now.engine, key_required=studio.demands_keys(), owner=owner.name or owner.id, limits=limits
    )


@router.get("/settings", response_model=schemas.SettingList, tags=["Studio: server"], summary="Every setting as it is; secrets are hidden")
async def settings(owner: Caller, here: Here) -> schemas.SettingList:
    _admin(owner)
    return schemas.SettingList(data=shown.settings(here.settings))


@router.get(
    "/names", response_model=dict[str, str], tags=["Studio: engines"], summary="Every model name that is answered to, and its engine"
)
async def names(owner: Caller, here: Here) -> dict[str, str]:
    return catalog.names(await off(here.table), here.aliases, here.default)


@router.get(
    "/everything",
    response_class=Response,
    tags=["Studio: server"],
    summary="All that is kept of the caller, as a ZIP",
    responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}, "description": "The archive."}},
)
async def export(owner: Caller, here: Here) -> Response:
    archive: Iterator[bytes] = here.studio.export(owner)
    return StreamingResponse(archive, media_type="application/zip", headers={"Content-Disposition": 'attachment; filename="sayso.zip"'})


@router.delete("/everything", response_model=schemas.Erased, tags=["Studio: server"], summary="Delete all that is kept of the caller")
async def erase(owner: Caller, here: Here) -> schemas.Erased:
    await off(here.studio.erase, owner)
    return schemas.Erased()


def _shown(row: Key) -> schemas.KeyShown:
    return schemas.KeyShown(
        id=row.id,
        name=row.name,
        hint=row.hint,
        admin=row.admin,
        rate=row.rate,
        quota=row.quota,
        created_at=row.created,
        expires_at=row.expires,
        revoked_at=row.revoked,
    )


@router.get("/keys", response_model=schemas.KeyList, tags=["Studio: keys"], summary="Every key; secrets are kept nowhere")
async def keys(owner: Caller, here: Here) -> schemas.KeyList:
    _admin(owner)
    return schemas.KeyList(data=[_shown(row) for row in await off(here.studio.keys)])


@router.post("/keys", response_model=schemas.KeyMade, tags=["Studio: keys"], summary="Make a key; its secret is shown this once")
async def make_key(body: schemas.NewKey, owner: Caller, here: Here) -> schemas.KeyMade:
    _admin(owner)
    until = None if body.days is None else time.time() + body.days * 86_400
    row, secret = await off(
        here.studio.create_key, body.name, admin=bool(body.admin), rate=body.rate or 0, quota=body.quota or 0, expires=until
    )
    return schemas.KeyMade(key=_shown(row), secret=secret)


@router.delete("/keys/{key}", response_model=Deleted, tags=["Studio: keys"], summary="Revoke a key; what it made stays")
async def revoke(key: Id, owner: Caller, here: Here) -> Deleted:
    _admin(owner)
    await off(here.studio.revoke_key, key)
    return Deleted(id=key, object="key", deleted=True)
