"""A remote engine: any OpenAI-compatible image interface, with a key that you bring.

What leaves this machine is the prompt, the pictures shown and the mask. Partial pictures are passed on as they come. The
interface knows no seed, steps or guidance; our own server does, and others may: the option `extensions` sends them.
"""

from __future__ import annotations

import base64
import binascii
import http.client
import io
import json
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from sayso.errors import BadInput, CannotDo, SaysoError
from sayso.types import Ability, Ask, Drew, Event, Picture, Preview, Step, Text

URL = "https://api.openai.com/v1"
MODEL = "gpt-image-2.5-sunburst"
ABILITIES = frozenset({Ability.DRAW, Ability.EDIT, Ability.MASK, Ability.REFERENCES, Ability.TRANSPARENT})
OPTIONS = frozenset({"quality", "moderation", "extensions"})
SECONDS = 600.0
PARTIALS = 3
LARGEST = 64_000_000  # bytes of one line of an answer
PIXELS = 64_000_000
QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max")


class RemoteFailed(SaysoError):
    """The remote interface did not answer as it should."""


def load(device: str | None = None, url: str = "", key: str = "", model: str = MODEL) -> RemoteEngine:
    """Without `url` and `key` those of OPENAI_BASE_URL and OPENAI_API_KEY. Raises CannotDo without a key."""
    if device not in (None, "cpu"):
        raise CannotDo(f'the engine "openai" draws elsewhere, not on "{device}"; leave the device out')
    key = key or os.environ.get("OPENAI_API_KEY", "")
    if not key:
        raise CannotDo("the engine openai needs a key; set SAYSO_REMOTE_KEY or OPENAI_API_KEY")
    return RemoteEngine(url or os.environ.get("OPENAI_BASE_URL") or URL, key, model)


class RemoteEngine:
    """See the module's docstring. `parallel`: asks that may be under way at once."""

    name = "openai"
    abilities = ABILITIES
    parallel = 8

    def __init__(self, url: str, key: str, model: str):
        self.url, self._key, self.model = url.rstrip("/"), key, model
        self.streams = True  # until an interface says that it does not

    def respond(self, ask: Ask) -> Iterator[Event]:
        """Raises CannotDo or BadInput before any work; RemoteFailed or BadInput when the interface refuses."""
        return self._respond(ask, fields(ask, self.model), pictures(ask))

    def _respond(self, ask: Ask, said: dict[str, Any], shown: list[Picture]) -> Iterator[Event]:
        total = PARTIALS + 1
        if self.streams:
            try:
                yield from self._streamed(ask, said, shown, total)
                return
            except _NoStream:
                self.streams = False
        answer = self._open(said, shown, ask.mask)
        with answer:
            body = _json(answer.read(LARGEST * ask.count))
        rows = body.get("data")
        if not isinstance(rows, list) or len(rows) != ask.count:
            raise RemoteFailed("the remote interface sent another number of pictures than was asked for; try again")
        for i, row in enumerate(rows):
            yield Step(i + 1, ask.count)
            yield Drew(i, self._picture(ask, row.get("b64_json"), i), (ask.seed + i) % 2**63)

    def _streamed(self, ask: Ask, said: dict[str, Any], shown: list[Picture], total: int) -> Iterator[Event]:
        drawn, seen = 0, 0
        with self._open(said | {"stream": True, "partial_images": PARTIALS}, shown, ask.mask) as answer:
            if "text/event-stream" not in answer.headers.get("Content-Type", ""):
                raise _NoStream
            for data in _events(answer):
                kind = str(data.get("type", ""))
                if kind.endswith(".partial_image") and drawn < ask.count:
                    seen = min(seen + 1, PARTIALS)
                    yield Step(drawn * total + seen, ask.count * total)
                    yield Preview(drawn, self._picture(ask, data.get("b64_json"), drawn))
                elif kind.endswith(".completed") and drawn < ask.count:
                    yield Step((drawn + 1) * total, ask.count * total)
                    yield Drew(drawn, self._picture(ask, data.get("b64_json"), drawn), (ask.seed + drawn) % 2**63)
                    drawn, seen = drawn + 1, 0
        if drawn < ask.count:
            raise RemoteFailed("the remote interface ended before the last picture; try again")

    def _picture(self, ask: Ask, encoded: object, index: int) -> Picture:
        try:
            with Image.open(io.BytesIO(base64.b64decode(str(encoded), validate=True)), formats=("PNG", "WEBP", "JPEG")) as image:
                if image.width * image.height > PIXELS:
                    raise ValueError("too large")
                pixels = np.array(image.convert("RGBA"))
        except (ValueError, OSError, binascii.Error, SyntaxError) as error:
            raise RemoteFailed("the remote interface sent something that is no picture; try again") from error
        return Picture(pixels, {"engine": self.name, "model": self.model, "seed": (ask.seed + index) % 2**63})

    def _open(self, said: dict[str, Any], shown: list[Picture], mask: np.ndarray | None) -> http.client.HTTPResponse:
        """Sends the request; raises BadInput for what is refused, RemoteFailed for the rest."""
        if shown:
            kind, body = multipart(said, shown, mask)
            path = "/images/edits"
        else:
            kind, body, path = "application/json", json.dumps(said).encode(), "/images/generations"
        request = urllib.request.Request(self.url + path, body, {
            "Content-Type": kind, "Authorization": f"Bearer {self._key}", "Accept": "text/event-stream, application/json", "User-Agent": "sayso"})
        try:
            answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=SECONDS)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, error.read(100_000), bool(said.get("stream"))) from None
        except (OSError, http.client.HTTPException) as error:
            raise RemoteFailed(f"the remote interface cannot be reached ({type(error).__name__}); check its URL") from error
        return answer


