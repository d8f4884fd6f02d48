"""Logs of jobs as live streams: one writer tells, any number of readers in any event loops hear.

What happens in this process is heard at once, from memory. What other processes write is found by one thread that asks the
database about all watched jobs together. A reader that falls behind reads from the database, so nothing is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import select

from sayso.storage import tables as t
from sayso.storage.database import Database
from sayso.storage.rows import FINAL, JobEvent

ENDS = frozenset(FINAL)
RECENT = 256  # events of a watched job that stay in memory
ASK_SECONDS = 0.25


class Ear:
    """One reader: an asyncio event that other threads may set."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.event = asyncio.Event()

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # its loop has ended
            self.loop.call_soon_threadsafe(self.event.set)


class Watched:
    def __init__(self) -> None:
        self.ears: set[Ear] = set()
        self.recent: deque[JobEvent] = deque(maxlen=RECENT)
        self.seen = 0


class Hub:
    def __init__(self, db: Database):
        self.db = db
        self._lock = threading.Lock()
        self._watched: dict[str, Watched] = {}
        self._asker: threading.Thread | None = None
        self._stop = threading.Event()

    def publish(self, events: Sequence[JobEvent]) -> None:
        """Tells committed events, in order, to those who listen."""
        woken: set[Ear] = set()
        with self._lock:
            for event in events:
                watched = self._watched.get(event.job)
                if watched is not None and event.seq > watched.seen:
                    if watched.recent and event.seq != watched.seen + 1:
                        watched.recent.clear()  # two threads' events crossed; readers take them from the database
                    watched.recent.append(event)
                    watched.seen = event.seq
                    woken |= watched.ears
        for ear in woken:
            ear.wake()

    def read(self, job: str, after: int, kind: str | None = None) -> list[JobEvent]:
        """From the database; of one kind, or of all."""
        query = select(t.events).where(t.events.c.job == job, t.events.c.seq > after).order_by(t.events.c.seq)
        if kind is not None:
            query = query.where(t.events.c.kind == kind)
        with self.db.read() as tx:
            return [JobEvent(row["job"], row["seq"], row["kind"], row["data"], row["created"]) for row in tx.execute(query).mappings()]

    def _recent(self, job: str, after: int) -> list[JobEvent] | None:
        """Events after a number from memory; None when memory does not reach back that far."""
        with self._lock:
            watched = self._watched.get(job)
            if watched is None or not watched.recent or watched.recent[0].seq > after + 1:
                return None
            return [event for event in watched.recent if event.seq > after]

    async def follow(self, job: str, after: int) -> AsyncIterator[JobEvent]:
        """Events with seq > after until the log ends."""
        ear = Ear()
        with self._lock:
            watched = self._watched.setdefault(job, Watched())
            watched.ears.add(ear)
            if self._asker is None:
                self._asker = threading.Thread(target=self._ask, name="sayso-hub", daemon=True)
                self._asker.start()
        try:
            events: list[JobEvent] | None = await asyncio.to_thread(self.read, job, after)
            while True:
                for event in events or ():
                    after = event.seq
                    yield event
                    if event.kind in ENDS:
                        return
                if not events and await self._over(job, after):
                    return
                await ear.event.wait()
                ear.event.clear()
                events = self._recent(job, after)
                if events is None:
                    events = await asyncio.to_thread(self.read, job, after)
        finally:
            with self._lock:
                watched.ears.discard(ear)
                if not watched.ears and self._watched.get(job) is watched:
                    del self._watched[job]

    async def _over(self, job: str, after: int) -> bool:
        """Whether nothing can follow: the job is gone, or its log ended at or before `after`."""

        def ask() -> bool:
            with self.db.read() as tx:
                row = tx.execute(select(t.jobs.c.state, t.jobs.c.seq).where(t.jobs.c.id == job)).first()
            return row is None or (row[0] in ENDS and row[1] <= after)

        return await asyncio.to_thread(ask)

    def _ask(self) -> None:
        quiet: dict[str, int] = {}  # job → what we had seen when last asked; only jobs that are silent here are asked about
        while not self._stop.wait(ASK_SECONDS):
            with self._lock:
                now_seen = {job: watched.seen for job, watched in self._watched.items()}
            silent = [job for job, seen in now_seen.items() if quiet.get(job) == seen]
            quiet = now_seen
            for start in range(0, len(silent), 500):
                with contextlib.suppress(Exception):  # a database that is away for a moment is asked again
                    self._ask_about(silent[start : start + 500], now_seen)

    def _ask_about(self, jobs: list[str], seen: dict[str, int]) -> None:
        with self.db.read() as tx:
            rows: list[Any] = list(tx.execute(select(t.jobs.c.id, t.jobs.c.seq).where(t.jobs.c.id.in_(jobs))))
        known = {row[0]: row[1] for row in rows}
        for job in jobs:
            if job not in known:
                self._wake(job)  # deleted: its readers find out
            elif known[job] > seen[job]:
                self.publish(self.read(job, seen[job]))

    def _wake(self, job: str) -> None:
        with self._lock:
            watched = self._watched.get(job)
            ears = set() if watched is None else set(watched.ears)
        for ear in ears:
            ear.wake()

    def stop(self) -> None:
        self._stop.set()
        if self._asker is not None:
            self._asker.join()
