"""Workers: threads that lease jobs, keep their leases alive and see to it that each job ends in exactly one way."""

from __future__ import annotations

import hashlib
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from sayso.jobs.keeper import Keeper
from sayso.jobs.queue import LeaseLost, Line, Queue
from sayso.storage.errors import StorageFull, StorageTrouble
from sayso.storage.rows import Job
from sayso.types import Engine

LOG = logging.getLogger("sayso.jobs")
IDLE_SECONDS = 0.5  # between two looks at the queue when nobody rings
FULL_SECONDS = 1.0  # between two looks at a full disk or an absent database
PROGRESS_SECONDS = 0.25  # steps within this time are written together


Seen = Callable[[str, str, float, float], None]


def host_name(folder: str) -> str:
    """Names this machine and the data folder, so that two servers on one database never take each other for dead."""
    return f"{socket.gethostname()}:{hashlib.sha256(folder.encode()).hexdigest()[:8]}:"


class Stopped(Exception):
    """Work on a job must end: `why` is cancel, lost, deadline or shutdown."""

    def __init__(self, why: str):
        super().__init__(why)
        self.why = why


class Run:
    """One attempt at a job. Its methods may be called by the thread that works on it alone, except `stop`."""

    def __init__(self, queue: Queue, worker: str, job: Job, deadline: float):
        self.queue, self.worker, self.job = queue, worker, job
        self.deadline = time.monotonic() + deadline
        self.over = False
        self.error: Exception | None = None  # what ended it, when others of its batch go on
        self._why: str | None = None
        self._lines: list[Line] = []
        self._told = time.monotonic()

    @property
    def apart(self) -> bool:
        """Whether nothing may run beside it: an attempt at it ended in a crash, and it is to be seen whose fault that was."""
        return self.job.attempts > 1

    def stop(self, why: str) -> None:
        """Asks for the end at the next `check`; the first reason counts."""
        self._why = self._why or why

    def stopped(self) -> bool:
        return self._why is not None or time.monotonic() > self.deadline

    def why(self) -> str:
        """The reason to stop; "lost" when there is none."""
        return self._why or ("deadline" if time.monotonic() > self.deadline else "lost")

    def check(self) -> None:
        """Raises Stopped."""
        if self.stopped():
            raise Stopped(self.why())

    def tell(self, kind: str, data: Mapping[str, Any], soon: bool = False) -> None:
        """An event of progress; `soon`: it may wait for the next. Raises Stopped."""
        self._lines.append((kind, data))
        if not soon or time.monotonic() - self._told > PROGRESS_SECONDS:
            self.flush()

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        self._told = time.monotonic()
        if lines:
            try:
                self.queue.tell(self.worker, self.job.id, lines)
            except LeaseLost:
                raise Stopped(self._why or "lost") from None

    def waiting_lines(self) -> list[Line]:
        """Events not yet written, for a transaction that writes them with its own."""
        lines, self._lines = self._lines, []
        return lines


class Performer(Protocol):
    """What the studio does with jobs."""

    def batch_key(self, engine: Engine, job: Job) -> Hashable | None:
        """Jobs of equal keys may go together; None: alone."""
        ...

    def perform(self, engine: Engine, runs: Sequence[Run]) -> None:
        """Works on all runs and ends each that it completes (`over`); raises when one cannot go on."""
        ...

    def explain(self, error: Exception) -> Mapping[str, Any]:
        """code, message and details for the job's error."""
        ...


@dataclass(frozen=True)
class Pace:
    threads: int = 1
    batch: int = 8
    wait: float = 0.015  # seconds for companions
    deadline: float = 900.0


