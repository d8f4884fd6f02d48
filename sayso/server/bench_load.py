"""The other end of the line for `sayso bench server`: a server in a process of its own, and clients that ask it for pictures."""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sayso.errors import SaysoError

FIRST = "sayso is at "
START_SECONDS = 120.0
ANSWER_SECONDS = 900.0
GENERATIONS = "/v1/images/generations"
Body = Callable[[int], Mapping[str, object]]


@dataclass(frozen=True)
class Served:
    """A server's port and process."""

    port: int
    process: int

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)

    def memory(self) -> float:
        """MiB that it holds; raises SaysoError where the system does not tell."""
        try:
            return int(Path(f"/proc/{self.process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
        except (OSError, ValueError, IndexError) as error:
            raise SaysoError("this system does not tell how much memory a process holds; leave it out with --memory-requests 0") from error

    def processor(self) -> float | None:
        """Seconds of processor time it has used; None where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ready(self) -> bool:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False


@contextmanager
def server(folder: Path, engine: str) -> Iterator[Served]:
    """A server that keeps everything in `folder`; ended at the end. Raises SaysoError when it does not come up."""
    words = [sys.executable, "-m", "sayso", "serve", "--port", "0", "--data", str(folder / "data"), "--engine", engine]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(FIRST):
            raise SaysoError("the server did not start; run sayso serve to see why")
        served = Served(int(line.removeprefix(FIRST).split()[0].rpartition(":")[2]), process.pid)
        until = time.monotonic() + START_SECONDS
        while not served.ready():
            if time.monotonic() > until or process.poll() is not None:
                raise SaysoError("the server is not ready to draw; run sayso serve to see why")
            time.sleep(0.1)
        yield served
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(connection: http.client.HTTPConnection, body: Mapping[str, object]) -> http.client.HTTPResponse:
    """Sends a request; raises SaysoError when it is refused."""
    connection.request("POST", GENERATIONS, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    if answer.status != 200:
        raise SaysoError(f"the server answered {answer.status}: {answer.read()[:300].decode(errors='replace')}")
    return answer


def together(acts: Sequence[Callable[[], None]]) -> None:
    """Runs each in a thread of its own, to the end of all. Raises SaysoError for the first that failed."""
    failed: list[Exception] = []

    def guarded(act: Callable[[], None]) -> None:
        try:
            act()
        except (OSError, SaysoError, http.client.HTTPException) as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(act,), daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SaysoError(f"a request failed: {failed[0] or type(failed[0]).__name__}")


def load(served: Served, clients: int, requests: int, body: Body) -> tuple[float, list[float]]:
    """So many requests by clients each of which sends the next when it has its answer; (seconds in all, seconds of each)."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for i in range(requests):
        waiting.put(i)
    took: list[float] = []

    def client() -> None:
        connection = served.connect()
        try:
            while True:
                i = waiting.get_nowait()
                begun = time.perf_counter()
                ask(connection, body(i)).read()
                took.append(time.perf_counter() - begun)
        except queue.Empty:
            pass
        finally:
            connection.close()

    begun = time.perf_counter()
    together([client] * clients)
    return time.perf_counter() - begun, took


@dataclass(frozen=True)
class Streams:
    """`open`: streams that were open at one moment; `begun`: median seconds until a stream answered; `health`: seconds of another
    request meanwhile; `seconds`: from then to the last picture; `pictures`: streams that ended with one."""

    open: int
    begun: float
    health: float
    seconds: float
    pictures: int


def streams(served: Served, count: int, body: Body) -> Streams:
    """Opens so many streams behind a job that holds the queue up, lets go of it, and reads all to their ends."""
    slow = served.connect()
    hold = {"model": "fake", "prompt": "hold", "size": "64x64", "steps": 200, "engine_options": {"pause": 0.5}, "stream": True}
    ask(slow, hold).readline()
    lines: list[http.client.HTTPResponse] = []
    connections = [served.connect() for _ in range(count)]
    begun: list[float] = []
    done: list[bool] = []

    def opened(i: int) -> None:
        start = time.perf_counter()
        lines.append(ask(connections[i], {**body(i), "stream": True}))
        begun.append(time.perf_counter() - start)

    def read(answer: http.client.HTTPResponse) -> None:
        done.append(b"event: image_generation.completed" in answer.read())

    try:
        together([lambda i=i: opened(i) for i in range(count)])  # type: ignore[misc]
        start = time.perf_counter()
        served.ready()
        health = time.perf_counter() - start
        slow.close()  # a client that goes stops its job
        start = time.perf_counter()
        together([lambda answer=answer: read(answer) for answer in lines])  # type: ignore[misc]
        return Streams(len(lines), statistics.median(begun), health, time.perf_counter() - start, sum(done))
    finally:
        for connection in (slow, *connections):
            connection.close()
