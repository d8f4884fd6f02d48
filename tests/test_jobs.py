"""The queue, its log, its workers and the engines in memory: order, leases, once-only effects, batches, budgets."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import pytest

from sayso.jobs.bell import Bell
from sayso.jobs.hub import Hub
from sayso.jobs.keeper import Keeper
from sayso.jobs.queue import LeaseLost, Limits, Queue
from sayso.jobs.worker import Pace, Run, Workers, host_name
from sayso.storage import people
from sayso.storage.database import Database
from sayso.storage.errors import Conflict, IdempotencyConflict, NotFound, QueueFull, StorageFull
from sayso.storage.pages import new_id, now
from sayso.storage.rows import Job, JobEvent
from sayso.types import Engine


@pytest.fixture
def queue(database_url: str) -> Iterator[Queue]:
    db = Database(database_url)
    db.migrate()
    hub = Hub(db)
    yield Queue(db, hub, Limits(waiting=20, waiting_of_one=12, lease=0.4, attempts=2))
    hub.stop()
    db.close()


def put(
    queue: Queue,
    owner: str = "a",
    *,
    priority: int = 0,
    engine: str = "e",
    key: str | None = None,
    digest: str = "",
    pictures: int = 1,
    before: Callable[[Any], tuple[None, None]] = lambda tx: (None, None),
) -> Job:
    job = Job(new_id("job_"), owner, "queued", engine, {}, tuple(new_id("ig_") for _ in range(pictures)), (), now(), priority)
    return queue.accept(job, key, digest, None, before)[0]


def kinds(queue: Queue, job: Job) -> list[str]:
    events = queue.hub.read(job.id, 0)
    assert [e.seq for e in events] == list(range(1, len(events) + 1))
    return [e.kind for e in events]


def test_priority_first_then_the_key_served_longest_ago_then_first_come(queue: Queue) -> None:
    many = [put(queue, "greedy") for _ in range(4)]
    modest = [put(queue, "modest") for _ in range(2)]
    urgent = put(queue, "greedy", priority=5)
    order = []
    while claimed := queue.claim("w", ["e"]):
        order.append(claimed[0].id)
        time.sleep(0.002)
    assert order[0] == urgent.id
    rest = order[1:]
    assert rest[:4] == [modest[0].id, many[0].id, modest[1].id, many[1].id] and rest[4:] == [many[2].id, many[3].id]


def test_only_engines_with_a_seat_are_claimed(queue: Queue) -> None:
    one, two = put(queue, engine="busy"), put(queue, engine="free")
    assert [j.id for j in queue.claim("w", ["free"], 9)] == [two.id]
    assert queue.claim("w", []) == [] and [j.id for j in queue.waiting("busy", 9)] == [one.id]


def test_many_workers_never_share_a_job(queue: Queue) -> None:
    made = {put(queue, f"k{i % 5}").id for i in range(20)}
    got: list[str] = []
    errors: list[Exception] = []

    def work(name: str) -> None:
        try:
            while claimed := queue.claim(name, ["e"], 2):
                got.extend(job.id for job in claimed)
                for job in claimed:
                    queue.end(name, job.id, "done", [])
        except Exception as error:  # noqa: BLE001 - the test tells
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and sorted(got) == sorted(made)
    assert queue.counts() == {"queued": 0, "running": 0}


def test_a_silent_workers_job_goes_to_another_and_counts_once(queue: Queue) -> None:
    job = put(queue)
    assert queue.claim("dead", ["e"])[0].attempts == 1
    assert queue.recover() == 0
    time.sleep(0.5)
    assert queue.recover() == 1
    assert queue.claim("alive", ["e"])[0].attempts == 2
    for act in (lambda: queue.end("dead", job.id, "done", []), lambda: queue.tell("dead", job.id, [("said", {"text": "?"})])):
        with pytest.raises(LeaseLost):
            act()
    queue.end("alive", job.id, "done", [("said", {"text": "!"})])
    with pytest.raises(LeaseLost):
        queue.end("alive", job.id, "done", [])
    assert kinds(queue, job) == ["accepted", "started", "started", "said", "done"]


def test_a_job_that_kills_its_workers_is_given_up(queue: Queue) -> None:
    def before(tx: Any) -> tuple[None, None]:
        people.count(tx, "a", people.day(), 3)
        return None, None

    job = put(queue, pictures=3, before=before)
    for attempt in (1, 2):
        assert queue.claim(f"w{attempt}", ["e"])[0].attempts == attempt
        assert queue.recover("w") == 1
    found = queue.get("a", job.id)
    assert found.state == "failed" and found.error is not None and found.error["code"] == "poison"
    with queue.db.read() as tx:
        assert people.used(tx, "a", people.day()) == 0  # what was not drawn is not counted


def test_a_crash_counts_against_a_job_that_was_alone_in_it(queue: Queue) -> None:
    innocent, poison = put(queue), put(queue)
    for _ in range(5):  # they go together, from two threads of one process, and it dies each time
        taken = queue.claim("h:1:0", ["e"]) + queue.claim("h:1:1", ["e"])
        assert {job.id for job in taken} == {innocent.id, poison.id}
        assert queue.recover("h:") == 2
    assert queue.claim("h:2:0", ["e"], company=True) == []  # from the first crash on, each goes alone
    assert [job.id for job in queue.claim("h:2:0", ["e"])] == [innocent.id]
    queue.end("h:2:0", innocent.id, "done", [])
    for process in (3, 4):
        assert [job.id for job in queue.claim(f"h:{process}:0", ["e"])] == [poison.id]
        queue.recover("h:")
    assert queue.get("a", innocent.id).state == "done"
    found = queue.get("a", poison.id)
    assert found.error is not None and found.error["code"] == "poison" and found.error["message"].startswith("2 times")


def test_a_job_of_another_process_is_no_company(queue: Queue) -> None:
    one, other = put(queue), put(queue)
    queue.claim("h:1:0", ["e"])
    queue.claim("g:1:0", ["e"])
    queue.recover("h:")
    queue.claim("h:2:0", ["e"])
    queue.recover("h:")
    assert queue.get("a", one.id).state == "failed" and queue.get("a", other.id).state in ("running", "queued")


def test_a_clock_that_is_set_back_holds_nothing_up(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    job = put(queue)
    queue.claim("w", ["e"])
    later = now()
    monkeypatch.setattr("sayso.jobs.queue.now", lambda: later - 7200)
    assert queue.recover() == 1 and [found.id for found in queue.claim("w2", ["e"])] == [job.id]
    assert queue.recover() == 0  # it is held by that clock now
    queue.end("w2", job.id, "done", [])


def test_a_beating_heart_keeps_a_lease(queue: Queue) -> None:
    job = put(queue)
    queue.claim("w", ["e"])
    for _ in range(4):
        time.sleep(0.2)
        assert queue.renew("w", [job.id]) == ({job.id}, set())
        assert queue.recover() == 0
    assert queue.renew("other", [job.id]) == (set(), set())


def test_an_idempotency_key_gives_the_first_job(queue: Queue) -> None:
    first = put(queue, key="k", digest="x")
    assert put(queue, key="k", digest="x").id == first.id
    assert put(queue, "b", key="k", digest="x").id != first.id
    with pytest.raises(IdempotencyConflict, match="new key"):
        put(queue, key="k", digest="y")
    with pytest.raises(IdempotencyConflict):
        queue.replay("a", "k", "y")
    assert queue.replay("a", "other", "x") is None


def test_identical_posts_that_race_make_one_job(queue: Queue) -> None:
    got: list[str] = []
    errors: list[Exception] = []

    def post() -> None:
        try:
            got.append(put(queue, key="race", digest="x").id)
        except Exception as error:  # noqa: BLE001 - the test tells
            errors.append(error)

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and len(set(got)) == 1 and queue.counts()["queued"] == 1


def test_a_full_queue_says_when_to_come_back(queue: Queue) -> None:
    for _ in range(12):
        put(queue)
    with pytest.raises(QueueFull, match="of this key") as full:
        put(queue)
    assert full.value.retry_after > 0
    for i in range(8):
        put(queue, f"k{i}")
    with pytest.raises(QueueFull, match="20 jobs"):
        put(queue, "z")
    assert queue.counts()["queued"] == 20


def test_cancelling(queue: Queue) -> None:
    waiting, running = put(queue), put(queue, "b")
    assert queue.cancel("a", waiting.id).state == "cancelled" == queue.cancel("a", waiting.id).state
    queue.claim("w", ["e"])
    assert queue.cancel("b", running.id).state == "running"
    assert queue.renew("w", [running.id]) == ({running.id}, {running.id})
    with pytest.raises(LeaseLost):
        queue.end("w", running.id, "done", [])
    queue.end("w", running.id, "cancelled", [])
    assert kinds(queue, running) == ["accepted", "started", "cancelled"] and kinds(queue, waiting) == ["accepted", "cancelled"]
    with pytest.raises(NotFound):
        queue.cancel("b", waiting.id)


def test_a_final_job_can_be_forgotten(queue: Queue) -> None:
    job = put(queue)
    with pytest.raises(Conflict, match="cancel it first"), queue.db.write() as tx:
        queue.drop(tx, "a", job.id, True)
    queue.cancel("a", job.id)
    with queue.db.write() as tx:
        queue.drop(tx, "a", job.id, True)
    with pytest.raises(NotFound):
        queue.get("a", job.id)
    assert queue.hub.read(job.id, 0) == []


def test_old_progress_is_forgotten_and_results_are_not(queue: Queue) -> None:
    job = put(queue, key="k", digest="x")
    queue.claim("w", ["e"])
    queue.tell("w", job.id, [("step", {"index": 1, "total": 2}), ("preview", {"blob": "b"})])
    queue.end("w", job.id, "done", [("picture", {"id": "ig"})])
    queue.forget_old(1000, 1000)
    assert len(queue.hub.read(job.id, 0)) == 6
    queue.forget_old(-1, -1)
    assert [e.kind for e in queue.hub.read(job.id, 0)] == ["accepted", "started", "picture", "done"]
    assert queue.replay("a", "k", "x") is None and queue.get("a", job.id).state == "done"


def test_position_counts_those_before(queue: Queue) -> None:
    jobs = [put(queue) for _ in range(3)] + [put(queue, priority=1)]
    assert [queue.get("a", j.id).position for j in jobs] == [1, 2, 3, 0]


def follow(queue: Queue, job: Job, after: int = 0) -> list[JobEvent]:
    async def go() -> list[JobEvent]:
        return [event async for event in queue.hub.follow(job.id, after)]

    return asyncio.run(asyncio.wait_for(go(), 20))


def test_two_hundred_readers_hear_everything_once(queue: Queue) -> None:
    job = put(queue)

    def work() -> None:
        queue.claim("w", ["e"])
        for i in range(30):
            queue.tell("w", job.id, [("step", {"index": i + 1, "total": 30})])
        queue.end("w", job.id, "done", [])

    async def go() -> list[list[JobEvent]]:
        async def read(after: int) -> list[JobEvent]:
            return [event async for event in queue.hub.follow(job.id, after)]

        readers = [asyncio.create_task(read(i % 3)) for i in range(200)]
        await asyncio.sleep(0.3)
        await asyncio.to_thread(work)
        return await asyncio.wait_for(asyncio.gather(*readers), 30)

    for i, heard in enumerate(asyncio.run(go())):
        assert [e.seq for e in heard] == list(range(1 + i % 3, 34)) and heard[-1].kind == "done"
    assert queue.hub._watched == {}


def test_a_stream_goes_on_where_it_stopped_and_ends_when_over(queue: Queue) -> None:
    job = put(queue)
    queue.claim("w", ["e"])
    queue.end("w", job.id, "done", [("said", {"text": str(i)}) for i in range(5)])
    assert [e.seq for e in follow(queue, job)] == list(range(1, 9))
    assert [e.seq for e in follow(queue, job, 6)] == [7, 8] and follow(queue, job, 8) == [] == follow(queue, job, 99)


def test_what_another_process_writes_is_heard(queue: Queue) -> None:
    job = put(queue)
    stranger = Queue(queue.db, Hub(queue.db), queue.limits)  # as in another process: its hub tells ours nothing

    async def go() -> list[str]:
        heard: list[str] = []
        async for event in queue.hub.follow(job.id, 0):
            heard.append(event.kind)
            if event.kind == "accepted":
                await asyncio.to_thread(stranger.claim, "w", ["e"])
            elif event.kind == "started":
                await asyncio.to_thread(stranger.end, "w", job.id, "done", [])
        return heard

    assert asyncio.run(asyncio.wait_for(go(), 20)) == ["accepted", "started", "done"]


class Model:
    """An engine for the keeper: knows what it takes."""

    abilities: frozenset[Any] = frozenset()

    def __init__(self, name: str, size: int, parallel: int = 1):
        self.name, self.bytes, self.parallel, self.closed = name, size, parallel, False

    def close(self) -> None:
        self.closed = True

    def batch_key(self, ask: object) -> Hashable:
        return 1

    def respond_together(self, asks: object) -> Iterator[object]:
        return iter(())

    def respond(self, ask: object) -> Iterator[Any]:
        return iter(())


def test_engines_make_room_for_each_other() -> None:
    made: list[Model] = []

    def loader(name: str, size: int) -> Callable[[], Engine]:
        def load() -> Engine:
            made.append(Model(name, size))
            return made[-1]

        return load

    keeper = Keeper({"a": loader("a", 60), "b": loader("b", 30), "c": loader("c", 60)}, budget=100)
    for name in ("a", "b", "a"):
        assert keeper.engine(name).name == name
    assert [m.name for m in made] == ["a", "b"]
    assert keeper.reserve("b") and not keeper.reserve("b") and keeper.free() == ["a", "c"]
    keeper.engine("c")  # a goes: it is idle; b stays: it draws
    assert made[0].closed and not made[1].closed and keeper.state("b") == (True, True, 30) and keeper.state("a")[0] is False
    with pytest.raises(Conflict, match="wait"):
        keeper.unload("b")
    keeper.leave("b")
    keeper.unload("b")
    assert made[1].closed and keeper.loaded("b") is None
    keeper.unload("b")


def test_an_engine_too_large_for_the_budget_is_still_used() -> None:
    keeper = Keeper({"a": lambda: Model("a", 500)}, budget=100)
    assert keeper.engine("a").name == "a" and keeper.state("a") == (True, False, 500)


class Script:
    """A performer that does what a test says."""

    def __init__(self, act: Callable[[Sequence[Run]], None]):
        self.act, self.batches = act, []  # type: tuple[Callable[[Sequence[Run]], None], list[list[str]]]

    def batch_key(self, engine: Engine, job: Job) -> Hashable | None:
        return job.request.get("key", 1)

    def perform(self, engine: Engine, runs: Sequence[Run]) -> None:
        self.batches.append([run.job.id for run in runs])
        self.act(runs)
        for run in runs:
            if run.error is None and not run.stopped():
                run.queue.end(run.worker, run.job.id, "done", run.waiting_lines())
                run.over = True

    def explain(self, error: Exception) -> Mapping[str, Any]:
        return {"code": type(error).__name__, "message": str(error), "details": {}}


@pytest.fixture
def working(queue: Queue) -> Iterator[Callable[..., tuple[Workers, Script]]]:
    started: list[Workers] = []

    def start(
        act: Callable[[Sequence[Run]], None] = lambda runs: None, threads: int = 1, deadline: float = 60.0, wait: float = 0.05
    ) -> tuple[Workers, Script]:
        script = Script(act)
        keeper = Keeper({"e": lambda: Model("e", 1)}, 0)
        workers = Workers(queue, keeper, script, Pace(threads, 8, wait, deadline), host_name("/data"), lambda *seen: None)
        started.append(workers)
        workers.start()
        return workers, script

    yield start
    for workers in started:
        workers.stop(0.2)


def final(queue: Queue, job: Job, seconds: float = 10.0) -> Job:
    end = time.monotonic() + seconds
    while (found := queue.get(job.owner, job.id)).finished is None:
        assert time.monotonic() < end, found
        time.sleep(0.01)
    return found


def test_waiting_jobs_go_together(queue: Queue, working: Callable[..., tuple[Workers, Script]]) -> None:
    jobs = [put(queue, f"k{i % 3}") for i in range(11)]
    _, script = working()
    assert {final(queue, job).state for job in jobs} == {"done"}
    assert [len(batch) for batch in script.batches] == [8, 3]


def test_clients_in_turns_come_together_and_one_alone_never_waits(queue: Queue, working: Callable[..., tuple[Workers, Script]]) -> None:
    _, script = working(lambda runs: time.sleep(0.1), wait=1.5)
    begun = time.monotonic()
    for _ in range(3):
        final(queue, put(queue))
    assert time.monotonic() - begun < 2.5 and [len(batch) for batch in script.batches] == [1, 1, 1]

    def client(name: str) -> None:
        for _ in range(4):
            final(queue, put(queue, name))
            time.sleep(0.02)

    threads = [threading.Thread(target=client, args=(f"k{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    for thread in threads:
        thread.join()
    assert 3 in [len(batch) for batch in script.batches[3:7]] and sum(len(batch) for batch in script.batches) == 15


def test_what_was_in_a_crash_is_drawn_with_nothing_beside_it(queue: Queue, working: Callable[..., tuple[Workers, Script]]) -> None:
    hurt = [put(queue) for _ in range(2)]
    queue.claim("h:1:0", ["e"], 2)
    queue.recover("h:")
    fresh = [put(queue) for _ in range(4)]
    at_work, seen = [0], []

    def act(runs: Sequence[Run]) -> None:
        at_work[0] += 1
        seen.append((at_work[0], [run.job.id for run in runs]))
        time.sleep(0.1)
        at_work[0] -= 1

    workers, script = working(act, threads=2)
    workers.keeper.engine("e").parallel = 2  # type: ignore[attr-defined]
    assert {final(queue, job).state for job in (*hurt, *fresh)} == {"done"}
    for job in hurt:
        assert (1, [job.id]) in seen, seen
    assert any(len(batch) > 1 for batch in script.batches)


def test_a_bell_is_never_missed() -> None:
    bell = Bell()
    heard = bell.count
    bell.ring()
    begun = time.monotonic()
    assert bell.wait(heard, 5) == heard + 1 and time.monotonic() - begun < 1
    assert bell.wait(bell.count, 0.01) == bell.count
    woken: list[int] = []
    threads = [threading.Thread(target=lambda: woken.append(bell.wait(heard + 1, 5))) for _ in range(3)]
    for thread in threads:
        thread.start()
    bell.ring()
    for thread in threads:
        thread.join()
    assert woken == [heard + 2] * 3


def test_one_bad_job_does_not_take_its_batch_along(queue: Queue, working: Callable[..., tuple[Workers, Script]]) -> None:
    jobs = [put(queue) for _ in range(4)]

    def act(runs: Sequence[Run]) -> None:
        if any(run.job.id == jobs[2].id for run in runs):
            raise ValueError("bad")

    working(act)
    assert [final(queue, job).state for job in jobs] == ["done", "done", "failed", "done"]
    assert queue.get("a", jobs[2].id).error == {"code": "ValueError", "message": "bad", "details": {}}


def test_cancelling_what_runs_stops_it_soon(queue: Queue, working: Callable[..., tuple[Workers, Script]]) -> None:
    job = put(queue)

    def act(runs: Sequence[Run]) -> None:
        for i in range(2000):
            runs[0].check()
            runs[0].tell("step", {"index": i, "total": 2000}, soon=True)
            time.sleep(0.005)

    working(act)
    while "step" not in kinds(queue, job):
        time.sleep(0.01)
    queue.cancel("a", job.id)  # as from another process: only the database knows
    assert final(queue, job).state == "cancelled" and kinds(queue, job)[-1] == "cancelled"


def test_a_job_may_not_take_forever(queue: Queue, working: Callable[..., tuple[Workers, Script]]) -> None:
    def act(runs: Sequence[Run]) -> None:
        while True:
            runs[0].check()
            time.sleep(0.01)

    working(act, deadline=0.2)
    found = final(queue, put(queue))
    assert found.state == "failed" and found.error is not None and found.error["code"] == "deadline"


def test_a_full_disk_puts_the_job_back_without_counting(queue: Queue, working: Callable[..., tuple[Workers, Script]]) -> None:
    full = threading.Event()

    def act(runs: Sequence[Run]) -> None:
        if not full.is_set():
            raise StorageFull("full")

    workers, script = working(act)
    job = put(queue)
    while not workers.full:
        time.sleep(0.01)
    full.set()
    found = final(queue, job)
    assert found.state == "done" and found.attempts == 1 and len(script.batches) >= 2 and not workers.full


def test_stopping_gives_running_jobs_back(queue: Queue, working: Callable[..., tuple[Workers, Script]]) -> None:
    begun = threading.Event()

    def act(runs: Sequence[Run]) -> None:
        begun.set()
        while True:
            runs[0].check()
            time.sleep(0.01)

    workers, _ = working(act)
    job = put(queue)
    assert begun.wait(5)
    workers.stop(0.1)
    found = queue.get("a", job.id)
    assert (found.state, found.attempts) == ("queued", 0)


def test_leases_of_long_jobs_are_kept(queue: Queue, working: Callable[..., tuple[Workers, Script]]) -> None:
    working(lambda runs: time.sleep(1.2), threads=2)  # three times the lease
    found = final(queue, put(queue))
    assert (found.state, found.attempts) == ("done", 1)
