"""A server for tests: the real application on a free port of this machine, in a thread, with the test-card engine."""

from __future__ import annotations

import contextlib
import io
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openai
import uvicorn
from PIL import Image

from sayso.hooks import hookimpl
from sayso.server import app
from sayso.server.line import Line
from sayso.studio import door, service, settings
from sayso.studio.errors import QueueFull
from sayso.studio.service import LOCAL
from sayso.types import Policy, Sealer


def picture(width: int, height: int, seed: int) -> np.ndarray:
    """uint8 [H, W, 4] opaque noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    return pixels


def png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@dataclass
class Served:
    """A running server. `base`: the OpenAI base URL; `root`: without /v1."""

    studio: service.Studio
    root: str

    @property
    def base(self) -> str:
        return self.root + "/v1"

    @property
    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=self.base, api_key="none", max_retries=0, timeout=60)

    def pictures(self) -> int:
        """How many drawn pictures are kept."""
        count, cursor = 0, None
        while True:
            page = self.studio.search(LOCAL, cursor=cursor, limit=200)
            count, cursor = count + len(page.rows), page.next
            if cursor is None:
                return count

    def files(self) -> int:
        return len(self.studio.files(LOCAL, limit=1000).rows)

    def running(self) -> int:
        return sum(len(self.studio.jobs(LOCAL, state=state).rows) for state in ("queued", "running"))

    @staticmethod
    def settle(there: Callable[[], bool], seconds: float) -> None:
        """Waits until something holds; fails when it does not within `seconds`."""
        until = time.monotonic() + seconds
        while not there():
            assert time.monotonic() < until, "it did not come to be"
            time.sleep(0.02)

    @contextlib.contextmanager
    def full(self, times: int) -> Iterator[None]:
        """The queue refuses so many times, asking to come back in a second."""
        plain, left = self.studio.submit, [times]

        def submit(*args: Any, **more: Any) -> service.Ticket:
            if left[0]:
                left[0] -= 1
                raise QueueFull("too much waits already; try again in a second", 1)
            return plain(*args, **more)

        self.studio.submit = submit
        try:
            yield
            assert left == [0]
        finally:
            del self.studio.submit


class Unmarked:
    """Allows everything and seals without a mark, so that pictures can be compared to the last bit."""

    @hookimpl
    def sayso_policy(self) -> Policy:
        return door.PlainPolicy()

    @hookimpl
    def sayso_sealer(self) -> Sealer:
        return door.PlainSealer()


@contextlib.contextmanager
def serving(folder: Path, *plugins: object, **changes: object) -> Iterator[Served]:
    """A server over a folder, with plugins (a later one goes before an earlier one) and settings of one's own."""
    given = {
        "data": str(folder),
        "engine": "fake",
        "engines": ("fake", "pocket"),
        "port": 0,
        "keep_alive_seconds": 0.5,
        "free_mb": 0,
        **changes,
    }
    studio = service.build(settings.load(environ={}, **given), *plugins)
    config = uvicorn.Config(app.create(studio), port=0, log_config=None, access_log=False, timeout_graceful_shutdown=2, http=Line)
    socket = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    try:
        Served.settle(lambda: server.started, 30)
        yield Served(studio, f"http://127.0.0.1:{socket.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
