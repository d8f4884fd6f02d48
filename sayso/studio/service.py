"""The studio as others use it: one object, built from the settings, over storage, jobs and engines.

Every method but `events` and `wait` is an ordinary function that may block for some milliseconds on the database; an
asynchronous caller runs it in a thread. All are safe to call from many threads. `owner` is the `Key` who calls: nothing of
another key is ever seen, and what is not one's own is `NotFound`.

The log of a job (`events`) is append-only and durable; `seq` counts from 1. Kinds and their data:

    accepted   {}
    started    {"attempt", "engine", "action": "created"|"edited"|"answered"}   again after a crash, with the next attempt
    revised    {"prompt"}                      the words that are really drawn, when they are not the caller's
    thought    {"text"}
    said       {"text"}                        remarks and answers
    step       {"index", "total"}              1-based, over all pictures of the job
    preview    {"picture", "nth", "blob", "media_type", "width", "height"}   both 0-based; bytes by `preview(owner, blob)`
    picture    {"picture", "id", "media_type", "width", "height", "seed"}    it is stored and can be fetched
    failed     {"code", "message", "details"}  codes: moderation_blocked (details: stage, clause, categories), invalid_request,
                                               engine_failed, deadline, poison (every attempt died), storage_full
    cancelled  {}
    done       {}

The last three end the log. Pictures that were stored before a failure or a cancel stay.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client import CollectorRegistry

from sayso.storage.rows import Conversation, Document, Job, JobEvent, Key, Page, StoredFile, StoredPicture, Turn
from sayso.studio.requests import Request
from sayso.studio.settings import Settings
from sayso.types import Ability, Picture

LOCAL = Key("local", "this machine", admin=True)


@dataclass(frozen=True)
class Ticket:
    """An accepted job. `replayed`: the idempotency key was known, this is the job of the first time."""

    job: str
    pictures: tuple[str, ...]
    conversation: str | None
    turn: str | None
    replayed: bool = False


@dataclass(frozen=True)
class EngineState:
    """A row of the table of engines here. `missing`: why it cannot be loaded, None when it can. `megabytes`: while loaded."""

    name: str
    summary: str
    abilities: frozenset[Ability]
    missing: str | None
    loaded: bool
    busy: bool
    megabytes: float
    default: bool


class Studio:
    """See the module's docstring; made by `build`."""

    settings: Settings
    registry: CollectorRegistry  # for /metrics

    def start(self) -> None:
        """Migrates the database, sweeps what a crash left, starts workers and the keeping of leases. Once."""

    def stop(self, seconds: float = 10.0) -> None:
        """Takes no new jobs, lets running pictures end for up to `seconds`, gives the rest back to the queue."""

    def ready(self) -> str | None:
        """None when jobs can be accepted and drawn, else why not, as a clause."""

    # Keys and limits

    def demands_keys(self) -> bool:
        """Whether a call without a key is refused, by the settings `keys` and `host`."""

    def authenticate(self, secret: str | None) -> Key:
        """The caller of a bearer secret; without one `LOCAL` unless keys are demanded. Raises Unauthorized."""

    def take_request(self, owner: Key) -> None:
        """Counts one request. Raises RateLimited."""

    def create_key(self, name: str, *, admin: bool = False, rate: int = 0, quota: int = 0, expires: float | None = None) -> tuple[Key, str]:
        """A new key and its secret, which is shown this once."""

    def keys(self) -> tuple[Key, ...]: ...

    def revoke_key(self, key: str) -> None:
        """Raises NotFound."""

    def used_today(self, owner: Key) -> int:
        """Pictures that count against today's quota."""

    # Jobs

    def submit(self, owner: Key, request: Request, *, idempotency_key: str | None = None, request_hash: str = "", priority: int = 0) -> Ticket:
        """Accepts a job; when this returns it is on disk and will be done, failed or cancelled, whatever crashes.

        `priority`: higher goes first. Before accepting raises BadInput, CannotDo, Refused, NotFound (a picture, a turn),
        QuotaExceeded, QueueFull, StorageFull, IdempotencyConflict (key known with another `request_hash`).
        """

    def job(self, owner: Key, job: str) -> Job: ...

    def jobs(self, owner: Key, *, state: str | None = None, cursor: str | None = None, limit: int = 50) -> Page[Job]: ...

    def log(self, owner: Key, job: str, after: int = 0) -> tuple[JobEvent, ...]:
        """The events so far with seq > after."""

    def events(self, owner: Key, job: str, after: int = 0) -> AsyncIterator[JobEvent]:
        """Events with seq > after, those stored and then live ones, to the end of the log. Cheap for many listeners.

        Closing it does not cancel the job. Raises NotFound at the first step.
        """

    async def wait(self, owner: Key, job: str) -> Job:
        """The job once it is final."""

    def preview(self, owner: Key, job: str, blob: str) -> bytes:
        """The file of a partial picture of this job."""

    def cancel(self, owner: Key, job: str) -> Job:
        """Idempotent: a final job stays as it is; a queued one is cancelled now; a running one stops at its next step."""

    def delete_job(self, owner: Key, job: str, pictures: bool = False) -> None:
        """Forgets a final job and its log, with its pictures when told so. Raises Conflict while it runs."""

    # Pictures and files

    def picture(self, owner: Key, picture: str) -> StoredPicture: ...

    def data(self, owner: Key, thing: str) -> tuple[bytes, str]:
        """The file of a picture (`ig_…`) or an upload (`file-…`), as stored, with its media type."""

    def pixels(self, owner: Key, thing: str) -> Picture:
        """A stored picture or an uploaded one, decoded. Raises BadInput when the upload is no picture."""

    def search(self, owner: Key, words: str = "", *, favourites: bool = False, conversation: str | None = None, cursor: str | None = None,
               limit: int = 50) -> Page[StoredPicture]:
        """One's pictures, newest first, whose prompt holds all the words (full-text search; prefixes count)."""

    def favourite(self, owner: Key, picture: str, on: bool) -> StoredPicture: ...

    def delete_picture(self, owner: Key, picture: str) -> None:
        """Row, words in the index, and the file unless something else of this owner still needs it."""

    def put_file(self, owner: Key, data: bytes, *, filename: str, media_type: str, purpose: str, expires: float | None = None,
                 width: int = 0, height: int = 0) -> StoredFile:
        """Keeps bytes as they are; pictures are decoded and encoded anew by the caller first, who gives their size here."""

    def put_upload(self, owner: Key, picture: Picture, *, filename: str = "upload.png", purpose: str = "vision",
                   expires: float | None = None) -> StoredFile:
        """Keeps a decoded picture as PNG."""

    def file(self, owner: Key, file: str) -> StoredFile: ...

    def files(self, owner: Key, *, purpose: str | None = None, cursor: str | None = None, limit: int = 50,
              ascending: bool = False) -> Page[StoredFile]: ...

    def delete_file(self, owner: Key, file: str) -> None: ...

    # Documents

    def put_document(self, owner: Key, kind: str, document: str, data: Mapping[str, Any], *, expires: float | None = None) -> Document:
        """Writes or overwrites; an id that another owner has is NotFound."""

    def document(self, owner: Key, kind: str, document: str) -> Document: ...

    def documents(self, owner: Key, kind: str, *, cursor: str | None = None, limit: int = 50, ascending: bool = False) -> Page[Document]: ...

    def delete_document(self, owner: Key, kind: str, document: str) -> None: ...

    # Conversations

    def create_conversation(self, owner: Key, title: str = "", metadata: Mapping[str, str] | None = None) -> Conversation: ...

    def conversation(self, owner: Key, conversation: str) -> Conversation: ...

    def conversations(self, owner: Key, words: str = "", *, cursor: str | None = None, limit: int = 50) -> Page[Conversation]:
        """Newest change first; `words` are looked for in titles and in what was said."""

    def change_conversation(self, owner: Key, conversation: str, *, title: str | None = None, metadata: Mapping[str, str] | None = None,
                            head: str | None = None) -> Conversation:
        """Renames it, or goes back to (or over to) the turn `head`."""

    def delete_conversation(self, owner: Key, conversation: str, pictures: bool = True) -> None:
        """Turns, jobs and logs, with their pictures when told so. Running jobs of it are cancelled."""

    def turns(self, owner: Key, conversation: str, turn: str | None = None) -> tuple[Turn, ...]:
        """From the root to `turn` (None = the head), oldest first."""

    def tree(self, owner: Key, conversation: str) -> tuple[Turn, ...]:
        """All turns of all branches, oldest first."""

    def append(self, owner: Key, conversation: str, role: Literal["user", "assistant"], parts: tuple[Mapping[str, str], ...],
               parent: str | None = None) -> Turn:
        """Puts a turn after `parent` (None = the head) without a job; it becomes the head."""

    def regenerate(self, owner: Key, conversation: str, turn: str, seed: int | None = None) -> Ticket:
        """Answers again, beside the assistant's turn `turn`, with another seed; the new turn becomes the head."""

    # Engines

    def engines(self) -> tuple[EngineState, ...]: ...

    def load_engine(self, name: str) -> None:
        """Brings an engine into memory; others that are idle make room. Raises Unknown, BadWeights or CannotDo."""

    def unload_engine(self, name: str) -> None:
        """Raises Conflict while it draws."""

    # Everything of one owner

    def export(self, owner: Key) -> Iterator[bytes]:
        """A ZIP of all that is kept of this owner: pictures, files, and rows as JSON lines."""

    def erase(self, owner: Key) -> None:
        """Deletes all that is kept of this owner, files included; running jobs are cancelled first."""


def build(settings: Settings) -> Studio:
    """The studio of these settings; nothing is started or written before `start`."""
    raise SystemExit(f"the studio at {settings.host} is being put together")
