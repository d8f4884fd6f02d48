"""The room trust as the routes need it: the policy's verdict on words and pictures, and what a file says of its origin."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

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


def traces(data: bytes) -> list[tuple[str, Literal["mark", "alike"], int | None]]:
    """(mark, how, distance) of our own pictures that a file carries the mark of or looks like, the mark first."""
    verify, formats = _room("verify"), _room("formats")
    found: list[tuple[str, Literal["mark", "alike"], int | None]] = []
    for one in verify.traces(formats.decode(data), _room("plugin").sealer(), True):
        known = one.facts.get("picture")
        mark = str(known["id"]) if isinstance(known, Mapping) else str(one.facts.get("id", ""))
        found.append((mark, "mark" if one.kind == "mark" else "alike", one.facts.get("distance")))
    return found


def clauses() -> tuple[list[dict[str, Any]], list[str]]:
    """The policy file's clauses with examples on both sides, and sentences on what nothing here can see."""
    rules, settings = _room("rules"), _room("settings").from_environment()
    book = rules.load(settings.policy)
    rows = [
        {
            "id": one.id,
            "title": one.title,
            "text": one.text.strip(),
            "allowed": [case.prompt for case in one.allowed][:4],
            "refused": [] if one.severity == "critical" else [case.prompt for case in one.violates][:4],
        }
        for one in book.clauses
    ]
    eyes = _room("eyes")
    unseen = {name: said for name, said in eyes.UNSEEN.items() if name != "text" or eyes.tesseract() is None}
    return rows, list(unseen.values())
