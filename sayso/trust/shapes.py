"""Verdicts in OpenAI's shapes: the error of a blocked request, and the answer of the moderation endpoint."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sayso.trust.policy import RulePolicy
from sayso.trust.rules import CATEGORIES
from sayso.types import Ask, Message, Text, Verdict

MODEL = "sayso-policy-1"


def error(verdict: Verdict) -> dict[str, object]:
    """The body of the answer (HTTP 400) to a request that the policy blocked."""
    flagged = sorted(name for name, score in verdict.categories.items() if score >= 1)
    return {"error": {
        "message": f"{verdict.reason[:1].upper()}{verdict.reason[1:]}. {verdict.instead[:1].upper()}{verdict.instead[1:]}.",
        "type": "image_generation_user_error", "param": None, "code": "moderation_blocked",
        "moderation_details": {"moderation_stage": "output" if verdict.stage == "output" else "input", "categories": flagged,
                               "clause": verdict.clause, "stage": verdict.stage},
    }}


def moderation(verdict: Verdict) -> dict[str, object]:
    """One entry of `results` of the moderation endpoint; the last three keys are our own."""
    scores = {name: float(verdict.categories.get(name, 0.0)) for name in CATEGORIES}
    return {
        "flagged": not verdict.allowed, "categories": {name: score >= 1 for name, score in scores.items()}, "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
        "clause": verdict.clause, "reason": verdict.reason, "unseen": list(verdict.unseen),
    }


def moderations(texts: Sequence[str], policy: RulePolicy) -> dict[str, object]:
    """The whole answer of the moderation endpoint to some texts. It is judged, and entered in the audit log, as prompts are."""
    verdicts = [policy.judge("prompt", Ask((Message("user", (Text(text),)),)), None, None, "auto") for text in texts]
    return {"id": f"modr-{secrets.token_hex(12)}", "model": MODEL, "results": [moderation(verdict) for verdict in verdicts]}
