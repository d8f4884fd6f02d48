"""Whether the server lives, whether it can draw, and its numbers for Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from starlette.responses import Response

from sayso.server.context import Caller, Here, off
from sayso.server.errors import ApiError
from sayso.server.handlers import ERRORS

router = APIRouter(tags=["Health"])


class Health(BaseModel):
    status: str


@router.get("/health", response_model=Health, summary="The process lives")
async def health() -> Health:
    return Health(status="ok")


@router.get("/ready", response_model=Health, responses={503: ERRORS[503]}, summary="Jobs can be accepted and drawn")
async def ready(here: Here) -> Health:
    if reason := await off(here.studio.ready):
        raise ApiError(503, f"not ready: {reason}", kind="server_error", code="not_ready", headers={"retry-after": "5"})
    return Health(status="ready")


@router.get(
    "/metrics",
    response_class=Response,
    responses={**ERRORS, 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
    summary="Numbers for Prometheus",
)
async def metrics(owner: Caller, here: Here) -> Response:
    if not here.settings.metrics:
        raise ApiError(404, "metrics are switched off; the setting is called metrics", code="not_found")
    if not owner.admin:
        raise ApiError(403, "this key may not read the metrics; ask with an admin's", code="not_allowed")
    return Response(await off(generate_latest, here.studio.registry), media_type=CONTENT_TYPE_LATEST)
