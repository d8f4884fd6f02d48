"""`sayso bench server`: what the server adds to drawing, what batching gains, and whether its memory stays flat.

What is compared. The direct loop does in one process what `sayso draw` does for each picture: the policy reads the prompt, the
engine draws and finishes, the policy looks at the picture, the sealer marks, encodes and signs it; the file's bytes are its
result. A client of the server gets the same bytes for the same prompt and seed over HTTP. So the server's overhead is HTTP, the
queue, storage with its waits for the disk, and records. The bare engine, without policy and seal, is told beside it.

How. Direct loop and server take turns in short rounds, in an order that is turned round each time; every ratio is one of
neighbours in a round, and the median over the rounds counts, so that a machine that is busy with something else now and then
does not decide. Batching is pictures a second at some number of clients against those of one client of the same server in the
same round. Processor time per picture is told as well, since it depends less on what else runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sayso.errors import BadInput
from sayso.server import bench_load
from sayso.server.bench_load import Served

PROMPT = "a red fox to the left of a blue car, flat style"
POINTS = (0, 200, 500, 1000, 1500, 2000)  # requests after which memory is looked at
TRUST = "SAYSO_TRUST_FOLDER"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--engine", default="pocket", help="the engine that draws (default: pocket)")
    add("--clients", default="1,8,32", help="numbers of clients, separated by commas; 1 is always among them (default: 1,8,32)")
    add("--rounds", type=int, default=5, help="rounds (default: 5)")
    add("--pictures", type=int, default=8, help="pictures of the direct loop and of one client in a round (default: 8)")
    add("--size", default="auto", help="size of the pictures (default: auto)")
    add("--streams", type=int, default=200, help="streams open at once (default: 200; 0: none)")
    add("--memory-requests", type=int, default=2000, help="requests over which memory is watched (default: 2000; 0: none)")
    add("--memory-engine", help="the engine that draws meanwhile (default: the same; fake draws small test cards)")
    add("--write", action="store_true", help="put the table into docs/speed.md")
    add("--json", action="store_true", help="print JSON instead of tables")


class Progress:
    """Where the bench is, and about how long it still takes, on standard error."""

    def __init__(self, total: float):
        self.total, self.done, self.begun = max(total, 1.0), 0.0, time.monotonic()

    def tell(self, what: str, done: float) -> None:
        """`done`: pictures since the last call."""
        self.done += done
        spent = time.monotonic() - self.begun
        left = f", about {spent * (self.total / self.done - 1):.0f} s left" if self.done else ""
        print(f"{what}: {self.done:.0f} of {self.total:.0f} pictures{left}", file=sys.stderr, flush=True)


@contextmanager
def trusted(folder: Path) -> Iterator[None]:
    """Inside, keys and the log of pictures lie in a folder of the bench's own, here and in the server it starts."""
    before = os.environ.get(TRUST)
    os.environ[TRUST] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ[TRUST]
        else:
            os.environ[TRUST] = before


class Direct:
    """The direct loop of the module's docstring."""

    def __init__(self, engine: str, size: tuple[int, int] | None):
        from sayso.engines import registry
        from sayso.studio.door import door

        self.engine, self.door = registry.load(engine), door()
        self.size = size or (None, None)

    def draw(self, seed: int) -> tuple[float, float]:
        """(seconds, seconds of the engine alone)."""
        from sayso.types import Ask, Drew, Message, Record, Text

        begun = time.perf_counter()
        width, height = self.size
        ask = Ask((Message("user", (Text(PROMPT),)),), width=width, height=height, seed=seed)
        self.door.admit(ask, "auto")
        bare = time.perf_counter()
        *_, drawn = (event for event in self.engine.respond(ask) if isinstance(event, Drew))
        bare = time.perf_counter() - bare
        record = Record("created", self.engine.name, str(getattr(self.engine, "sha", "")), seed, PROMPT, {})
        self.door.leave(drawn.picture, ask, record, "png", None, "auto")
        return time.perf_counter() - begun, bare

    def turn(self, pictures: int) -> dict[str, float]:
        """One turn of a round."""
        processor, begun = time.process_time(), time.perf_counter()
        both = [self.draw(seed) for seed in range(pictures)]
        seconds = time.perf_counter() - begun
        return {
            "seconds": statistics.median(one for one, _ in both),
            "bare": statistics.median(bare for _, bare in both),
            "rate": pictures / seconds,
            "processor": (time.process_time() - processor) / pictures,
        }


