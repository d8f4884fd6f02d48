"""Errors and the OpenAPI document of the application, in the shape that OpenAI clients read."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import Response

from sayso.errors import SaysoError
from sayso.server import errors
from sayso.server.errors import ApiError
from sayso.server.schemas.common import ErrorAnswer

LOG = logging.getLogger("sayso.server")
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "A field is wrong, or asks for what the engine cannot do."},
    401: {"model": ErrorAnswer, "description": "No key, or one that is not known."},
    403: {"model": ErrorAnswer, "description": "The caller may not do this."},
    404: {"model": ErrorAnswer, "description": "Not there, or another key's."},
    408: {"model": ErrorAnswer, "description": "The body came too slowly."},
    409: {"model": ErrorAnswer, "description": "In the way of something else."},
    413: {"model": ErrorAnswer, "description": "The body is too large."},
    415: {"model": ErrorAnswer, "description": "The body has the wrong type."},
    422: {"model": ErrorAnswer, "description": "The Idempotency-Key was used for another request."},
    429: {"model": ErrorAnswer, "description": "Too many requests, or the queue is full; see the header Retry-After."},
    503: {"model": ErrorAnswer, "description": "Not ready; what is missing is in the message."},
    507: {"model": ErrorAnswer, "description": "The disk is full."},
}


def answer(error: ApiError) -> Response:
    return Response(error.encoded(), error.status, error.headers, "application/json")


async def _known(request: Request, error: Exception) -> Response:
    return answer(errors.of(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong_type = any(problem["type"] == "model_attributes_type" and isinstance(problem.get("input"), bytes) for problem in error.errors())
    if wrong_type:
        return answer(ApiError(415, "send this as application/json", code="unsupported_content_type"))
    return answer(errors.sentence(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    told = {
        404: f"there is no {request.method} {request.url.path[:120]} here; see /openapi.json",
        405: f"{request.method} is not what {request.url.path[:120]} does",
    }
    message = told.get(error.status_code, str(error.detail))
    return answer(ApiError(error.status_code, message, code="not_found" if error.status_code == 404 else None, headers=error.headers))


def install(app: FastAPI) -> None:
    """Registers the handlers and the document."""
    for kind in (ApiError, SaysoError):
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document without its own 422, and with the models that multipart bodies refer to."""
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags)
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for path in found["paths"].values():
        for operation in path.values():
            unprocessable = operation["responses"].get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if unprocessable.get("$ref", "").endswith("HTTPValidationError"):
                del operation["responses"]["422"]
            for name, schema in operation.pop("x-components", {}).items():
                schemas.setdefault(name, schema)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return found


def body_document(kinds: Mapping[str, tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """`openapi_extra` for a route that reads its body itself. `kinds`: content type → (schema, the schemas it refers to)."""
    components = {name: schema for _, more in kinds.values() for name, schema in more.items()}
    content = {kind: {"schema": schema} for kind, (schema, _) in kinds.items()}
    return json.loads(json.dumps({"requestBody": {"required": True, "content": content}, "x-components": components}))
