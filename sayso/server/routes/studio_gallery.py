"""The studio interface: pictures, what a file says of its origin, and the arena."""

from __future__ import annotations

import random
import secrets
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Request as Call
from starlette.responses import Response

from sayso.server import arena, forms, trusted, uploads
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
async def search(
    call: Call,
    owner: Caller,
    here: Here,
    query: Annotated[str, Query(max_length=500)] = "",
    favourites: bool = False,
    conversation: Annotated[str | None, Query(max_length=100)] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> schemas.PictureList:
    page = await off(here.studio.search, owner, _clean(query), favourites=favourites, conversation=conversation, cursor=cursor, limit=limit)
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
    await off(uploads.decode, data, "file", here.limits)
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


@router.post("/arena/pairs", response_model=schemas.Pair, tags=["Studio: arena"], summary="Two engines draw the same words")
async def pair(call: Call, body: schemas.NewPair, owner: Caller, here: Here) -> schemas.Pair:
    names = list(
        body.engines or [row.name for row in (await off(here.table)).values() if row.missing is None and Ability.DRAW in row.abilities]
    )
    if len(set(names)) < 2:
        raise ApiError(
            400, "a pair needs two different engines that are ready; install another or name two", param="engines", code="invalid_value"
        )
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
    return schemas.Pair(
        id=name,
        prompt=kept["prompt"],
        state=state,  # type: ignore[arg-type]
        left=both[0],
        right=both[1],
        choice=kept["choice"],
        error=error,
        engines=kept["engines"] if kept["choice"] is not None else None,
    )


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
        raise ApiError(
            409, f"this pair is {now.state}; a vote needs one that is ready", code="conflict", headers={"x-should-retry": "false"}
        )
    kept["choice"] = body.choice
    await off(
        here.studio.put_document,
        owner,
        VOTE,
        name.replace("pair_", "vote_"),
        {"left": kept["engines"][0], "right": kept["engines"][1], "choice": body.choice, "time": time.time()},
    )
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
    rows = [
        schemas.Standing(engine=r.engine, rating=round(r.rating, 1), low=round(r.low, 1), high=round(r.high, 1), votes=r.votes)
        for r in arena.standings(ballots)
    ]
    return schemas.Standings(data=rows, votes=len(ballots))
