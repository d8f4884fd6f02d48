"""The studio interface: the arena, where two draw the same words and a person chooses without knowing who is who."""

from __future__ import annotations

import random
import secrets
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Request as Call

from sayso.server import arena
from sayso.server.context import Caller, Context, Here, off
from sayso.server.errors import ApiError
from sayso.server.handlers import ERRORS
from sayso.server.routes.studio_talk import Id
from sayso.server.schemas import studio as schemas
from sayso.server.shown import Shower
from sayso.server.translate import sides
from sayso.storage.rows import Key
from sayso.studio.errors import NotFound
from sayso.studio.requests import drawing
from sayso.types import Ability

router = APIRouter(prefix="/studio/v1/arena", tags=["Studio: arena"], responses=ERRORS)
SEEDS = 2**31
PAIR, VOTE = "arena-pair", "arena-vote"


def name_of(side: schemas.Side) -> str:
    """What stands in the standings: the engine, and what was set for it."""
    told = {"steps": f"{side.steps} steps", "guidance": f"guidance {side.guidance}", "style": f"style {side.style}", "think": "thinking"}
    return ", ".join([side.engine, *(text for field, text in told.items() if getattr(side, field) not in (None, False))])


async def _two(here: Context, body: schemas.NewPair) -> list[schemas.Side]:
    """The two sides in random order. Raises ApiError 400 when they are one and the same."""
    given = body.sides
    if given is None:
        table = await off(here.table)
        ready = [row.name for row in table.values() if row.missing is None and Ability.DRAW in row.abilities]
        given = [schemas.Side(engine=name) for name in random.SystemRandom().sample(ready, min(2, len(ready)))]
    named = [side.model_copy(update={"engine": await off(here.engine, side.engine)}) for side in given]
    if len({name_of(side) for side in named}) < 2:
        raise ApiError(
            400, "a pair needs two different sides; name two engines that are ready, or other settings", param="sides", code="invalid_value"
        )
    return random.SystemRandom().sample(named, 2)


@router.post("/pairs", response_model=schemas.Pair, summary="Two engines, or two settings of one, draw the same words with the same seed")
async def pair(call: Call, body: schemas.NewPair, owner: Caller, here: Here) -> schemas.Pair:
    two, size = await _two(here, body), sides(body.size, here)
    seed = secrets.randbelow(SEEDS) if body.seed is None else body.seed
    jobs: list[str] = []
    try:
        for side in two:
            how = side.model_dump(exclude_none=True)
            ticket = await off(here.studio.submit, owner, drawing(body.prompt, size=size, seed=seed, action="generate", **how))
            jobs.append(ticket.job)
    except Exception:
        for job in jobs:
            await off(here.studio.cancel, owner, job)
        raise
    kept = {"prompt": body.prompt, "names": [name_of(side) for side in two], "jobs": jobs, "choice": None, "category": body.category}
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
            pictures.append(None)
            continue
        if row.state in ("failed", "cancelled"):
            state, error = "failed", str((row.error or {}).get("message") or "it was cancelled; make another pair")
        elif row.state != "done":
            state = "drawing" if state == "ready" else state
        pictures.append(await off(show.picture, row.drawn[0]) if row.drawn else None)
    voted = kept["choice"] is not None
    state = "voted" if voted else state
    if not voted:  # who drew it is not told before the vote
        hidden: dict[str, object] = {"engine": None, "seed": None, "job": None, "seal": None, "settings": {}}
        pictures = [one.model_copy(update=hidden) if one is not None and state == "ready" else None for one in pictures]
    return schemas.Pair(
        id=name,
        prompt=kept["prompt"],
        state=state,  # type: ignore[arg-type]
        left=pictures[0],
        right=pictures[1],
        choice=kept["choice"],
        error=error,
        names=kept["names"] if voted else None,
        category=kept["category"],
    )


async def _kept(here: Context, owner: Key, name: str) -> dict[str, Any]:
    return dict((await off(here.studio.document, owner, PAIR, name)).data)


@router.get("/pairs/{name}", response_model=schemas.Pair)
async def one_pair(call: Call, name: Id, owner: Caller, here: Here) -> schemas.Pair:
    return await _pair(call, here, owner, name, await _kept(here, owner, name))


@router.post("/pairs/{name}/vote", response_model=schemas.Pair, summary="Choose; a pair is voted on once")
async def vote(call: Call, name: Id, body: schemas.Vote, owner: Caller, here: Here) -> schemas.Pair:
    kept = await _kept(here, owner, name)
    now = await _pair(call, here, owner, name, kept)
    if now.state != "ready":
        told = f"this pair is {now.state}; a vote needs one that is ready"
        raise ApiError(409, told, code="conflict", headers={"x-should-retry": "false"})
    kept["choice"] = body.choice
    ballot = {"left": kept["names"][0], "right": kept["names"][1], "choice": body.choice, "category": kept["category"], "time": time.time()}
    await off(here.studio.put_document, owner, VOTE, name.replace("pair_", "vote_"), ballot)
    await off(here.studio.put_document, owner, PAIR, name, kept)
    return await _pair(call, here, owner, name, kept)


@router.get("/standings", response_model=schemas.Standings, summary="Ratings from one's votes, of all or of one category")
async def standings(owner: Caller, here: Here, category: Annotated[str | None, Query(max_length=200)] = None) -> schemas.Standings:
    return await off(_standings, here, owner, category)


def _standings(here: Context, owner: Key, category: str | None) -> schemas.Standings:
    votes, cursor = [], None
    while True:
        page = here.studio.documents(owner, VOTE, cursor=cursor, limit=200)
        votes += [row.data for row in page.rows]
        cursor = page.next
        if cursor is None:
            break
    ballots = [arena.Ballot(one["left"], one["right"], one["choice"]) for one in votes if category in (None, one["category"])]
    rows = [
        schemas.Standing(name=r.name, rating=round(r.rating, 1), low=round(r.low, 1), high=round(r.high, 1), votes=r.votes)
        for r in arena.standings(ballots)
    ]
    return schemas.Standings(
        data=rows, votes=len(ballots), categories=sorted({one["category"] for one in votes if one["category"] is not None})
    )
