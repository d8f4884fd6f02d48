"""What clients send as requests of the studio, and the studio's errors as answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from sayso.errors import BadInput, BadWeights, CannotDo, CannotWrite, SaysoError, Unknown
from sayso.server.context import Context
from sayso.server.errors import ApiError, refused
from sayso.server.schemas.images import Looks, Svg
from sayso.server.schemas.responses import ImageTool
from sayso.studio import errors as studio
from sayso.studio.requests import Ref, Request, Said
from sayso.types import Text, Verdict

MEANT = {"standard": "medium", "hd": "high"}
FLAT = {
    "moving": "no engine here draws moving pictures; ask for png, webp or jpeg",
    "svg": "no engine here writes vector graphics; ask for png, webp or jpeg",
}


def sides(size: str | None, here: Context, param: str = "size") -> tuple[int, int] | None:
    """Width and height, or None for auto. Raises ApiError 400 for what no engine may be asked to draw."""
    if size is None or size == "auto":
        return None
    width, height = map(int, size.split("x"))
    if width * height > here.settings.draw_pixels or max(width, height) > here.settings.draw_side:
        raise refused(
            param,
            f"size {size} is too large here; ask for at most {here.settings.draw_pixels} pixels and {here.settings.draw_side} along a side",
        )
    return width, height


def thinking(complexity: str | None, think: bool | None) -> bool:
    """Whether to think before drawing; raises ApiError 400 when two fields say different things."""
    wanted = None if complexity is None else complexity != "low"
    if wanted is not None and think is not None and wanted != think:
        raise refused("think", f"complexity {complexity} and think {str(think).lower()} contradict each other; leave one out")
    return bool(think if wanted is None else wanted)


def flat(kind: str | None, svg: Svg | None, param: str = "output_format") -> Literal["png", "webp", "jpeg"]:
    """The kind of file; raises ApiError 400 for moving pictures and vector graphics."""
    if kind == "gif":
        raise refused(param, FLAT["moving"], "unsupported_output_format")
    if kind == "svg" or svg is not None:
        raise refused(param, FLAT["svg"], "unsupported_output_format")
    return "webp" if kind == "webp" else "jpeg" if kind == "jpeg" else "png"


def pressed(kind: str | None, compression: int | None) -> int | None:
    """Compression for the studio: a png has none, and the 100 that the interface allows there means just that."""
    return compression if kind in ("webp", "jpeg") else None


def extras(fidelity: str | None, options: Mapping[str, object] | None) -> dict[str, object]:
    """Options of the engine. Low fidelity is what every engine does; high is for the engine to obey or refuse."""
    return {**(options or {}), **({"input_fidelity": "high"} if fidelity == "high" else {})}


def drawing(
    looks: Looks, here: Context, prompt: str, shown: tuple[str, ...] = (), mask: str | None = None, fidelity: str | None = None
) -> Request:
    """A request of the Images interface. `shown`: stored pictures in their order; `mask`: a stored one."""
    return Request(
        messages=(Said("user", (*map(Ref, shown), Text(prompt))),),
        action="edit" if shown else "generate",
        engine=here.engine(looks.model),
        count=looks.n or 1,
        size=sides(looks.size, here),
        quality=MEANT.get(looks.quality or "auto", looks.quality or "auto"),
        seed=looks.seed,
        steps=looks.steps,
        guidance=looks.guidance,
        background=looks.background_color or looks.background or "auto",
        style=looks.style,
        think=thinking(looks.complexity, looks.think),
        finish=looks.finish is not False,
        mask=mask,
        format=flat(looks.output_format, getattr(looks, "svg", None)),
        compression=pressed(looks.output_format, looks.output_compression),
        moderation=looks.moderation or "auto",
        previews=looks.partial_images or 0,
        person=looks.safety_identifier or looks.user or "",
        options=extras(fidelity, looks.engine_options),
    )


def tooled(tool: ImageTool, here: Context, model: str | None) -> dict[str, Any]:
    """Fields of a request that the picture tool of the Responses interface names. `model`: the outer one, for a tool without."""
    return {
        "action": tool.action or "auto",
        "engine": here.engine(tool.model or model),
        "size": sides(tool.size, here, "tools.0.size"),
        "quality": MEANT.get(tool.quality or "auto", tool.quality or "auto"),
        "seed": tool.seed,
        "steps": tool.steps,
        "guidance": tool.guidance,
        "background": tool.background or "auto",
        "finish": tool.finish is not False,
        "format": flat(tool.output_format, tool.svg, "tools.0.output_format"),
        "compression": pressed(tool.output_format, tool.output_compression),
        "moderation": tool.moderation or "auto",
        "previews": tool.partial_images or 0,
        "options": extras(tool.input_fidelity, None),
    }


def blocked(verdict: Verdict, message: str) -> ApiError:
    """A refusal of the policy."""
    stage = "output" if verdict.stage == "output" else "input"
    details = {"moderation_stage": stage, "categories": sorted(verdict.categories)}
    return ApiError(400, message, kind="image_generation_user_error", code="moderation_blocked", details={"moderation_details": details})


def failure(error: Mapping[str, Any]) -> ApiError:
    """A failed job's error as the answer to whoever waited for it. `error`: code, message, perhaps details."""
    code, message = str(error.get("code") or "server_error"), str(error.get("message") or "the job failed; try again")
    if code == "moderation_blocked":
        told = error.get("details") or {}
        stage = "output" if told.get("stage") == "output" else "input"
        details = {"moderation_stage": stage, "categories": sorted(told.get("categories") or ())}
        return ApiError(400, message, kind="image_generation_user_error", code=code, details={"moderation_details": details})
    if code == "invalid_request":
        return ApiError(400, message, code="invalid_value")
    if code == "storage_full":
        return ApiError(507, message, kind="server_error", code="insufficient_storage", headers=RETRY_NOT)
    return ApiError(500, message, kind="server_error", code=code, headers=RETRY_NOT)


