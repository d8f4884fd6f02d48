"""Serves the studio's page from the package: every file under a path that carries the hash of all, so that it may be kept for ever."""

from __future__ import annotations

import functools
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

FOLDER = Path(__file__).resolve().parent / "static"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".webmanifest": "application/manifest+json",
}
PACKED = (".html", ".js", ".css", ".svg", ".webmanifest")
SECURITY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
FOR_EVER = "public, max-age=31536000, immutable"
ROOT_MARK = "{{root}}"


@dataclass(frozen=True)
class File:
    """`packed`: gzip, None where it would not help."""

    data: bytes
    packed: bytes | None
    kind: str


@functools.cache
def stamp(folder: Path = FOLDER) -> str:
    """Sixteen hexadecimal digits that change when any file does."""
    mixed = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in KINDS:
            mixed.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return mixed.hexdigest()[:16]


@functools.cache
def files(folder: Path = FOLDER) -> dict[str, File]:
    """Every file by its path below the folder. `{{root}}` in the page becomes the path that carries the hash."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in KINDS:
            data = path.read_bytes()
            if path.suffix == ".html":
                data = data.decode().replace(ROOT_MARK, f"/web/{stamp(folder)}").encode()
            packed = gzip.compress(data, 9, mtime=0) if path.suffix in PACKED else None
            found[path.relative_to(folder).as_posix()] = File(data, packed, KINDS[path.suffix])
    return found


def _answer(request: Request, file: File, cache: str) -> Response:
    headers = {**SECURITY, "cache-control": cache, "vary": "accept-encoding"}
    data = file.data
    if file.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        data = file.packed
        headers["content-encoding"] = "gzip"
    tag = f'"{hashlib.sha256(data).hexdigest()[:20]}"'
    headers["etag"] = tag
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=file.kind, headers=headers)


def page(request: Request) -> Response:
    """The one page; everything behind the # of an address is the page's own."""
    return _answer(request, files()["index.html"], "no-cache")


def asset(request: Request) -> Response:
    """A file of the page. An older hash in the path still finds the file of today, without the promise that it stays."""
    file = files().get(request.path_params["path"])
    if file is None or request.path_params["path"] == "index.html":
        return Response("there is no such file in the studio\n", 404, {"cache-control": "no-store", **SECURITY}, "text/plain")
    return _answer(request, file, FOR_EVER if request.path_params["stamp"] == stamp() else "no-cache")


def icon(request: Request) -> Response:
    return _answer(request, files()["art/icon.svg"], "public, max-age=86400")


def studio(request: Request) -> Response:
    return RedirectResponse("/", 308)


def mount(app: Starlette) -> None:
    """Adds the page to an application: /, /studio, /favicon.ico and /web/…; nothing else is touched."""
    for path, answer in (("/", page), ("/studio", studio), ("/favicon.ico", icon), ("/web/{stamp}/{path:path}", asset)):
        app.router.routes.append(Route(path, answer, methods=["GET"], include_in_schema=False))