class Workers:
    """`host`: how the names of these workers begin, the same after a restart on the same data, told to `Queue.recover`.

    `seen`: told of each ended attempt: (engine, outcome, seconds waited, seconds run), for the metrics."""

    def __init__(self, queue: Queue, keeper: Keeper, performer: Performer, pace: Pace, host: str, seen: Seen):
        self.queue, self.keeper, self.performer, self.pace, self.host, self.seen = queue, keeper, performer, pace, host, seen
        self._stop = threading.Event()
        self._pick = threading.Lock()
        self._running: dict[str, Run] = {}
        self._threads: list[threading.Thread] = []
        self._recent, self._ended = 1, 0.0  # jobs in the newest batch, and when it ended
        self.full = False  # the disk was full when we last wrote

    def start(self) -> None:
        for n in range(self.pace.threads):
            name = f"{self.host}{os.getpid()}:{n}"
            self._threads.append(threading.Thread(target=self._loop, args=(name,), name=f"sayso-worker-{n}", daemon=True))
        if self.pace.threads:
            self._threads.append(threading.Thread(target=self._beat, name="sayso-heart", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        """Lets running jobs end for `seconds`; what still runs then goes back to the queue."""
        self._stop.set()
        self.queue.bell.ring()
        end = time.monotonic() + seconds
        while self._running and time.monotonic() < end:
            time.sleep(0.02)
        for run in list(self._running.values()):
            run.stop("shutdown")
        for thread in self._threads:
            thread.join(timeout=max(5.0, seconds))

    def cancelled(self, job: str) -> None:
        """Word from this process that a job is to be cancelled; others hear it from their next heartbeat."""
        if (run := self._running.get(job)) is not None:
            run.stop("cancel")

    def _loop(self, worker: str) -> None:
        bell = self.queue.bell
        while not self._stop.is_set():
            heard = bell.count
            try:
                if not self._turn(worker):
                    bell.wait(heard, IDLE_SECONDS)
            except StorageTrouble:
                self._stop.wait(FULL_SECONDS)
            except Exception:
                LOG.exception("a worker stumbled and goes on")
                self._stop.wait(FULL_SECONDS)

    def _turn(self, worker: str) -> bool:
        """One batch; False when there was nothing to do."""
        with self._pick:
            if any(run.apart for run in list(self._running.values())):
                return False
            jobs = self.queue.claim(worker, self.keeper.free(), company=bool(self._running))
            if not jobs:
                return False
            name = jobs[0].engine
            reserved = self.keeper.reserve(name)
            assert reserved, name
            runs = [self._begin(worker, jobs[0])]
        try:
            try:
                engine = self.keeper.engine(name)
            except Exception as error:  # noqa: BLE001 - whatever it is, the job must end
                self._fail(runs[0], error)
                return True
            runs += self._companions(worker, engine, runs[0])
            self._recent = len(runs)
            self._work(engine, runs)
            self._ended = time.time()
        finally:
            self.keeper.leave(name)
            for run in runs:
                self._running.pop(run.job.id, None)
            self.queue.bell.ring()  # the engine's seat is free for whoever found it taken
        return True

    def _begin(self, worker: str, job: Job) -> Run:
        run = Run(self.queue, worker, job, self.pace.deadline)
        self._running[job.id] = run
        if job.cancel:
            run.stop("cancel")
        return run

    def _companions(self, worker: str, engine: Engine, first: Run) -> list[Run]:
        """More jobs that can be drawn together with the first."""
        room = self.pace.batch - max(1, len(first.job.pictures))
        if room <= 0 or first.apart or not hasattr(engine, "respond_together"):
            return []
        try:
            key = self.performer.batch_key(engine, first.job)
        except Exception:  # noqa: BLE001 - the job itself will tell what is wrong with it
            return []
        if key is None:
            return []
        if self._recent > 1 or first.job.created < self._ended:
            # Several clients are at work: those whose pictures have just come will ask again in a moment. One alone never waits.
            behind = len(self.queue.waiting(first.job.engine, self.pace.batch))
            self._wait_for(first.job.engine, min(room, self._recent + behind))
        chosen: list[str] = []
        for job in self.queue.waiting(first.job.engine, 4 * self.pace.batch):
            if not job.attempts and room >= max(1, len(job.pictures)) and self._suits(engine, job, key):
                chosen.append(job.id)
                room -= max(1, len(job.pictures))
        return [self._begin(worker, job) for job in self.queue.claim(worker, (first.job.engine,), len(chosen), chosen)] if chosen else []

    def _wait_for(self, engine: str, companions: int) -> None:
        """Waits up to `pace.wait` until so many jobs wait behind the first."""
        end, heard = time.monotonic() + self.pace.wait, self.queue.bell.count
        while len(self.queue.waiting(engine, companions)) < companions and (left := end - time.monotonic()) > 0:
            heard = self.queue.bell.wait(heard, left)

    def _suits(self, engine: Engine, job: Job, key: Hashable) -> bool:
        with suppress(Exception):
            return self.performer.batch_key(engine, job) == key
        return False

    def _work(self, engine: Engine, runs: list[Run]) -> None:
        try:
            self.performer.perform(engine, runs)
        except Exception as error:  # noqa: BLE001 - whatever it is, every job must end
            left = [run for run in runs if not run.over and run.error is None]
            if len(left) > 1 and not isinstance(error, Stopped | LeaseLost | StorageTrouble):
                LOG.warning("a batch failed and is drawn one by one", extra={"engine": engine.name, "error": type(error).__name__})
                for run in left:
                    self._work(engine, [run])
                runs = [run for run in runs if run not in left]
            for run in left:
                run.error = run.error or error
        for run in runs:
            if run.over:
                self._seen(run, "done")
            elif run.error is not None:
                self._fail(run, run.error)
            else:
                self._fail(run, Stopped(run.why()))

    def _fail(self, run: Run, error: Exception) -> None:
        """Ends a run that did not come to its own end."""
        if isinstance(error, LeaseLost):
            error = Stopped("lost")
        if isinstance(error, Stopped) and error.why != "cancel" and run._why == "cancel":
            error = Stopped("cancel")
        try:
            if isinstance(error, Stopped):
                self._fail_stopped(run, error.why)
            elif isinstance(error, StorageTrouble):
                self._seen(run, "storage_full" if isinstance(error, StorageFull) else "storage_away")
                self._wait_again(run, error)
            else:
                said = self.performer.explain(error)
                self.queue.end(run.worker, run.job.id, "failed", run.waiting_lines(), said)
                self._seen(run, str(said["code"]))
        except LeaseLost:
            with suppress(LeaseLost):  # it was cancelled in this very moment, or is another's
                self.queue.end(run.worker, run.job.id, "cancelled", ())
        except StorageTrouble as trouble:
            self._wait_again(run, trouble)

    def _fail_stopped(self, run: Run, why: str) -> None:
        if why == "deadline":
            error = {
                "code": "deadline",
                "message": f"the job took longer than {self.pace.deadline:.0f} seconds; ask for less",
                "details": {},
            }
            self.queue.end(run.worker, run.job.id, "failed", run.waiting_lines(), error)
        elif why == "shutdown":
            self.queue.give_back(run.worker, run.job.id)
        elif why == "cancel" or self._cancel_wanted(run):
            self.queue.end(run.worker, run.job.id, "cancelled", run.waiting_lines())
        self._seen(run, why)

    def _cancel_wanted(self, run: Run) -> bool:
        """Whether we lost a job because someone elsewhere wants it cancelled."""
        return bool(self.queue.renew(run.worker, [run.job.id])[1])

    def _wait_again(self, run: Run, trouble: StorageTrouble) -> None:
        """Puts a job back once something can be kept again; an attempt that such trouble ended does not count."""
        self.full = isinstance(trouble, StorageFull)
        while not self._stop.wait(FULL_SECONDS):
            try:
                self.queue.give_back(run.worker, run.job.id)
            except StorageTrouble as still:
                self.full = isinstance(still, StorageFull)
                continue
            self.full = False
            return

    def _seen(self, run: Run, outcome: str) -> None:
        spent = time.monotonic() - (run.deadline - self.pace.deadline)
        self.seen(run.job.engine, outcome, max(0.0, time.time() - spent - run.job.created), spent)

    def _beat(self) -> None:
        every = max(0.2, min(self.queue.limits.lease / 3, 2.0))
        while not self._stop.wait(every) or self._running:
            if self._stop.is_set():
                time.sleep(0.1)
            try:
                self._beat_once()
            except Exception as error:  # noqa: BLE001 - the next beat may come through
                LOG.warning("a heartbeat failed", extra={"error": type(error).__name__})

    def _beat_once(self) -> None:
        runs = list(self._running.values())
        for worker in {run.worker for run in runs}:
            mine = [run for run in runs if run.worker == worker]
            held, cancelled = self.queue.renew(worker, [run.job.id for run in mine])
            for run in mine:
                if run.job.id in cancelled:
                    run.stop("cancel")
                elif run.job.id not in held and not run.over:
                    run.stop("lost")
        self.queue.recover()
