"""Errors as the OpenAI interfaces tell them: a status, a sentence, a type, the field, a code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sayso.errors import SaysoError

PLAIN = re.compile(r"[A-Za-z_][\w\[\]]*")
INVALID = "invalid_request_error"


class ApiError(Exception):
    """An answer that is an error. `headers` go with it; `details`: more members of the error object."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = INVALID,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, object] | None = None,
    ):
        super().__init__(message)
        self.status, self.message, self.kind, self.param, self.code = status, message, kind, param, code
        self.headers, self.details = dict(headers or {}), dict(details or {})

    def body(self) -> dict[str, Any]:
        """{"error": {message, type, param, code, …}} with all four keys there; half characters are replaced."""
        message = self.message.encode("utf-8", "replace").decode()
        return {"error": {"message": message, "type": self.kind, "param": self.param, "code": self.code, **self.details}}

    def encoded(self) -> bytes:
        return json.dumps(self.body(), ensure_ascii=False).encode()


def refused(param: str | None, message: str, code: str = "invalid_value") -> ApiError:
    """A 400 about one field."""
    return ApiError(400, message, param=param, code=code)


def missing(what: str, name: str) -> ApiError:
    """A 404 for something that is not there, or is another key's: both sound the same."""
    return ApiError(404, f'no {what} "{name[:80]}" was found; check its id', param="id", code="not_found")


SOURCES = ("body", "query", "path", "header", "form")
TAGS = (
    "message",
    "image_generation_call",
    "item_reference",
    "reasoning",
    "input_text",
    "output_text",
    "text",
    "input_image",
    "image_url",
    "file",
    "picture",
)


def field_of(place: Sequence[str | int]) -> str | None:
    """The path of a field from pydantic's location, which also names the kinds that were tried."""
    path: list[str] = []
    before: str | int = ""
    for part in place[1:] if place and place[0] in SOURCES else place:
        tag = isinstance(before, int) and part in TAGS
        if not tag and (isinstance(part, int) or PLAIN.fullmatch(part)):
            path.append(str(part))
        before = part
    return ".".join(path) or None


def sentence(problems: Sequence[Mapping[str, Any]]) -> ApiError:
    """One of pydantic's complaints as a sentence that names the field."""
    problem = max(problems, key=lambda one: len(one["loc"]))  # of a field that may be words or a list, the one that went deeper
    param = field_of(problem["loc"])
    kind, said = problem["type"], str(problem["msg"]).removeprefix("Value error, ")
    if kind == "extra_forbidden":
        return ApiError(400, f"Unknown parameter: '{param}'; leave it out.", param=param, code="unknown_parameter")
    if kind == "missing":
        what = f"Missing required parameter: '{param}'; add it." if param else "The request has no body; send one."
        return ApiError(400, what, param=param, code="missing_required_parameter")
    if kind == "json_invalid":
        return ApiError(400, "The body is not JSON; check its quotes and brackets.", code="invalid_json")
    shown = repr(problem.get("input"))[:80]
    text = f"'{param}' {said}" if kind == "value_error" else f"Invalid value for '{param}' ({shown}): {said}."
    return ApiError(400, text, param=param, code="invalid_type" if kind.endswith("_type") else "invalid_value")


def of(error: Exception) -> ApiError:
    """Any error as an answer. What we did not foresee is a 500 without details, which clients must not try again."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, SaysoError):
        from sayso.server.translate import of_studio

        return of_studio(error)
    return ApiError(
        500,
        "The server made a mistake; its log says which under this request's id.",
        kind="server_error",
        code="server_error",
        headers={"x-should-retry": "false"},
    )