class _NoStream(Exception):
    """The interface does not stream."""


def _refusal(status: int, body: bytes, streamed: bool) -> Exception:
    try:
        error = json.loads(body)["error"]
        message, code, param = str(error["message"])[:500], error.get("code"), error.get("param")
    except (ValueError, KeyError, TypeError, AttributeError):
        message, code, param = "it gave no reason", None, None
    if streamed and status == 400 and (param in ("stream", "partial_images") or "'stream'" in message or "'partial_images'" in message):
        return _NoStream()
    if status in (400, 404, 413, 422):
        return BadInput(f"the remote interface refuses ({code or status}): {message}")
    if status in (401, 403):
        return CannotDo("the remote interface does not accept the key; set another")
    return RemoteFailed(f"the remote interface failed ({status}): {message}")


def _json(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise RemoteFailed("the remote interface sent something that is not JSON; check its URL") from error
    return found if isinstance(found, dict) else {}


def _events(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """The JSON of each server-sent event; raises RemoteFailed or BadInput for one that is an error."""
    lines: list[bytes] = []
    try:
        while raw := answer.readline(LARGEST):
            line = raw.rstrip(b"\r\n")
            if line.startswith(b"data:"):
                lines.append(line[5:].strip())
            elif not line and lines:
                data, lines = b"\n".join(lines), []
                if data == b"[DONE]":
                    return
                found = _json(data)
                if found.get("error"):
                    raise _refusal(400, data, False)
                yield found
    except (OSError, http.client.HTTPException) as error:
        raise RemoteFailed(f"the remote interface broke off ({type(error).__name__}); try again") from error


def fields(ask: Ask, model: str) -> dict[str, Any]:
    """The form fields of an ask. Raises CannotDo or BadInput."""
    if ask.want == "text":
        raise CannotDo('the engine "openai" only draws; ask for a picture')
    for name, value in (("think", ask.think), ("style", ask.style)):
        if value:
            raise CannotDo(f'the engine "openai" has no setting {name}; say it in the prompt')
    if strange := sorted(set(ask.options) - OPTIONS):
        raise BadInput(f'the engine "openai" has no option "{strange[0]}"; it knows {", ".join(sorted(OPTIONS))}')
    words = [part.text for message in ask.messages if message.role == "user" for part in message.parts if isinstance(part, Text)]
    prompt = "\n".join(words).strip()
    if not prompt:
        raise BadInput("the prompt is empty; say what to draw")
    said: dict[str, Any] = {"model": model, "prompt": prompt, "n": ask.count, "output_format": "png"}
    if ask.width or ask.height:
        said["size"] = f"{ask.width or ask.height}x{ask.height or ask.width}"
    if ask.background == "transparent":
        said["background"] = "transparent"
    elif ask.background is not None:
        said["prompt"] += f"\nBackground: {ask.background}"
    quality = ask.options.get("quality")
    if quality is not None and quality not in QUALITIES:
        raise BadInput(f'the option quality is {quality!r}; it is one of {", ".join(QUALITIES)}')
    said |= {name: ask.options[name] for name in ("quality", "moderation") if ask.options.get(name) is not None}
    extra = {name: value for name, value in (("steps", ask.steps), ("guidance", ask.guidance)) if value is not None}
    if ask.options.get("extensions"):
        return said | extra | {"seed": ask.seed}
    if extra:
        raise CannotDo(f'the engine "openai" has no setting {next(iter(extra))}; leave it out, or use quality')
    return said


def pictures(ask: Ask) -> list[Picture]:
    """All pictures of the ask, in order. Raises CannotDo for a mask without one."""
    found = [part for message in ask.messages for part in message.parts if isinstance(part, Picture)]
    if ask.mask is not None and not found:
        raise CannotDo("there is no picture that the mask could belong to; send one or leave the mask out")
    return found


def _png(pixels: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def multipart(said: dict[str, Any], shown: list[Picture], mask: np.ndarray | None) -> tuple[str, bytes]:
    """(content type, body) of a form: fields, the pictures, and the mask as a PNG whose alpha is 0 where it may change."""
    mark = secrets.token_hex(16)
    files = [("image[]" if len(shown) > 1 else "image", f"picture-{i}.png", _png(p.pixels)) for i, p in enumerate(shown)]
    if mask is not None:
        pixels = np.zeros((*mask.shape, 4), np.uint8)
        pixels[~mask] = 255
        files.append(("mask", "mask.png", _png(pixels)))
    out = bytearray()
    for name, value in said.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        out += f'--{mark}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
    for name, filename, data in files:
        out += f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: image/png\r\n\r\n'.encode()
        out += data + b"\r\n"
    out += f"--{mark}--\r\n".encode()
    return f"multipart/form-data; boundary={mark}", bytes(out)