AWAY_SECONDS = 5  # after which a client may ask a database again that did not answer
RETRY_NOT = {"x-should-retry": "false"}


def later(seconds: float) -> dict[str, str]:
    """Headers that say when to come again; clients give up where the wait is longer than two minutes."""
    return {"retry-after": str(max(1, math.ceil(seconds))), **(RETRY_NOT if seconds > 120 else {})}


def of_studio(error: SaysoError) -> ApiError:
    """An error of the house as an answer; most particular class first."""
    told = str(error)
    if isinstance(error, studio.Refused):
        return blocked(error.verdict, told)
    if isinstance(error, studio.NotFound):
        return ApiError(404, told, param="id", code="not_found")
    if isinstance(error, Unknown) and error.kind == "engine":
        return ApiError(404, told, param="model", code="model_not_found")
    if isinstance(error, Unknown):
        return ApiError(400, told, param=error.kind if error.kind in ("style", "background") else None, code="invalid_value")
    if isinstance(error, CannotDo):
        return ApiError(400, told, code="unsupported_value")
    if isinstance(error, BadInput):
        return ApiError(400, told, code="invalid_value")
    if isinstance(error, studio.Unauthorized):
        return ApiError(401, told, kind="authentication_error", code="invalid_api_key", headers={"www-authenticate": "Bearer"})
    if isinstance(error, studio.QuotaExceeded):
        return ApiError(429, told, kind="insufficient_quota", code="insufficient_quota", headers=later(error.retry_after))
    if isinstance(error, studio.RateLimited | studio.QueueFull):
        return ApiError(429, told, kind="rate_limit_error", code="rate_limit_exceeded", headers=later(error.retry_after))
    if isinstance(error, studio.IdempotencyConflict):
        return ApiError(422, told, param="Idempotency-Key", code="idempotency_key_reused")
    if isinstance(error, studio.Conflict):
        return ApiError(409, told, code="conflict", headers=RETRY_NOT)
    if isinstance(error, BadWeights):
        return ApiError(503, told, kind="server_error", code="engine_not_ready", headers=RETRY_NOT)
    if isinstance(error, studio.StorageAway):
        return ApiError(503, told, kind="server_error", code="database_away", headers=later(AWAY_SECONDS))
    if isinstance(error, CannotWrite | studio.StorageFull):
        return ApiError(507, told, kind="server_error", code="insufficient_storage", headers=RETRY_NOT)
    return ApiError(500, told, kind="server_error", code="server_error", headers=RETRY_NOT)
