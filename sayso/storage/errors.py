"""What the keepers refuse, each with a sentence for a person."""

from __future__ import annotations

from sayso.errors import BadInput, SaysoError


class NotFound(BadInput):
    """There is no such thing, or it is another owner's: both sound the same. `kind`: "picture", "job" …"""

    def __init__(self, kind: str, name: str):
        super().__init__(f'no {kind} "{name[:80]}" was found; check its id')
        self.kind, self.name = kind, name


class Conflict(SaysoError):
    """The thing is in another state than the call needs, for example it is still running."""


class IdempotencyConflict(Conflict):
    """An idempotency key came again with another body."""


class StorageTrouble(SaysoError):
    """Nothing can be kept for the moment; nothing was left half-written, and a job that met it is tried again."""


class StorageFull(StorageTrouble):
    """The disk is full or nearly so."""


class StorageAway(StorageTrouble):
    """The database does not answer, or is busy for too long."""


class QueueFull(SaysoError):
    """Too much waits already. `retry_after`: seconds until trying again makes sense."""

    def __init__(self, message: str, retry_after: float):
        super().__init__(message)
        self.retry_after = retry_after
