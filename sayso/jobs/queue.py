"""The queue: accepting, leasing, ending. Every change that counts is one transaction, and only the holder of a lease may end a job.

Order: higher priority first; within one priority the key that was served longest ago; within one key first come, first
served.

A job whose worker fell silent goes back to the queue and from then on is drawn with no other job beside it in its process, so
that it can be told apart: a crash that it was alone in is its fault, one that it shared is nobody's. Too many faults end it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import RowMapping

from sayso.jobs.bell import Bell
from sayso.jobs.hub import Hub
from sayso.storage import library, people
from sayso.storage import tables as t
from sayso.storage.database import Database
from sayso.storage.errors import Conflict, IdempotencyConflict, NotFound, QueueFull
from sayso.storage.pages import as_row, now, page, put
from sayso.storage.rows import FINAL, Job, JobEvent, Page
from sayso.storage.shelf import release

CLOCK_SECONDS = 60.0  # a lease further in the future than that is of a clock that has been set back
Line = tuple[str, Mapping[str, Any]]  # kind and data of an event


class LeaseLost(Exception):
    """The job is no longer this worker's: cancelled, deleted, ended or given to another."""


@dataclass(frozen=True)
class Limits:
    """`attempts`: crashes that a job may be alone in before it fails. `lease`: seconds."""

    waiting: int = 1000
    waiting_of_one: int = 200
    lease: float = 30.0
    attempts: int = 5


def append(tx: Connection, job: str, lines: Sequence[Line], *where: ColumnElement[bool], **values: Any) -> list[JobEvent]:
    """Writes events at the end of a job's log, and `values` into its row; the caller publishes them after the transaction.

    Raises LeaseLost when the job is gone or `where` does not hold.
    """
    j = t.jobs.c
    last = tx.scalar(update(t.jobs).where(j.id == job, *where).values(seq=j.seq + len(lines), **values).returning(j.seq))
    if last is None:
        raise LeaseLost(job)
    return _write(tx, job, last - len(lines), lines)


def _write(tx: Connection, job: str, after: int, lines: Sequence[Line]) -> list[JobEvent]:
    """The rows of events whose numbers follow `after`."""
    at = now()
    made = [JobEvent(job, after + i, kind, dict(data), at) for i, (kind, data) in enumerate(lines, 1)]
    if made:
        tx.execute(insert(t.events), [{"job": job, "seq": e.seq, "kind": e.kind, "data": e.data, "created": at} for e in made])
    return made


def to_job(tx: Connection, row: RowMapping) -> Job:
    drawn: Sequence[str] = ()
    if row["attempts"]:  # what was never begun has drawn nothing
        drawn = tx.scalars(select(t.pictures.c.id).where(t.pictures.c.job == row["id"]).order_by(t.pictures.c.index)).all()
    return as_row(Job, dict(row) | {"drawn": tuple(drawn)})


def process_of(worker: str) -> str:
    """The process that a worker's name begins with."""
    return worker.rpartition(":")[0]


