"""Kills a server again and again while it draws, and looks at what is left: `python -m tests.kill_loop --help`.

Jobs are accepted first; then processes that draw them are started and killed with SIGKILL at random moments; the last one
is left alone until everything is done. Whatever happened, each job has one result, whole and right.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sayso.engines.fake import card
from sayso.storage.blobs import digest
from sayso.studio.requests import drawing
from sayso.studio.service import LOCAL, build
from sayso.studio.settings import load
from sayso.studio.tools.encode import decode
from sayso.types import Ask, Message, Text

WORKER = """
import signal, sys, threading
from sayso.hooks import hookimpl
from sayso.studio.door import PlainPolicy, PlainSealer
from sayso.studio.service import build
from sayso.studio.settings import load

class Plain:
    @hookimpl
    def sayso_policy(self): return PlainPolicy()
    @hookimpl
    def sayso_sealer(self): return PlainSealer()

studio = build(load(), Plain())
studio.start()
print("ready", flush=True)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
stop.wait()
studio.stop(2)
"""


@dataclass
class Outcome:
    """`seen`: what went wrong, in words; empty when all is well."""

    jobs: int
    kills: int
    attempts: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    fullness: int = 0
    seen: list[str] = field(default_factory=list)


def _environ(folder: Path) -> dict[str, str]:
    more = {"DATA": str(folder), "ENGINE": "fake", "ENGINES": "fake", "WORKERS": "2", "LEASE_SECONDS": "2", "ATTEMPTS": "50", "FREE_MB": "0",
            "BATCH": "3", "LOG_LEVEL": "error", "TRUST_FOLDER": str(folder / "trust"), "PORT": "0"}
    return {**os.environ, **{f"SAYSO_{name}": value for name, value in more.items()}}


def _prompt(i: int) -> str:
    return f"picture number {i}"


def submit(folder: Path, jobs: int, pause: float) -> list[str]:
    """Accepts all jobs and goes away."""
    studio = build(load(environ={}, data=str(folder), engine="fake", engines=("fake",), workers=0, queue_limit=jobs + 1, queue_per_key=jobs + 1,
                       free_mb=0))
    studio.start()
    made = [studio.submit(LOCAL, drawing(_prompt(i), seed=i, previews=i % 2, size=(128, 128), options={"pause": pause}),
                          idempotency_key=f"k{i}", request_hash="x").job for i in range(jobs)]
    studio.stop()
    return made


def _states(folder: Path) -> Counter[str]:
    with sqlite3.connect(f"file:{folder / 'sayso.sqlite'}?mode=ro", uri=True, timeout=30) as connection:
        return Counter({str(state): n for state, n in connection.execute("SELECT state, count(*) FROM jobs GROUP BY state")})


def _waiting(folder: Path) -> int:
    states = _states(folder)
    return states["queued"] + states["running"]


def _wait_for_work(folder: Path) -> None:
    """Until a job is begun or ended; a crashed one's job runs by name until its lease is over."""
    def now() -> tuple[int, ...]:
        with sqlite3.connect(f"file:{folder / 'sayso.sqlite'}?mode=ro", uri=True, timeout=30) as connection:
            return tuple(connection.execute("SELECT sum(attempts), sum(seq) FROM jobs").fetchone())

    before, end = now(), time.monotonic() + 20
    while now() == before and time.monotonic() < end:
        time.sleep(0.02)


