"""HTTP/1.1 connections with bounds in time: for the head of a request, and for a client that does not read its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 30.0  # from the first byte of a request, or the opening of a connection, to the end of its head
STALLED_SECONDS = 300.0  # for which a client may read nothing of what waits for it


class Timer:
    """Calls something once, some time after its start, unless it is stopped."""

    def __init__(self, seconds: float):
        self.seconds = seconds
        self._running: asyncio.TimerHandle | None = None

    def start(self, act: Callable[[], None]) -> None:
        """Nothing happens when it runs already."""
        if self._running is None:
            self._running = asyncio.get_running_loop().call_later(self.seconds, act)

    def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            self._running = None


class Line(H11Protocol):
    """uvicorn's protocol, which has no bound for either."""

    head_seconds, stalled_seconds = HEAD_SECONDS, STALLED_SECONDS

    def __init__(self, *given: Any, **named: Any):
        super().__init__(*given, **named)
        self._head, self._stalled = Timer(self.head_seconds), Timer(self.stalled_seconds)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head.start(self.transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._head.start(self.transport.abort)
        else:
            self._head.stop()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled.start(self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stalled.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head.stop()
        self._stalled.stop()
        super().connection_lost(exc)
