"""HTTP/1.1 connections with bounds in time: for the head of a request, and for a client that does not read its answer."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0  # from the first byte of a request, or the opening of a connection, to the end of its head
STALLED_SECONDS = 300.0  # for which a client may read nothing of what waits for it


class Line(H11Protocol):
    """uvicorn's protocol, which ends neither of these by itself, with two timers."""

    head_seconds, stalled_seconds = HEAD_SECONDS, STALLED_SECONDS

    def __init__(self, *given: Any, **named: Any):
        super().__init__(*given, **named)
        self._head: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head = self.loop.call_later(self.head_seconds, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head = _ended(self._head)
        elif self._head is None:
            self._head = self.loop.call_later(self.head_seconds, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = _ended(self._stalled) or self.loop.call_later(self.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled = _ended(self._stalled)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head, self._stalled = _ended(self._head), _ended(self._stalled)
        super().connection_lost(exc)


def _ended(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