def _start(folder: Path, served: bool) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "sayso", "serve"] if served else [sys.executable, "-c", WORKER]
    return subprocess.Popen(words, env=_environ(folder), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _fill(folder: Path) -> Path:
    """Takes all the room there is on the disk of `folder`."""
    filler = folder / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    return filler


def run(folder: Path, jobs: int, kills: int, *, served: bool = False, fill: bool = False, seed: int = 0, pause: float = 0.01,
        longest: float = 600.0) -> Outcome:
    """See the module's docstring. `served`: kill `sayso serve` instead of bare workers. `fill`: fill the disk in the middle."""
    rng, begun = random.Random(seed), time.monotonic()
    made, out = submit(folder, jobs, pause), Outcome(jobs, kills)
    for kill in range(kills):
        running = _start(folder, served)
        assert running.stdout is not None
        running.stdout.readline()
        if fill and kill == kills // 2:
            out.fullness = _through_a_full_disk(folder)
        if rng.random() < 0.8:  # else it is killed while it starts
            _wait_for_work(folder)
        time.sleep(rng.uniform(0.0, 0.7))
        running.send_signal(signal.SIGKILL)
        running.communicate()
        if not _waiting(folder):
            out.seen.append(f"all was done after {kill + 1} kills; make the jobs longer")
            break
    running = _start(folder, served)
    try:
        while _waiting(folder) and time.monotonic() - begun < longest:
            time.sleep(0.2)
    finally:
        running.send_signal(signal.SIGTERM)
        running.communicate(timeout=30)
    _look(folder, made, out)
    out.seconds = time.monotonic() - begun
    return out


def _through_a_full_disk(folder: Path) -> int:
    """Jobs that came to an end while there was no room: none may, and none may fail."""
    filler = _fill(folder)
    time.sleep(0.5)
    before = _states(folder)
    time.sleep(2.0)
    after = _states(folder)
    filler.unlink()
    return after["done"] - before["done"] + 1000 * after["failed"]


def _look(folder: Path, made: list[str], out: Outcome) -> None:
    studio = build(load(environ={}, data=str(folder), engine="fake", engines=("fake",), workers=0))
    studio.start()  # the first in the folder: it sweeps
    try:
        for i, name in enumerate(made):
            job, log = studio.job(LOCAL, name), studio.log(LOCAL, name)
            out.attempts[job.attempts] += 1
            kinds = Counter(event.kind for event in log)
            if job.state != "done" or kinds["done"] != 1 or kinds["picture"] != 1 or [e.seq for e in log] != list(range(1, len(log) + 1)):
                out.seen.append(f"job {i} is {job.state} with {dict(kinds)}")
                continue
            data, _ = studio.data(LOCAL, job.pictures[0])
            wanted = card(Ask((Message("user", (Text(_prompt(i)),)),), width=128, height=128, seed=i), _prompt(i), i).pixels
            apart = np.abs(decode(data).pixels[..., :3].astype(int) - wanted[..., :3].astype(int)).mean()
            if apart > 8 or digest(data) != studio.picture(LOCAL, job.pictures[0]).blob:  # a watermark changes pixels a little
                out.seen.append(f"picture {i} is not what was asked for ({apart:.1f})")
        pictures = studio.search(LOCAL, limit=1000).rows
        if len({p.job for p in pictures}) != len(pictures) or len(pictures) != len(made):
            out.seen.append(f"{len(pictures)} pictures of {len({p.job for p in pictures})} jobs")
    finally:
        studio.stop()
    with sqlite3.connect(folder / "sayso.sqlite") as connection:
        held = {row[0] for row in connection.execute("SELECT blob FROM uses")}
        if (sound := connection.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            out.seen.append(f"the database is damaged: {sound}")
    lying = {p.name for p in (folder / "pictures").rglob("*") if p.is_file()}
    if lying != held:
        out.seen.append(f"{len(lying - held)} orphans and {len(held - lying)} missing files")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--serve", action="store_true", help="kill `sayso serve`, with policy and seal, instead of bare workers")
    parser.add_argument("--full", type=Path, help="a folder on a small disk of its own, which is filled in the middle")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pause", type=float, default=0.02, help="seconds of each of a job's four steps")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="sayso-kill-", dir=args.full))
    try:
        out = run(folder, args.jobs, args.kills, served=args.serve, fill=args.full is not None, seed=args.seed, pause=args.pause)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{out.jobs} jobs, {out.kills} kills, {out.seconds:.0f} s, attempts {dict(sorted(out.attempts.items()))}, "
          f"ended while the disk was full: {out.fullness}; wrong: {out.seen or 'nothing'}")
    return 1 if out.seen else 0


if __name__ == "__main__":
    sys.exit(main())
