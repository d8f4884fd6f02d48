"""The composition root: a studio, bounds and routes become one ASGI application."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import secrets
from collections.abc import AsyncIterator

from fastapi import FastAPI
from prometheus_client import Counter, Histogram

from sayso import __version__
from sayso.server import handlers, uploads
from sayso.server.context import Context, off
from sayso.server.guard import Guard, Rules
from sayso.server.routes import (
    chat,
    conversations,
    health,
    images,
    neighbours,
    responses,
    studio_admin,
    studio_arena,
    studio_gallery,
    studio_talk,
    studio_tools,
)
from sayso.studio.service import Studio
from sayso.studio.settings import Settings, data_folder

PAGES = "sayso.web.pages"
SECRET = "link.key"
ABOUT = (
    "OpenAI-compatible image interfaces under /v1 and the studio's own under /studio/v1. A field is obeyed or refused, never ignored. "
    'Errors are {"error": {message, type, param, code}}.'
)
ROUTERS = (
    images.router,
    responses.router,
    conversations.router,
    chat.router,
    neighbours.router,
    studio_talk.router,
    studio_gallery.router,
    studio_admin.router,
    studio_arena.router,
    studio_tools.router,
    health.router,
)


def link_secret(settings: Settings) -> bytes:
    """The secret that signs links: kept beside the pictures, made when it is first needed."""
    path = data_folder(settings) / SECRET
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = secrets.token_bytes(32)
    part = path.with_name(f"{SECRET}.{secrets.token_hex(4)}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(fresh)
    with contextlib.suppress(FileExistsError):
        os.link(part, path)  # whoever comes first wins, and the others read what it wrote
    part.unlink()
    return path.read_bytes()


def rules(settings: Settings, studio: Studio) -> Rules:
    """The guard's bounds, with counters of every answer in the studio's registry."""
    answers = Counter("sayso_http_answers", "Answers by method, route and status.", ("method", "route", "status"), registry=studio.registry)
    seconds = Histogram("sayso_http_seconds", "Seconds from a request to the end of its answer.", ("route",), registry=studio.registry)

    def seen(method: str, route: str, status: int, took: float) -> None:
        answers.labels(method, route, str(status)).inc()
        seconds.labels(route).observe(took)

    hosts = frozenset(name.lower() for name in (*settings.hosts, settings.host))
    return Rules(hosts, frozenset(settings.origins), settings.body_mb * 2**20, seen=seen)


def create(studio: Studio) -> FastAPI:
    """The application over a studio, which it starts and stops; with the page, where the room web is installed."""
    settings = studio.settings

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        await off(studio.start)
        bounds = uploads.Limits(file_bytes=settings.file_mb * 2**20, pixels=settings.pixels, side=settings.side)
        app.state.context = Context(studio, await off(link_secret, settings), bounds)
        try:
            yield
        finally:
            await off(studio.stop)

    app = FastAPI(title="sayso", version=__version__, description=ABOUT, lifespan=life, docs_url=None, redoc_url=None)
    for router in ROUTERS:
        app.include_router(router)
    handlers.install(app)
    if importlib.util.find_spec("sayso.web") and importlib.util.find_spec(PAGES):
        importlib.import_module(PAGES).mount(app)
    app.add_middleware(Guard, rules=rules(settings, studio))
    return app
