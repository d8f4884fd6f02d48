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

import asyncio
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection

from sayso.errors import BadInput, Unknown
from sayso.storage import library, people, portable, talks
from sayso.storage.errors import NotFound
from sayso.storage.pages import new_id, now
from sayso.storage.rows import Job, JobEvent, Key, Page, StoredPicture
from sayso.studio import conversation as talking
from sayso.studio import recall, requests
from sayso.studio.director import Direction, Shown
from sayso.studio.limits import LOCAL
from sayso.studio.places import Places
from sayso.studio.render import ask_of
from sayso.studio.requests import Ref, Request, Said
from sayso.studio.rooms import Rooms
from sayso.studio.settings import Settings
from sayso.studio.things import Things
from sayso.types import Ability

__all__ = ["LOCAL", "EngineState", "Studio", "Ticket", "build"]

SEEDS = 2**31  # seeds that we choose; those that callers give may be larger
BRIEF_SECONDS = 3600.0  # how long what is not to be stored is kept after its acceptance


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
    styles: tuple[str, ...] | None = None
    sizes: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()


class Studio(Things, Places):
    """See the module's docstring; made by `build`."""

    def __init__(self, rooms: Rooms):
        super().__init__(rooms)
        self.registry: CollectorRegistry = rooms.metrics.registry  # for /metrics

    def start(self) -> None:
        """Migrates the database, sweeps what a crash left, starts workers and the keeping of leases. Once."""
        self.rooms.upkeep.start()

    def stop(self, seconds: float = 10.0) -> None:
        """Takes no new jobs, lets running pictures end for up to `seconds`, gives the rest back to the queue."""
        self.rooms.upkeep.stop(seconds)

    def ready(self) -> str | None:
        """None when jobs can be accepted and drawn, else why not, as a clause."""
        return self.rooms.upkeep.ready()

    # Keys and limits

    def demands_keys(self) -> bool:
        """Whether a call without a key is refused, by the settings `keys` and `host`."""
        return self.rooms.gate.demands_keys()

    def authenticate(self, secret: str | None) -> Key:
        """The caller of a bearer secret; without one `LOCAL` unless keys are demanded. Raises Unauthorized."""
        return self.rooms.gate.authenticate(secret)

    def take_request(self, owner: Key) -> None:
        """Counts one request. Raises RateLimited."""
        self.rooms.gate.take_request(owner)

    def create_key(self, name: str, *, admin: bool = False, rate: int = 0, quota: int = 0, expires: float | None = None) -> tuple[Key, str]:
        """A new key and its secret, which is shown this once."""
        with self.db.write() as tx:
            return people.create(tx, name, admin, rate, quota, expires)

    def keys(self) -> tuple[Key, ...]:
        with self.db.read() as tx:
            return people.every(tx)

    def revoke_key(self, key: str) -> None:
        """Raises NotFound."""
        with self.db.write() as tx:
            people.revoke(tx, key)

    def used_today(self, owner: Key) -> int:
        """Pictures that count against today's quota."""
        with self.db.read() as tx:
            return people.used(tx, owner.id, people.day())

    # Jobs

    def submit(
        self, owner: Key, request: Request, *, idempotency_key: str | None = None, request_hash: str = "", priority: int = 0
    ) -> Ticket:
        """Accepts a job; when this returns it is on disk and will be done, failed or cancelled, whatever crashes.

        `priority`: higher goes first. Before accepting raises BadInput, CannotDo, Refused, NotFound (a picture, a turn),
        QuotaExceeded, QueueFull, StorageFull, IdempotencyConflict (key known with another `request_hash`).
        """
        if idempotency_key is not None:
            request_hash = request_hash or hashlib.sha256(json.dumps(requests.to_json(request), sort_keys=True).encode()).hexdigest()
            if (known := self.queue.replay(owner.id, idempotency_key, request_hash)) is not None:
                return Ticket(known.id, known.pictures, known.conversation, known.turn, True)
        self.rooms.upkeep.check_room()
        talk, parent = self._talk(owner, request)
        shown = self._shown(owner, request, talk)
        direction = self.rooms.director.decide(request, talk, shown)
        if request.seed is None:
            request = replace(request, seed=secrets.randbelow(SEEDS))
        ask = ask_of(request, direction, talk, lambda name: self.rooms.pictures.pixels(owner.id, name))
        self.rooms.door.admit(ask, request.moderation)
        engine = self.rooms.keeper.loaded(direction.engine)
        if engine is not None and direction.answer is None:
            _close(engine.respond(ask))  # it refuses what it cannot do before any work
        return self._accept(owner, request, direction, parent, idempotency_key, request_hash, priority)

    def _accept(
        self,
        owner: Key,
        request: Request,
        direction: Direction,
        parent: str | None,
        idempotency: str | None,
        request_hash: str,
        priority: int,
        messages: Sequence[Said] | None = None,
    ) -> Ticket:
        count = 0 if direction.action == "answered" or request.plan_only else request.count
        job = Job(
            new_id("job_"),
            owner.id,
            "queued",
            direction.engine,
            requests.to_json(request),
            tuple(new_id("ig_") for _ in range(count)),
            (),
            now(),
            priority,
            direction=direction.to_json(),
        )

        def before(tx: Connection) -> tuple[str | None, str | None]:
            self.rooms.gate.count_pictures(tx, owner, count)
            if request.conversation is None:
                return None, None
            place = talks.get(tx, owner.id, request.conversation)
            return place.id, talking.add(tx, owner.id, place, parent, request.messages if messages is None else messages, job.id)

        expires = None if request.store else now() + BRIEF_SECONDS
        made, replayed = self.queue.accept(job, idempotency, request_hash, expires, before)
        return Ticket(made.id, made.pictures, made.conversation, made.turn, replayed)

    def _talk(self, owner: Key, request: Request) -> tuple[tuple[Said, ...], str | None]:
        """All messages up to the newest, and the turn that it follows."""
        if not request.messages:
            raise BadInput("there is no message; say what to draw")
        if request.conversation is None:
            return request.messages, None
        place = self.conversation(owner, request.conversation)
        parent = None if request.parent == requests.START else request.parent or place.head
        earlier = talking.talk(talking.line(self.tree(owner, place.id), parent))
        return (*recall.without_deleted(self.rooms.pictures, owner.id, earlier), *request.messages), parent

    def _shown(self, owner: Key, request: Request, talk: Sequence[Said]) -> dict[str, Shown]:
        names = dict.fromkeys(part.id for said in talk for part in said.parts if isinstance(part, Ref))
        if request.mask is not None:
            names[request.mask] = None
        out = {}
        for name in names:
            if name.startswith("file-"):
                file = self.file(owner, name)
                if not file.width:
                    raise BadInput(f'the file "{name[:80]}" is no picture; send PNG, JPEG or WebP')
                out[name] = Shown(name, file.width, file.height, "")
            else:
                picture = self.picture(owner, name)
                out[name] = Shown(name, picture.width, picture.height, picture.revised_prompt or picture.prompt, picture.parents)
        return out

    def job(self, owner: Key, job: str) -> Job:
        """Raises NotFound."""
        return self.queue.get(owner.id, job)

    def jobs(self, owner: Key, *, state: str | None = None, cursor: str | None = None, limit: int = 50) -> Page[Job]:
        return self.queue.browse(owner.id, state, cursor, limit)

    def log(self, owner: Key, job: str, after: int = 0) -> tuple[JobEvent, ...]:
        """The events so far with seq > after."""
        self.job(owner, job)
        return tuple(self.queue.hub.read(job, after))

    async def events(self, owner: Key, job: str, after: int = 0) -> AsyncIterator[JobEvent]:
        """Events with seq > after, those stored and then live ones, to the end of the log. Cheap for many listeners.

        Closing it does not cancel the job. Raises NotFound at the first step.
        """
        await asyncio.to_thread(self.job, owner, job)
        async for event in self.queue.hub.follow(job, after):
            yield event

    async def wait(self, owner: Key, job: str) -> Job:
        """The job once it is final. Raises NotFound."""
        async for _ in self.queue.hub.follow(job, 0):
            pass
        return await asyncio.to_thread(self.job, owner, job)

    def drawn(self, owner: Key, job: Job) -> tuple[StoredPicture, ...]:
        """The pictures of a job that exist, in their order."""
        with self.db.read() as tx:
            return library.of_job(tx, owner.id, job.id)

    def remarks(self, job: Job) -> list[str]:
        """What was said in a job of the caller's."""
        return [str(event.data["text"]) for event in self.queue.hub.read(job.id, 0, "said")]

    def preview(self, owner: Key, job: str, blob: str) -> bytes:
        """The file of a partial picture of this job. Raises NotFound, also when it is too old."""
        if not any(event.kind == "preview" and event.data["blob"] == blob for event in self.log(owner, job)):
            raise NotFound("partial picture", blob)
        return self.shelf.blobs.get(blob)

    def cancel(self, owner: Key, job: str) -> Job:
        """Idempotent: a final job stays as it is; a queued one is cancelled now; a running one stops at its next step."""
        found = self.queue.cancel(owner.id, job)
        if found.state == "running":
            self.rooms.workers.cancelled(job)
        return found

    def delete_job(self, owner: Key, job: str, pictures: bool = False) -> None:
        """Forgets a final job and its log, with its pictures when told so. Raises Conflict while it runs."""
        with self.db.write() as tx:
            loose = self.queue.drop(tx, owner.id, job, pictures)
        self._gone(loose)

    def regenerate(self, owner: Key, conversation: str, turn: str, seed: int | None = None) -> Ticket:
        """Answers again, beside the assistant's turn `turn`, with another seed; the new turn becomes the head."""
        self.rooms.upkeep.check_room()
        answer = talking.asked(self.tree(owner, conversation), turn)
        if answer.job is None:
            raise BadInput(f'the turn "{turn[:80]}" was not made by a job; ask anew')
        job = self.job(owner, answer.job)
        chosen = secrets.randbelow(SEEDS) if seed is None else seed
        request = replace(requests.from_json(job.request), seed=chosen)
        direction = Direction.from_json(job.direction)
        if direction.answer is None:
            talk = recall.talk_of(self.db, self.rooms.pictures, job)
            self.rooms.door.admit(ask_of(request, direction, talk, lambda name: self.pixels(owner, name)), request.moderation)
        return self._accept(owner, request, direction, answer.parent, None, "", job.priority, messages=())

    # Engines

    def engines(self) -> tuple[EngineState, ...]:
        out = []
        for info in self.rooms.director.table.values():
            loaded, busy, size = self.rooms.keeper.state(info.name)
            out.append(
                EngineState(
                    info.name, info.summary, info.abilities, info.missing(), loaded, busy, size / 2**20, info.name == self.settings.engine,
                    info.styles, info.sizes, info.options,
                )
            )
        return tuple(out)

    @property
    def offered(self) -> Mapping[str, object]:
        """The engines by name."""
        return self.rooms.director.table

    def missing(self, name: str) -> str | None:
        """Why an engine cannot be used here, as a clause; None when it can."""
        info = self.rooms.director.table.get(name)
        return "it is not offered" if info is None else info.missing()

    def load_engine(self, name: str) -> None:
        """Brings an engine into memory; others that are idle make room. Raises Unknown, BadWeights or CannotDo."""
        self._known(name)
        self.rooms.keeper.engine(name)

    def unload_engine(self, name: str) -> None:
        """Raises Conflict while it draws."""
        self._known(name)
        self.rooms.keeper.unload(name)

    def _known(self, name: str) -> None:
        if name not in self.rooms.director.table:
            raise Unknown("engine", name, tuple(self.rooms.director.table))

    # Everything of one owner

    def export(self, owner: Key) -> Iterator[bytes]:
        """A ZIP of all that is kept of this owner: pictures, files, and rows as JSON lines."""
        return portable.export(self.shelf, owner.id)

    def erase(self, owner: Key) -> None:
        """Deletes all that is kept of this owner, files included; what is being drawn for it is dropped."""
        portable.erase(self.shelf, owner.id)
        self.rooms.pictures.forget()


def build(settings: Settings, *plugins: object) -> Studio:
    """The studio of these settings; nothing is started or written before `start`. `plugins`: with hooks of `sayso.hooks`."""
    from sayso.studio.assembly import rooms

    return Studio(rooms(settings, *plugins))


def _close(events: object) -> None:
    close = getattr(events, "close", None)
    if close is not None:
        close()
