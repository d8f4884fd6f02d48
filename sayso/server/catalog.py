"""Names of models: every engine answers to its own, and to the OpenAI names that stand for it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from sayso.server.errors import ApiError

IMAGE_NAMES = (
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-sunburst-2026-09-08",
    "gpt-image-2.5-flare-2026-09-08",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
    "chatgpt-image-latest",
    "dall-e-2",
    "dall-e-3",
)
CHAT_NAMES = (
    "chatgpt-4o-latest",
    "gpt-4o",
    "gpt-4o-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4.1-nano",
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "gpt-5.1",
    "gpt-5.2",
    "o3",
    "o4-mini",
)
NAMES = (*IMAGE_NAMES, *CHAT_NAMES)
MODERATION_NAMES = (
    "omni-moderation-latest",
    "omni-moderation-2024-09-26",
    "text-moderation-latest",
    "text-moderation-stable",
    "sayso-policy",
)
DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


def engine_of(model: str | None, engines: Mapping[str, object], aliases: Mapping[str, str], default: str) -> str:
    """The engine that answers to a model's name; None is the default's. Raises ApiError 404 model_not_found."""
    if model is None:
        return default
    if model in engines:
        return model
    for name in (model, DATED.sub("", model)):
        if name in aliases:
            return aliases[name]
        if name in NAMES:
            return default
    known = ", ".join(engines)
    raise ApiError(
        404,
        f"The model '{model[:80]}' does not exist here; the engines are {known}, and OpenAI's names stand for {default}.",
        param="model",
        code="model_not_found",
    )


def names(engines: Mapping[str, object], aliases: Mapping[str, str], default: str) -> dict[str, str]:
    """Every name that is answered to, and its engine: engines first, then aliases, then OpenAI's names."""
    return {**dict.fromkeys(NAMES, default), **aliases, **{name: name for name in engines}}
