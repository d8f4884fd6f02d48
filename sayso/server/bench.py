"""`sayso bench server`: pictures a second and waiting times at some numbers of clients, beside the engine alone, and memory."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import queue
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sayso.errors import BadInput, SaysoError

PROMPT = "a red fox to the left of a blue car, flat style"
FIRST = "sayso is at "


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", default="pocket", help="the engine that draws (default: pocket)")
    parser.add_argument("--clients", default="1,8,32", help="numbers of clients, separated by commas (default: 1,8,32)")
    parser.add_argument("--requests", type=int, default=64, help="requests for each number of clients (default: 64)")
    parser.add_argument("--size", default="auto", help="size of the pictures (default: auto)")
    parser.add_argument(
        "--memory-requests", type=int, default=2000, help="requests of test cards over which memory is watched (default: 2000; 0: none)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


@dataclass(frozen=True)
class Load:
    """One number of clients. Times in seconds; `rate` in pictures a second."""

    clients: int
    requests: int
    rate: float
    p50: float
    p95: float


@contextmanager
def server(folder: Path, engine: str) -> Iterator[tuple[int, int]]:
    """A server of its own process, as (port, process id); ended at the end."""
    words = [sys.executable, "-m", "sayso", "serve", "--port", "0", "--data", str(folder), "--engine", engine]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(FIRST):
            raise SaysoError("the server did not start; run sayso serve to see why")
        port = int(line.removeprefix(FIRST).split()[0].rpartition(":")[2])
        for _ in range(600):
            if _answers(port):
                break
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False


def draw(connection: http.client.HTTPConnection, body: dict[str, object]) -> float:
    """Seconds of one request; raises SaysoError when it fails."""
    begun = time.perf_counter()
    connection.request("POST", "/v1/images/generations", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        raise SaysoError(f"the server answered {answer.status}: {data[:300].decode(errors='replace')}")
    return time.perf_counter() - begun


def load(port: int, clients: int, requests: int, body: Callable[[int], dict[str, object]]) -> Load:
    """So many requests by so many clients, each of which sends the next when it has its answer."""
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    for i in range(requests):
        waiting.put(i)
    took: list[float] = []
    failed: list[Exception] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        try:
            while not failed:
                took.append(draw(connection, body(waiting.get_nowait())))
        except queue.Empty:
            pass
        except (OSError, SaysoError, http.client.HTTPException) as error:
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise SaysoError(f"a request failed: {failed[0]}")
    seconds = time.perf_counter() - begun
    ordered = sorted(took)
    return Load(clients, requests, requests / seconds, statistics.median(ordered), ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))])


def alone(engine: str, requests: int, size: tuple[int, int] | None) -> tuple[float, float]:
    """Pictures a second and median seconds of the engine in a loop, without a server."""
    from sayso.engines import registry
    from sayso.types import Ask, Message, Text

    loaded = registry.load(engine)
    width, height = size or (None, None)
    took = []
    for i in range(requests + 1):
        begun = time.perf_counter()
        for _ in loaded.respond(Ask((Message("user", (Text(PROMPT),)),), width=width, height=height, seed=i)):
            pass
        took.append(time.perf_counter() - begun)
    return requests / sum(took[1:]), statistics.median(took[1:])  # the first one warms up


def resident(process: int) -> float:
    """MiB that a process holds; raises SaysoError where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError) as error:
        raise SaysoError("this system does not tell how much memory a process holds; leave it out with --memory-requests 0") from error
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def memory(port: int, process: int, requests: int) -> list[tuple[int, float]]:
    """(requests so far, MiB) at ten points of many small test cards."""
    seen = []
    for done in range(0, requests, max(1, requests // 10)):
        part = min(max(1, requests // 10), requests - done)
        load(port, 4, part, lambda i: {"model": "fake", "prompt": PROMPT, "size": "64x64", "steps": 2})
        seen.append((done + part, round(resident(process), 1)))
    return seen


def _size(text: str) -> tuple[int, int] | None:
    if text == "auto":
        return None
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise BadInput(f'"{text}" is not a size; write auto or WIDTHxHEIGHT')
    return int(width), int(height)


def measure(args: argparse.Namespace) -> dict[str, object]:
    """All figures. Raises BadInput for options that are none."""
    try:
        clients = [int(word) for word in args.clients.split(",")]
    except ValueError as error:
        raise BadInput(f'"{args.clients}" is not a list of numbers; write 1,8,32') from error
    if min(clients) < 1 or args.requests < 1 or args.memory_requests < 0:
        raise BadInput("clients and requests must be at least 1")
    size = _size(args.size)
    rate, median = alone(args.engine, min(args.requests, 32), size)
    told: dict[str, object] = {"engine": args.engine, "alone_rate": round(rate, 3), "alone_p50": round(median, 4)}
    with tempfile.TemporaryDirectory() as folder, server(Path(folder), args.engine) as (port, process):

        def body(i: int) -> dict[str, object]:
            return {"model": args.engine, "prompt": PROMPT, "size": args.size, "seed": i}

        load(port, 1, 2, body)  # the engine is loaded with the first
        loads = [load(port, count, args.requests, body) for count in clients]
        told["loads"] = [{key: round(value, 4) for key, value in asdict(one).items()} for one in loads]
        if loads[0].clients == 1:
            told["overhead_percent"] = round((loads[0].p50 / median - 1) * 100, 1)
            told["gain"] = {one.clients: round(one.rate / loads[0].rate, 2) for one in loads[1:]}
        if args.memory_requests:
            told["memory_mib"] = memory(port, process, args.memory_requests)
    return told


def run(args: argparse.Namespace) -> int:
    """Prints the figures."""
    told = measure(args)
    if args.json:
        print(json.dumps(told))
        return 0
    print(f"{told['engine']} alone: {told['alone_rate']} pictures/s, p50 {told['alone_p50']} s")
    for one in told["loads"]:  # type: ignore[attr-defined]
        print(f"{one['clients']:>4} clients: {one['rate']:.2f} pictures/s, p50 {one['p50']:.3f} s, p95 {one['p95']:.3f} s")
    if "overhead_percent" in told:
        print(f"overhead of the server at one client: {told['overhead_percent']} %; pictures/s against one client: {told['gain']}")
    for count, mib in told.get("memory_mib", ()):  # type: ignore[attr-defined]
        print(f"{count:>6} requests: {mib} MiB")
    return 0
