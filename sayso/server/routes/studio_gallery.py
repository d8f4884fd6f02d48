"""The studio interface: pictures, the arena, engines, settings and limits, and everything of one owner."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Request as Call
from starlette.responses import Response, StreamingResponse

from sayso import __version__
from sayso.server import arena, catalog, forms, shown, uploads
from sayso.server.context import Caller, Context, Here, off
from sayso.server.errors import ApiError, missing
from sayso.server.handlers import ERRORS, body_document
from sayso.server.routes.images import file_answer
from sayso.server.routes.neighbours import ONE_FILE, harmless
from sayso.server.routes.studio_talk import Cursor, Id, Limit, _clean
from sayso.server.schemas import studio as schemas
from sayso.server.schemas.common import Deleted
from sayso.server.shown import Shower
from sayso.server.translate import sides
from sayso.storage.rows import Key
from sayso.studio.errors import NotFound
from sayso.studio.requests import drawing
from sayso.types import Ability

router = APIRouter(prefix="/studio/v1", tags=["Studio: pictures"], responses=ERRORS)
SEEDS = 2**31
PAIR, VOTE = "arena-pair", "arena-vote"


@router.get("/pictures", response_model=schemas.PictureList, summary="One's drawn pictures, newest first; query looks in their prompts")
async def search(call: Call, owner: Caller, here: Here, query: Annotated[str, Query(max_length=500)] = "", favourites: bool = False,
                 conversation: Annotated[str | None, Query(max_length=100)] = None, cursor: Cursor = None, limit: Limit = 50) -> schemas.PictureList:
    page = await off(here.studio.search, owner, _clean(query), favourites=favourites, conversation=conversation, cursor=cursor, limit=limit)
    show = Shower(call, here, owner)
    return schemas.PictureList(data=[show.drawn(row) for row in page.rows], next=page.next)


@router.post("/pictures", response_model=schemas.Picture, summary="Upload a picture, to be shown in a turn or used as a mask",
             openapi_extra=body_document({"multipart/form-data": (ONE_FILE, {})}))
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


@router.get("/pictures/{picture}/content", response_class=Response, summary="The file, for programs; pages use the signed url of the row",
            responses={200: {"content": {f"image/{kind}": {"schema": {"type": "string", "format": "binary"}} for kind in ("png", "webp", "jpeg")},
                             "description": "The file."}})
async def content(picture: Id, owner: Caller, here: Here) -> Response:
    data, kind = await off(here.studio.data, owner, picture)
    return file_answer(data, kind, 3600)


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


@router.post("/arena/pairs", response_model=schemas.Pair, tags=["Studio: arena"], summary="Two engines draw the same words")
async def pair(call: Call, body: schemas.NewPair, owner: Caller, here: Here) -> schemas.Pair:
    names = list(body.engines or [row.name for row in (await off(here.table)).values() if row.missing is None and Ability.DRAW in row.abilities])
    if len(set(names)) < 2:
        raise ApiError(400, "a pair needs two different engines that are ready; install another or name two", param="engines", code="invalid_value")
    chosen = random.SystemRandom().sample(sorted(set(names)), 2)
    engines, size, seed = [await off(here.engine, name) for name in chosen], sides(body.size, here), secrets.randbelow(SEEDS)
    jobs: list[str] = []
    try:
        for engine in engines:
            ticket = await off(here.studio.submit, owner, drawing(body.prompt, engine=engine, size=size, seed=seed, action="generate"))
            jobs.append(ticket.job)
    except Exception:
        for job in jobs:
            await off(here.studio.cancel, owner, job)
        raise
    kept = {"prompt": body.prompt, "engines": engines, "jobs": jobs, "choice": None}
    name = f"pair_{secrets.token_hex(12)}"
    await off(here.studio.put_document, owner, PAIR, name, kept)
    return await _pair(call, here, owner, name, kept)


async def _pair(call: Call, here: Context, owner: Key, name: str, kept: dict[str, Any]) -> schemas.Pair:
    show, state, error = Shower(call, here, owner), "ready", None
    pictures: list[schemas.Picture | None] = []
    for job in kept["jobs"]:
        try:
            row = await off(here.studio.job, owner, job)
        except NotFound:
            state, error = "failed", "one of the two was deleted; make another pair"
            continue
        if row.state in ("failed", "cancelled"):
            state, error = "failed", str((row.error or {}).get("message") or "it was cancelled; make another pair")
        elif row.state != "done":
            state = "drawing" if state == "ready" else state
        found = await off(show.picture, row.drawn[0]) if row.drawn else None
        if found is not None and kept["choice"] is None:  # who drew it is not told before the vote
            found = found.model_copy(update={"engine": None, "seed": None, "job": None, "seal": None})
        pictures.append(found)
    if kept["choice"] is not None:
        state = "voted"
    both = pictures if state in ("ready", "voted") else [None, None]
    return schemas.Pair(id=name, prompt=kept["prompt"], state=state, left=both[0], right=both[1], choice=kept["choice"], error=error,  # type: ignore[arg-type]
                        engines=kept["engines"] if kept["choice"] is not None else None)


async def _kept(here: Context, owner: Key, name: str) -> dict[str, Any]:
    return dict((await off(here.studio.document, owner, PAIR, name)).data)


@router.get("/arena/pairs/{name}", response_model=schemas.Pair, tags=["Studio: arena"])
async def one_pair(call: Call, name: Id, owner: Caller, here: Here) -> schemas.Pair:
    return await _pair(call, here, owner, name, await _kept(here, owner, name))


@router.post("/arena/pairs/{name}/vote", response_model=schemas.Pair, tags=["Studio: arena"], summary="Choose; a pair is voted on once")
async def vote(call: Call, name: Id, body: schemas.Vote, owner: Caller, here: Here) -> schemas.Pair:
    kept = await _kept(here, owner, name)
    now = await _pair(call, here, owner, name, kept)
    if now.state != "ready":
        raise ApiError(409, f"this pair is {now.state}; a vote needs one that is ready", code="conflict", headers={"x-should-retry": "false"})
    kept["choice"] = body.choice
    await off(here.studio.put_document, owner, VOTE, name.replace("pair_", "vote_"),
              {"left": kept["engines"][0], "right": kept["engines"][1], "choice": body.choice, "time": time.time()})
    await off(here.studio.put_document, owner, PAIR, name, kept)
    return await _pair(call, here, owner, name, kept)


@router.get("/arena/standings", response_model=schemas.Standings, tags=["Studio: arena"], summary="Ratings of the engines from one's votes")
async def standings(owner: Caller, here: Here) -> schemas.Standings:
    return await off(_standings, here, owner)


def _standings(here: Context, owner: Key) -> schemas.Standings:
    ballots, cursor = [], None
    while True:
        page = here.studio.documents(owner, VOTE, cursor=cursor, limit=200)
        ballots += [arena.Ballot(row.data["left"], row.data["right"], row.data["choice"]) for row in page.rows]
        cursor = page.next
        if cursor is None:
            break
    rows = [schemas.Standing(engine=r.engine, rating=round(r.rating, 1), low=round(r.low, 1), high=round(r.high, 1), votes=r.votes)
            for r in arena.standings(ballots)]
    return schemas.Standings(data=rows, votes=len(ballots))


@router.get("/engines", response_model=schemas.EngineList, tags=["Studio: engines"])
async def engines(owner: Caller, here: Here) -> schemas.EngineList:
    rows = await off(here.studio.engines)
    data = [schemas.EngineState(name=row.name, summary=row.summary, abilities=sorted(a.value for a in row.abilities), default=row.default,
                                missing=row.missing, loaded=row.loaded, busy=row.busy, megabytes=row.megabytes) for row in rows]
    return schemas.EngineList(data=data, megabytes=sum(row.megabytes for row in rows if row.loaded), megabytes_budget=here.settings.memory_mb or None)


def _admin(owner: Key) -> None:
    if not owner.admin:
        raise ApiError(403, "this key may not load and unload engines; ask with an admin's", code="not_allowed")


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


@router.get("/server", response_model=schemas.ServerShown, tags=["Studio: server"], summary="Version, default engine, who is calling, and the bounds")
async def server(owner: Caller, here: Here) -> schemas.ServerShown:
    now, studio = here.settings, here.studio
    limits = schemas.LimitsShown(
        body_bytes=now.body_mb * 2**20, file_bytes=here.limits.file_bytes, pixels=here.limits.pixels, side=here.limits.side, prompt_characters=now.prompt,
        pictures_at_once=now.count, references=now.inputs, pictures_per_day=owner.quota or now.quota or None,
        pictures_today=await off(studio.used_today, owner), requests_per_minute=owner.rate or now.rate or None, urls_allowed=now.urls)
    return schemas.ServerShown(version=__version__, default_engine=now.engine, key_required=studio.demands_keys(), owner=owner.name or owner.id, limits=limits)


@router.get("/settings", response_model=schemas.SettingList, tags=["Studio: server"], summary="Every setting as it is; secrets are hidden")
async def settings(owner: Caller, here: Here) -> schemas.SettingList:
    _admin(owner)
    return schemas.SettingList(data=shown.settings(here.settings))


@router.get("/names", response_model=dict[str, str], tags=["Studio: engines"], summary="Every model name that is answered to, and its engine")
async def names(owner: Caller, here: Here) -> dict[str, str]:
    return catalog.names(await off(here.table), here.aliases, here.default)


@router.get("/everything", response_class=Response, tags=["Studio: server"], summary="All that is kept of the caller, as a ZIP",
            responses={200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}, "description": "The archive."}})
async def export(owner: Caller, here: Here) -> Response:
    archive: Iterator[bytes] = here.studio.export(owner)
    return StreamingResponse(archive, media_type="application/zip", headers={"Content-Disposition": 'attachment; filename="sayso.zip"'})


@router.delete("/everything", response_model=schemas.Erased, tags=["Studio: server"], summary="Delete all that is kept of the caller")
async def erase(owner: Caller, here: Here) -> schemas.Erased:
    await off(here.studio.erase, owner)
    return schemas.Erased()
