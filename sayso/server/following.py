"""Waiting for a job: to its end, or event by event; and giving it up when the client has gone."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import Request

from sayso.server.context import Context, off
from sayso.server.errors import ApiError
from sayso.server.translate import failure
from sayso.storage.rows import Job, Key

GONE = 499  # what proxies write into their logs for a client that went first


def cancelled() -> ApiError:
    return ApiError(409, "this was cancelled before it was finished; send it again", code="cancelled", headers={"x-should-retry": "false"})


async def base64_of(here: Context, owner: Key, thing: str) -> str:
    """A stored picture's file."""
    data, _ = await off(here.studio.data, owner, thing)
    return base64.b64encode(data).decode()


async def preview_of(here: Context, owner: Key, job: str, blob: str) -> str:
    """A partial picture's file."""
    return base64.b64encode(await off(here.studio.preview, owner, job, blob)).decode()


@contextlib.asynccontextmanager
async def watched(here: Context, owner: Key, job: str, keep: bool) -> AsyncIterator[None]:
    """Inside, leaving because the client has gone stops the job, unless `keep`."""
    try:
        yield
    except (asyncio.CancelledError, GeneratorExit):
        if not keep:
            await asyncio.shield(asyncio.ensure_future(off(here.studio.cancel, owner, job)))
        raise


async def finished(request: Request, here: Context, owner: Key, job: str, keep: bool) -> Job:
    """The job at its end. Raises ApiError when it failed; when the client goes first, the job is cancelled unless `keep`."""
    ending = asyncio.ensure_future(here.studio.wait(owner, job))
    going = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((ending, going), return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            if not keep:
                await off(here.studio.cancel, owner, job)
            raise ApiError(GONE, "the client has gone; the work was stopped", code="client_closed_request")
        last = ending.result()
    finally:
        for task in (ending, going):
            task.cancel()
        await asyncio.gather(ending, going, return_exceptions=True)
    if last.state == "failed":
        raise failure(last.error or {})
    if last.state == "cancelled":
        raise cancelled()
    return last


async def _gone(request: Request) -> None:
    """Returns when the client has closed the connection."""
    while True:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            return
