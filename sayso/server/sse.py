"""Server-sent events: lines for each event, comments while nothing happens, and an end that tells the source to stop."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse

from sayso.server import errors

KEEP_ALIVE = ": keep-alive\n\n"
ONE = {  # an event as the document describes it; its lines are strings
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
    "required": ["data"],
    "additionalProperties": False,
}
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def described(what: str) -> dict[str, Any]:
    """An answer of events for the OpenAPI document."""
    return {"description": what, "content": {"text/event-stream": {"schema": ONE}}}


def event(data: Mapping[str, Any], name: str | None = None) -> str:
    """One message. `name` is the event's line; JSON is kept on one line, so that no line of a picture can end it."""
    head = f"event: {name}\n" if name is not None else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=True, separators=(',', ':'))}\n\n"


async def kept_alive(source: AsyncIterator[str], seconds: float) -> AsyncIterator[str]:
    """The source's messages, with a comment whenever `seconds` pass without one. Closing this closes the source."""
    waiting: asyncio.Future[str] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait((waiting,), timeout=seconds)
            if not done:
                yield KEEP_ALIVE
                continue
            try:
                message = waiting.result()
            except StopAsyncIteration:
                waiting = None
                return
            waiting = None
            yield message
    finally:
        if waiting is not None:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
                await waiting
        with contextlib.suppress(Exception):
            await source.aclose()  # type: ignore[attr-defined]


async def told(source: AsyncIterator[str], flat: bool = False) -> AsyncIterator[str]:
    """The source, with an error on the way told as an event of its own: {"error": …}, or flat for the Responses interface."""
    try:
        async for message in source:
            yield message
    except Exception as error:  # noqa: BLE001 - headers have gone out, so every failure must be told as an event
        known = errors.of(error).body()["error"]
        yield event({"type": "error", **known}, "error") if flat else event({"error": known}, "error")
    finally:
        with contextlib.suppress(Exception):
            await source.aclose()  # type: ignore[attr-defined]


def stream(source: AsyncIterator[str], seconds: float, headers: Mapping[str, str] | None = None) -> StreamingResponse:
    """An answer of events that keeps the line open."""
    return StreamingResponse(kept_alive(source, seconds), media_type="text/event-stream", headers={**HEADERS, **(headers or {})})