def turn(served: Served, clients: int, pictures: int, body: bench_load.Body, took: list[float]) -> dict[str, float]:
    """One turn of the server in a round; `took` gathers the seconds of each request."""
    before = served.processor()
    seconds, each = bench_load.load(served, clients, pictures, body)
    after = served.processor()
    took += each
    told = {"seconds": statistics.median(each), "rate": pictures / seconds}
    return told | ({"processor": (after - before) / pictures} if before is not None and after is not None else {})


def rounds(args: argparse.Namespace, served: Served, body: bench_load.Body, say: Progress) -> dict[str, Any]:
    """Ratios and rates of direct loop and server."""
    direct = Direct(args.engine, args.size)
    direct.draw(0)
    bench_load.load(served, 1, 2, body)
    took: dict[int, list[float]] = {count: [] for count in args.clients}
    turns: dict[int, list[dict[str, float]]] = {count: [] for count in (0, *args.clients)}  # 0: the direct loop
    for nth in range(args.rounds):
        order = [0, *args.clients]
        for count in order if nth % 2 == 0 else order[::-1]:
            pictures = args.pictures if count <= 1 else max(args.pictures, 4 * min(count, 16))
            turns[count].append(turn(served, count, pictures, body, took[count]) if count else direct.turn(pictures))
            say.tell(f"round {nth + 1} of {args.rounds}, {f'{count} clients' if count else 'direct loop'}", pictures)

    def ratio(name: str, above: int, below: int, key: str = "") -> float:
        both = zip(turns[above], turns[below], strict=True)
        return statistics.median(a[name] / b[key or name] for a, b in both)

    told: dict[str, Any] = {
        "overhead_percent": 100 * (ratio("seconds", 1, 0) - 1),
        "overhead_of_bare_engine_percent": 100 * (ratio("seconds", 1, 0, "bare") - 1),
        "direct": {name: statistics.median(one[name] for one in turns[0]) for name in turns[0][0]},
        "clients": {},
    }
    if "processor" in turns[1][0]:
        told["overhead_processor_percent"] = 100 * (ratio("processor", 1, 0) - 1)
    for count in args.clients:
        ordered = sorted(took[count])
        told["clients"][count] = {
            "rate": statistics.median(one["rate"] for one in turns[count]),
            "p50": statistics.median(ordered),
            "p95": ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
            "gain_over_one_client": ratio("rate", count, 1),
            "gain_over_direct_loop": ratio("rate", count, 0),
        }
    return told


