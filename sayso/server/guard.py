"""What stands before every route: who may call from where, how large and how slow a body may be, and headers on the way out.

Written against ASGI itself, because wrappers that copy a stream would hide that a client has gone.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sayso.server import errors
from sayso.server.errors import ApiError

LOG = logging.getLogger("sayso.server")
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; "
    "manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SAFE = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-resource-policy": "same-origin"}


@dataclass(frozen=True)
class Rules:
    """`hosts`: names this server answers to besides loopback, "*" any. `origins`: pages elsewhere that may call it.

    `body_bytes`: of one request. `body_seconds`: from its first byte to its last. `seen`: told of every answer
    (method, route, status, seconds).
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    body_bytes: int = 200 * 2**20
    body_seconds: float = 120.0
    seen: Callable[[str, str, int, float], None] = field(default=lambda method, route, status, seconds: None)


def _bare(host: str) -> str:
    """A Host header without its port, in lower case."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _is_address(host: str) -> bool:
    """Whether a host is an address. Only a name can be bent to this machine by someone else's name server."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class Guard:
    """The middleware; see the module."""

    def __init__(self, app: ASGIApp, rules: Rules):
        self.app, self.rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        call = _Call(self.rules, scope, receive, send)
        try:
            refusal = self._refusal(Headers(scope=scope))
            if refusal is None:
                await self.app(scope, call.receive, call.send)
            else:
                await call.refuse(refusal)
        except ApiError as error:
            await call.refuse(error)
        except Exception as error:
            LOG.exception("request %s failed", call.id)
            await call.refuse(errors.of(error))
        finally:
            call.end()

    def _refusal(self, headers: Headers) -> ApiError | None:
        host = _bare(headers.get("host", ""))
        if host not in LOOPBACK | self.rules.hosts and "*" not in self.rules.hosts and not _is_address(host):
            return ApiError(403, f'this server does not answer to the name "{host[:80]}"; add it to the allowed hosts', code="unknown_host")
        origin = headers.get("origin")
        if origin is not None and origin not in self.rules.origins:
            try:
                theirs = urlsplit(origin).netloc.lower()
            except ValueError:
                theirs = ""
            if theirs != headers.get("host", "").strip().lower():
                return ApiError(
                    403, f'pages of "{origin[:80]}" may not call this server; add it to the allowed origins', code="unknown_origin"
                )
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or len(length) > 15:
            return ApiError(400, "the header Content-Length is not a number; correct it", code="invalid_content_length")
        if int(length) > self.rules.body_bytes:
            return _too_large(self.rules.body_bytes)
        return None


def _too_large(most: int) -> ApiError:
    return ApiError(
        413, f"the body is larger than {most} bytes; send smaller pictures", code="request_too_large", headers={"connection": "close"}
    )


class _Call:
    """One request on its way: counts its body, adds headers to its answer, tells about it at the end."""

    def __init__(self, rules: Rules, scope: Scope, receive: Receive, send: Send):
        self.rules, self.scope, self._receive, self._send = rules, scope, receive, send
        self.id, self.begun, self.status, self.bytes = f"req_{secrets.token_hex(12)}", time.perf_counter(), 0, 0
        self.whole = False  # the body has come
        self.problem: ApiError | None = None  # with the body; a framework above may hide it behind an error of its own
        self.told = False  # the answer was an error of ours, and what comes after it is dropped
        scope.setdefault("state", {})["request_id"] = self.id

    async def receive(self) -> Message:
        if self.whole:
            return await self._receive()
        left = self.rules.body_seconds - (time.perf_counter() - self.begun)
        try:
            message = await asyncio.wait_for(self._receive(), max(left, 0.001))
        except TimeoutError:
            self.problem = ApiError(
                408,
                f"the body took longer than {self.rules.body_seconds:.0f} seconds; send it faster",
                code="request_timeout",
                headers={"connection": "close", "x-should-retry": "false"},
            )
            raise self.problem from None
        if message["type"] == "http.request":
            self.bytes += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)
            if self.bytes > self.rules.body_bytes:
                self.problem = _too_large(self.rules.body_bytes)
                raise self.problem
        return message

    async def send(self, message: Message) -> None:
        if self.problem is not None:
            problem, self.problem = self.problem, None
            await self.refuse(problem)
        if not self.told:
            await self._pass(message)

    async def _pass(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.id
            for name, value in SAFE.items():
                headers.setdefault(name, value)
            if headers.get("content-type", "").startswith("text/html"):
                headers.setdefault("content-security-policy", POLICY)
        await self._send(message)

    async def refuse(self, error: ApiError) -> None:
        """Sends the error, unless an answer has already begun; then the connection just ends."""
        if self.told:
            return
        if self.status:
            raise error
        body = error.encoded()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._pass({"type": "http.response.start", "status": error.status, "headers": raw})
        await self._pass({"type": "http.response.body", "body": body})
        self.told = True

    def end(self) -> None:
        route = getattr(self.scope.get("route"), "path", "-")
        seconds = time.perf_counter() - self.begun
        self.rules.seen(self.scope["method"], route, self.status, seconds)
        LOG.info(
            "answered",
            extra={
                "request": self.id,
                "method": self.scope["method"],
                "route": route,
                "status": self.status,
                "seconds": round(seconds, 4),
                "bytes": self.bytes,
            },
        )
