"""What a route may lean on: the studio, the bounds, names, signed links; and who is calling."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ParamSpec, TypeVar, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from sayso.server import catalog, uploads
from sayso.server.errors import ApiError
from sayso.storage.rows import Key
from sayso.studio.service import EngineState, Studio
from sayso.studio.settings import Settings

LINK_SECONDS = 3600
KEY_CHARACTERS = 255
INPUT_SECONDS = 86_400  # pictures that came with an edit are kept for a day, so that a queued job finds them
P = ParamSpec("P")
T = TypeVar("T")


async def off(work: Callable[P, T], *args: P.args, **more: P.kwargs) -> T:
    """Runs what may block in a thread."""
    return await run_in_threadpool(work, *args, **more)


@dataclass(frozen=True)
class Context:
    """`aliases`: further names of models. `secret`: signs links."""

    studio: Studio
    secret: bytes
    limits: uploads.Limits
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        return self.studio.settings

    @property
    def default(self) -> str:
        return self.settings.openai_engine or self.settings.engine

    def table(self) -> dict[str, EngineState]:
        return {row.name: row for row in self.studio.engines()}

    def engine(self, model: str | None) -> str:
        """The engine of a model's name. Raises ApiError 404, or 503 when it cannot be loaded here."""
        name = catalog.engine_of(model, self.studio.offered, self.aliases, self.default)
        if (reason := self.studio.missing(name)) is not None:
            raise ApiError(
                503,
                f'the engine "{name}" is not ready: {reason}; choose another model',
                kind="server_error",
                code="engine_not_ready",
                headers={"x-should-retry": "false"},
            )
        return name

    def sign(self, owner: str, picture: str, expires: int) -> str:
        return hmac.new(self.secret, f"{owner}\n{picture}\n{expires}".encode(), hashlib.sha256).hexdigest()[:40]

    def link(self, request: Request, owner: Key, picture: str) -> str:
        """A URL of a picture's file that works without a key for an hour, and the same for some minutes, so that it is cached."""
        expires = (int(time.time()) // 600 + 1) * 600 + LINK_SECONDS
        base = (self.settings.public_url or str(request.base_url)).rstrip("/")
        return f"{base}/v1/pictures/{picture}/content?owner={owner.id}&expires={expires}&signature={self.sign(owner.id, picture, expires)}"


async def context(request: Request) -> Context:
    """Asynchronous only so that no thread is spent on it."""
    return cast(Context, request.app.state.context)


bearer = HTTPBearer(auto_error=False, description="A key of this server; not needed on the machine itself.")


def caller(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Key:
    """Whose request it is, counted. Raises Unauthorized or RateLimited."""
    studio = cast(Context, request.app.state.context).studio
    owner = studio.authenticate(None if given is None else given.credentials)
    studio.take_request(owner)
    return owner


Caller = Annotated[Key, Depends(caller)]
Here = Annotated[Context, Depends(context)]


def idempotency(request: Request, *parts: bytes) -> tuple[str, str] | None:
    """(key, hash of the request) when the client sent Idempotency-Key. Raises ApiError 400 for a key that is none."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= KEY_CHARACTERS or not key.isprintable():
        raise ApiError(
            400,
            f"the header Idempotency-Key must have 1 to {KEY_CHARACTERS} printable characters",
            param="Idempotency-Key",
            code="invalid_value",
        )
    mixed = hashlib.sha256(request.url.path.encode())
    for part in parts:
        mixed.update(hashlib.sha256(part).digest())
    return key, mixed.hexdigest()