def memory(served: Served, engine: str, requests: int, body: bench_load.Body, say: Progress) -> list[tuple[int, float]]:
    """(requests so far, MiB) at some points; eight clients ask."""
    small = {"model": "fake", "prompt": PROMPT, "size": "64x64", "steps": 2}

    def asked(i: int) -> dict[str, object]:
        return small if engine == "fake" else {**body(i), "model": engine}

    bench_load.load(served, 8, 16, asked)
    seen = [(0, served.memory())]
    for point in sorted({*(p for p in POINTS if 0 < p < requests), requests}):
        more = point - seen[-1][0]
        bench_load.load(served, 8, more, asked)
        seen.append((point, served.memory()))
        say.tell(f"memory {seen[-1][1]:.0f} MiB", more)
    return seen


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All figures. Raises SaysoError when a request fails."""
    loads = sum(args.pictures if n == 1 else max(args.pictures, 4 * min(n, 16)) for n in args.clients)
    say = Progress(args.rounds * (args.pictures + loads) + args.streams + args.memory_requests)
    size = "auto" if args.size is None else f"{args.size[0]}x{args.size[1]}"
    told: dict[str, Any] = {"engine": args.engine, "size": size, "rounds": args.rounds, "machine": machine()}

    def body(i: int) -> dict[str, object]:
        return {"model": args.engine, "prompt": PROMPT, "size": size, "seed": i}

    with tempfile.TemporaryDirectory() as text, trusted(Path(text) / "trust"), bench_load.server(Path(text), args.engine) as served:
        told |= rounds(args, served, body, say)
        if args.streams:
            told["streams"] = asdict(bench_load.streams(served, args.streams, body))
            say.tell("streams", args.streams)
        if args.memory_requests:
            told["memory_mib"] = memory(served, args.memory_engine or args.engine, args.memory_requests, body, say)
    return told


def machine() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.machine()}, {cores} core{'s' if cores != 1 else ''}, load {os.getloadavg()[0]:.1f} at the start"


def table(told: dict[str, Any]) -> str:
    """The figures as Markdown."""
    direct = told["direct"]
    rows = [
        "| who draws | pictures/s | p50 (s) | p95 (s) | × one client | × direct loop |",
        "|---|---|---|---|---|---|",
        f"| direct loop | {direct['rate']:.2f} | {direct['seconds']:.3f} | | | |",
    ]
    for count, one in told["clients"].items():
        gains = f"{one['gain_over_one_client']:.2f} | {one['gain_over_direct_loop']:.2f}"
        name = f"{count} client{'s' if count != 1 else ''}"
        rows.append(f"| {name} | {one['rate']:.2f} | {one['p50']:.3f} | {one['p95']:.3f} | {gains} |")
    said = (
        f"{told['engine']}, size {told['size']}, {told['rounds']} rounds; {told['machine']}. At one client the server takes "
        f"{told['overhead_percent']:+.1f} % of the direct loop's time (which draws, finishes, judges and seals), "
        f"{told['overhead_of_bare_engine_percent']:+.1f} % of the bare engine's"
    )
    if "overhead_processor_percent" in told:
        said += f", and {told['overhead_processor_percent']:+.1f} % of the direct loop's processor time"
    out = [said + ".", "", *rows]
    if "streams" in told:
        one = told["streams"]
        said = f"{one['open']} streams open at once: each began after {one['begun']:.2f} s (median), another request was answered in "
        said += f"{1000 * one['health']:.0f} ms meanwhile; {one['pictures']} ended with a picture, the last after {one['seconds']:.1f} s."
        out += ["", said]
    if "memory_mib" in told:
        out += ["", "Memory: " + ", ".join(f"{mib:.0f} MiB after {count:,}" for count, mib in told["memory_mib"]) + " requests."]
    return "\n".join(out)


def checked(args: argparse.Namespace) -> argparse.Namespace:
    """The options with numbers for words. Raises BadInput."""
    try:
        counts: Sequence[int] = [int(word) for word in args.clients.split(",")]
    except ValueError as error:
        raise BadInput(f'"{args.clients}" is not a list of numbers; write 1,8,32') from error
    size = None
    if args.size != "auto":
        width, _, height = args.size.partition("x")
        if not (width.isdecimal() and height.isdecimal()):
            raise BadInput(f'"{args.size}" is not a size; write auto or WIDTHxHEIGHT')
        size = int(width), int(height)
    if min(counts) < 1 or args.rounds < 1 or args.pictures < 1:
        raise BadInput("clients, rounds and pictures must be at least 1")
    if not 0 <= args.streams <= 200 or args.memory_requests < 0:
        raise BadInput(f"--streams {args.streams} with --memory-requests {args.memory_requests}: take 0 to 200, and 0 or more")
    return argparse.Namespace(**vars(args) | {"clients": sorted({1, *counts}), "size": size})


def run(args: argparse.Namespace) -> int:
    """Measures, prints, and writes the table when told so."""
    told = measure(checked(args))
    print(json.dumps(told) if args.json else table(told))
    if args.write:
        from sayso.evals import blocks

        blocks.put(Path("docs/speed.md"), "server", table(told))
    return 0
