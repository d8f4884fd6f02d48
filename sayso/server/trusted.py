"""The room trust as the routes need it: the policy's verdict on words and pictures, and what a file says of its origin."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

from sayso.server.errors import ApiError
from sayso.types import Ask, Message, Picture, Policy, Text, Verdict


def _room(module: str) -> Any:
    """A module of the room trust. Raises ApiError 503 where its libraries are not installed."""
    try:
        return importlib.import_module(f"sayso.trust.{module}")
    except ImportError as error:
        raise ApiError(
            503,
            f"this needs the libraries of the extra serve ({error}); install them",
            kind="server_error",
            code="not_installed",
            headers={"x-should-retry": "false"},
        ) from error


def judge(policy: Policy, words: Sequence[str], pictures: Sequence[Picture]) -> Verdict:
    """What the policy says of words and pictures that someone shows; the stricter of its two stages."""
    ask = Ask((Message("user", (*map(Text, words), *pictures)),))
    verdict = policy.judge("prompt", ask, None, None, "auto")
    return verdict if not verdict.allowed or not pictures else policy.judge("inputs", ask, None, None, "auto")


def findings(data: bytes) -> list[Any]:
    """Everything that can be told about a file: rows with kind, sentence and facts. Raises BadInput for what is no picture."""
    return list(_room("verify").check(data, _room("plugin").sealer()))


def provenance(data: bytes) -> list[Mapping[str, Any]]:
    """Rows of a content provenance check. Raises BadInput for what is no picture."""
    sealer, verify, manifests = _room("plugin").sealer(), _room("verify"), _room("provenance")
    findings = verify.check(data, sealer)
    return list(verify.endpoint(manifests.read(data, sealer.identity), findings))