class Queue:
    """`limits` as in the settings. `bell` rings when there may be something to do."""

    def __init__(self, db: Database, hub: Hub, limits: Limits):
        self.db, self.hub, self.limits = db, hub, limits
        self.bell = Bell()

    # Accepting

    def accept(
        self,
        job: Job,
        idempotency: str | None,
        request_hash: str,
        expires: float | None,
        before: Callable[[Connection], tuple[str | None, str | None]],
    ) -> tuple[Job, bool]:
        """Puts a job into the queue, or finds the one of this idempotency key; returns (job, replayed).

        `before` runs in the same transaction, only for a new job: it counts quota, writes turns, and gives the
        conversation and the turn. Raises QueueFull, IdempotencyConflict, and what `before` raises.
        """
        with self.db.write() as tx:
            if idempotency is not None:
                if not self.db.lite:
                    self.db.alone(tx, hash_number(job.owner + "\0" + idempotency))
                if (known := self._replayed(tx, job.owner, idempotency, request_hash)) is not None:
                    return known, True
            self._room(tx, job.owner)
            conversation, turn = before(tx)
            made = replace(job, conversation=conversation, turn=turn)
            values = {c.name: getattr(made, c.name) for c in t.jobs.c if hasattr(made, c.name)}
            values |= {"pictures": list(job.pictures), "request": dict(job.request), "direction": dict(job.direction), "faults": 0}
            values |= {"seq": 1, "idempotency": idempotency, "hash": request_hash or None, "expires": expires}
            tx.execute(insert(t.jobs).values(values))
            told = _write(tx, job.id, 0, [("accepted", {})])
        self.hub.publish(told)
        self.bell.ring()
        return made, False

    def _replayed(self, tx: Connection, owner: str, idempotency: str, request_hash: str) -> Job | None:
        row = tx.execute(select(t.jobs).where(t.jobs.c.owner == owner, t.jobs.c.idempotency == idempotency)).mappings().first()
        if row is None:
            return None
        if (row["hash"] or "") != request_hash:
            raise IdempotencyConflict("this Idempotency-Key came before with another request; use a new key for a new request")
        return to_job(tx, row)

    def replay(self, owner: str, idempotency: str, request_hash: str) -> Job | None:
        """The job of an idempotency key, if there is one. Raises IdempotencyConflict."""
        with self.db.read() as tx:
            return self._replayed(tx, owner, idempotency, request_hash)

    def _room(self, tx: Connection, owner: str) -> None:
        mine = func.count().filter(t.jobs.c.owner == owner)
        waiting, of_one = tx.execute(select(func.count(), mine).where(t.jobs.c.state == "queued")).one()
        if waiting >= self.limits.waiting:
            raise QueueFull(f"{self.limits.waiting} jobs are waiting already; try again in a minute", 60)
        if of_one >= self.limits.waiting_of_one:
            raise QueueFull(f"{self.limits.waiting_of_one} jobs of this key are waiting already; try again in half a minute", 30)

    # Looking

    def _one(self, tx: Connection, query: Select[Any], name: str) -> Job:
        row = tx.execute(query).mappings().first()
        if row is None:
            raise NotFound("job", name)
        return to_job(tx, row)

    def get(self, owner: str, name: str) -> Job:
        """With its position while it waits. Raises NotFound."""
        with self.db.read() as tx:
            job = self._one(tx, select(t.jobs).where(t.jobs.c.id == name, t.jobs.c.owner == owner), name)
            if job.state != "queued":
                return job
            ahead = select(func.count()).where(
                t.jobs.c.state == "queued",
                or_(t.jobs.c.priority > job.priority, and_(t.jobs.c.priority == job.priority, t.jobs.c.created < job.created)),
            )
            return as_row(Job, vars(job) | {"position": tx.scalar(ahead) or 0})

    def browse(self, owner: str, state: str | None, cursor: str | None, limit: int) -> Page[Job]:
        query = select(t.jobs).where(t.jobs.c.owner == owner)
        if state is not None:
            query = query.where(t.jobs.c.state == state)
        with self.db.read() as tx:
            return page(tx, query, t.jobs, owner, cursor, limit, lambda row: to_job(tx, row))

    def counts(self) -> dict[str, int]:
        """How many jobs are queued and running."""
        with self.db.read() as tx:
            found = tx.execute(
                select(t.jobs.c.state, func.count()).where(t.jobs.c.state.in_(("queued", "running"))).group_by(t.jobs.c.state)
            )
            return {"queued": 0, "running": 0} | {str(state): int(n) for state, n in found}

    # Working

    def claim(
        self, worker: str, engines: Sequence[str], most: int = 1, among: Sequence[str] | None = None, company: bool = False
    ) -> list[Job]:
        """Leases up to `most` waiting jobs of these engines to `worker`, in order; `among` names the only ones that count.

        `company`: others are at work in this process; then nothing is leased while the first in order is one that must be alone.
        """
        if not engines or (among is not None and not among):
            return []
        j = t.jobs
        query = (
            select(j.c.id, j.c.owner, j.c.attempts)
            .outerjoin(t.served, t.served.c.owner == j.c.owner)
            .where(j.c.state == "queued", j.c.engine.in_(engines))
            .order_by(j.c.priority.desc(), func.coalesce(t.served.c.at, 0.0), j.c.number)
            .limit(most)
            .with_for_update(of=j, skip_locked=True)
        )
        if among is not None:
            query = query.where(j.c.id.in_(among))
        told: list[JobEvent] = []
        claimed: list[Job] = []
        with self.db.write(durable=False) as tx:  # a lease that a power cut forgets is a job that waits again
            chosen = tx.execute(query).all()
            if company and any(attempts for _, _, attempts in chosen):
                return []
            for name, _, _ in chosen:
                taken = {"state": "running", "worker": worker, "lease": now() + self.limits.lease, "attempts": j.c.attempts + 1}
                taken |= {"started": func.coalesce(j.c.started, now()), "seq": j.c.seq + 1}
                row = tx.execute(update(j).where(j.c.id == name).values(taken).returning(j)).mappings().one()
                job = to_job(tx, row)
                data = {"attempt": job.attempts, "engine": job.engine, "action": job.direction.get("action", "created")}
                told += _write(tx, name, row["seq"] - 1, [("started", data)])
                claimed.append(job)
            for owner in sorted({owner for _, owner, _ in chosen}):  # in one order everywhere, so that no two wait for each other
                put(tx, t.served, {"owner": owner, "at": now()}, ("owner",), {"at": now()})
        self.hub.publish(told)
        return claimed

    def waiting(self, engine: str, most: int) -> list[Job]:
        """Jobs that would come next for an engine, without taking them."""
        j = t.jobs
        query = (
            select(j)
            .outerjoin(t.served, t.served.c.owner == j.c.owner)
            .where(j.c.state == "queued", j.c.engine == engine)
            .order_by(j.c.priority.desc(), func.coalesce(t.served.c.at, 0.0), j.c.number)
            .limit(most)
        )
        with self.db.read() as tx:
            return [to_job(tx, row) for row in tx.execute(query).mappings().all()]

    def renew(self, worker: str, jobs: Sequence[str]) -> tuple[set[str], set[str]]:
        """Prolongs leases; returns (those still held, those of them to be cancelled)."""
        if not jobs:
            return set(), set()
        with self.db.write(durable=False) as tx:
            where = (t.jobs.c.id.in_(jobs), t.jobs.c.worker == worker, t.jobs.c.state == "running")
            tx.execute(update(t.jobs).where(*where).values(lease=now() + self.limits.lease))
            rows = tx.execute(select(t.jobs.c.id, t.jobs.c.cancel).where(*where)).all()
        return {row[0] for row in rows}, {row[0] for row in rows if row[1]}

    def _held(self, worker: str) -> tuple[ColumnElement[bool], ...]:
        """What holds while a job is still this worker's and wanted; the row stays locked for the transaction that asks."""
        return t.jobs.c.worker == worker, t.jobs.c.state == "running", ~t.jobs.c.cancel

    def write(self, tx: Connection, worker: str, job: str, lines: Sequence[Line]) -> list[JobEvent]:
        """Progress within a transaction of the caller, who publishes it afterwards. Raises LeaseLost."""
        return append(tx, job, lines, *self._held(worker))

    def tell(self, worker: str, job: str, lines: Sequence[Line]) -> None:
        """Appends progress. Raises LeaseLost."""
        with self.db.write(durable=False) as tx:
            told = self.write(tx, worker, job, lines)
        self.hub.publish(told)

    def complete(self, tx: Connection, worker: str, job: str, lines: Sequence[Line]) -> list[JobEvent]:
        """As `write`, and the job is done."""
        return self._end(tx, self._held(worker), job, "done", lines, None)

    def end(self, worker: str, job: str, state: str, lines: Sequence[Line], error: Mapping[str, Any] | None = None) -> None:
        """Makes a job final, once. Raises LeaseLost."""
        held = self._held(worker)
        with self.db.write() as tx:
            told = self._end(tx, held[:2] if state == "cancelled" else held, job, state, lines, error)
        self.hub.publish(told)

    def _end(
        self,
        tx: Connection,
        where: Sequence[ColumnElement[bool]],
        job: str,
        state: str,
        lines: Sequence[Line],
        error: Mapping[str, Any] | None,
    ) -> list[JobEvent]:
        closing: Line = {"failed": ("failed", dict(error or {})), "cancelled": ("cancelled", {}), "done": ("done", {})}[state]
        values = {"state": state, "finished": now(), "lease": None, "error": None if error is None else dict(error)}
        told = append(tx, job, [*lines, closing], *where, **values)
        if state != "done":
            self._refund(tx, job)
        return told

    def _refund(self, tx: Connection, name: str) -> None:
        """Pictures that were counted and will not come."""
        job = self._one(tx, select(t.jobs).where(t.jobs.c.id == name), name)
        if unmade := len(job.pictures) - len(job.drawn):
            people.count(tx, job.owner, people.day(job.created), -unmade)

    def give_back(self, worker: str, job: str) -> None:
        """A running job waits again; the attempt does not count."""
        with self.db.write() as tx:
            values = {"state": "queued", "worker": None, "lease": None, "attempts": t.jobs.c.attempts - 1}
            tx.execute(update(t.jobs).where(t.jobs.c.id == job, t.jobs.c.worker == worker, t.jobs.c.state == "running").values(values))
        self.bell.ring()

    def recover(self, host: str | None = None) -> int:
        """Jobs of silent workers wait again, or fail when too many crashes were theirs; how many.

        `host`: also all jobs of workers whose name begins so: the first process on a data folder knows that they are dead.
        """
        silent = or_(t.jobs.c.lease < now(), t.jobs.c.lease > now() + self.limits.lease + CLOCK_SECONDS)
        if host is not None:
            silent = or_(silent, t.jobs.c.worker.startswith(host, autoescape=True))
        running = t.jobs.c.state == "running"
        told: list[JobEvent] = []
        with self.db.read() as tx:
            if tx.execute(select(t.jobs.c.id).where(running, silent).limit(1)).first() is None:
                return 0
        with self.db.write() as tx:
            rows = tx.execute(select(t.jobs).where(running, silent).with_for_update(skip_locked=True)).mappings().all()
            beside = Counter(process_of(name) for name in tx.scalars(select(t.jobs.c.worker).where(running)))
            for row in rows:
                told += self._recovered(tx, row, beside[process_of(row["worker"])] == 1)
        self.hub.publish(told)
        if rows:
            self.bell.ring()
        return len(rows)

    def _recovered(self, tx: Connection, row: RowMapping, alone: bool) -> list[JobEvent]:
        """What becomes of a job whose process died, `alone` at work in it or not."""
        running = (t.jobs.c.state == "running",)
        faults = row["faults"] + alone
        if row["cancel"]:
            return self._end(tx, running, row["id"], "cancelled", (), None)
        if faults >= self.limits.attempts:
            message = f"{faults} times the server crashed while it did nothing but this; change the request"
            return self._end(tx, running, row["id"], "failed", (), {"code": "poison", "message": message, "details": {}})
        tx.execute(update(t.jobs).where(t.jobs.c.id == row["id"]).values(state="queued", worker=None, lease=None, faults=faults))
        return []

    # Ending from outside

    def cancel(self, owner: str, name: str) -> Job:
        """See `Studio.cancel`. A running job is marked; its worker ends it."""
        told: list[JobEvent] = []
        with self.db.write() as tx:
            query = select(t.jobs).where(t.jobs.c.id == name, t.jobs.c.owner == owner)
            job = self._one(tx, query.with_for_update(), name)
            if job.state == "queued":
                told = self._end(tx, (t.jobs.c.state == "queued",), name, "cancelled", (), None)
            elif job.state == "running":
                tx.execute(update(t.jobs).where(t.jobs.c.id == name).values(cancel=True))
            job = self._one(tx, query, name)
        self.hub.publish(told)
        return job

    def drop(self, tx: Connection, owner: str, name: str, pictures: bool) -> list[str]:
        """Deletes a final job, its log and its partial pictures; returns blobs to collect. Raises NotFound, Conflict."""
        job = self._one(tx, select(t.jobs).where(t.jobs.c.id == name, t.jobs.c.owner == owner), name)
        if job.state not in FINAL:
            raise Conflict(f'the job "{name[:80]}" is not finished; cancel it first')
        loose = library.drop_pictures(tx, owner, job.drawn) if pictures else []
        tx.execute(delete(t.events).where(t.events.c.job == name))
        tx.execute(delete(t.jobs).where(t.jobs.c.id == name))
        return loose + release(tx, f"job:{name}")

    def drop_whatever(self, tx: Connection, owner: str, name: str, pictures: bool) -> list[str]:
        """As `drop`, in any state: a worker that has the job finds it gone."""
        tx.execute(update(t.jobs).where(t.jobs.c.id == name, t.jobs.c.state.not_in(FINAL)).values(state="cancelled", worker=None))
        return self.drop(tx, owner, name, pictures)

    def masks(self, tx: Connection, owner: str, names: Sequence[str]) -> set[str]:
        """Uploads that these jobs had for masks."""
        asked = tx.scalars(select(t.jobs.c.request).where(t.jobs.c.id.in_(names), t.jobs.c.owner == owner))
        return {request["mask"] for request in asked if str(request.get("mask") or "").startswith("file-")}

    def drop_of_conversation(self, tx: Connection, owner: str, conversation: str, pictures: bool) -> list[str]:
        """Deletes all jobs of a conversation, whatever their state: a worker that has one finds it gone. Returns blobs to collect."""
        loose: list[str] = []
        for name in list(tx.scalars(select(t.jobs.c.id).where(t.jobs.c.conversation == conversation, t.jobs.c.owner == owner))):
            loose += self.drop_whatever(tx, owner, name, pictures)
        if not pictures:
            where = (t.pictures.c.conversation == conversation, t.pictures.c.owner == owner)
            tx.execute(update(t.pictures).where(*where).values(conversation=None, turn=None))
        else:  # those made by hand belong to no job
            rest = tx.scalars(select(t.pictures.c.id).where(t.pictures.c.conversation == conversation, t.pictures.c.owner == owner))
            loose += library.drop_pictures(tx, owner, list(rest))
        return loose

    def forget_old(self, events_seconds: float, idempotency_seconds: float) -> list[str]:
        """Steps and partial pictures of jobs that ended long ago, idempotency keys, and jobs that were to be kept only for
        a while; returns blobs to collect."""
        loose: list[str] = []
        with self.db.write() as tx:
            old = list(
                tx.scalars(
                    select(t.jobs.c.id)
                    .where(
                        t.jobs.c.finished < now() - events_seconds,
                        t.jobs.c.id.in_(select(t.events.c.job).where(t.events.c.kind.in_(("step", "preview")))),
                    )
                    .limit(1000)
                )
            )
            for name in old:
                tx.execute(delete(t.events).where(t.events.c.job == name, t.events.c.kind.in_(("step", "preview"))))
                loose += release(tx, f"job:{name}")
            tx.execute(
                update(t.jobs)
                .where(t.jobs.c.finished < now() - idempotency_seconds, t.jobs.c.idempotency.is_not(None))
                .values(idempotency=None, hash=None)
            )
            ended = select(t.jobs.c.owner, t.jobs.c.id).where(t.jobs.c.expires < now(), t.jobs.c.state.in_(FINAL)).limit(1000)
            for owner, name in tx.execute(ended).all():
                loose += self.drop(tx, owner, name, pictures=True)
        return loose


def hash_number(text: str) -> int:
    """A signed 63-bit number for PostgreSQL's locks."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
