"""What the studio refuses; below them stand the refusals of storage, named here too so that callers import one module."""

from __future__ import annotations

from sayso.errors import BadInput, SaysoError
from sayso.storage.errors import Conflict, IdempotencyConflict, NotFound, QueueFull, StorageAway, StorageFull
from sayso.types import Verdict

__all__ = [
    "Conflict",
    "EngineFailed",
    "IdempotencyConflict",
    "NotFound",
    "QueueFull",
    "QuotaExceeded",
    "RateLimited",
    "Refused",
    "StorageAway",
    "StorageFull",
    "Unauthorized",
]


class Unauthorized(SaysoError):
    """No key was given where one is needed, or it is unknown, revoked or expired."""


class RateLimited(SaysoError):
    """The key asks too often. `retry_after`: seconds."""

    def __init__(self, message: str, retry_after: float):
        super().__init__(message)
        self.retry_after = retry_after


class QuotaExceeded(SaysoError):
    """The key's pictures of today are used up. `retry_after`: seconds until midnight UTC."""

    def __init__(self, message: str, retry_after: float):
        super().__init__(message)
        self.retry_after = retry_after


class Refused(BadInput):
    """The policy says no. `verdict`: stage, clause, categories; the message is its reason and what is allowed instead."""

    def __init__(self, verdict: Verdict):
        super().__init__(" ".join(text for text in (verdict.reason, verdict.instead) if text) or "the policy does not allow this")
        self.verdict = verdict


class EngineFailed(SaysoError):
    """An engine began and could not finish."""
