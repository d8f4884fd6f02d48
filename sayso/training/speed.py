"""`sayso bench pocket`: what a picture costs here, warm and from process start, and what a training picture costs.

Every figure is the best of several runs on this machine; run it when the machine is idle.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sayso.engines.pocket import PocketEngine

PROMPT = "a red fox to the left of a blue car, flat style"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: as torch chooses)")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each figure, the best counts (default 7)")
    parser.add_argument("--steps", type=int, default=8, help="guided steps of a picture (default 8)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def best(work: Callable[[], object], rounds: int) -> float:
    """Seconds of the quickest of `rounds` runs, after one to warm up."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _picture(engine: PocketEngine, steps: int, finish: bool) -> None:
    from sayso.types import Ask, Message, Text

    for _ in engine.respond(Ask((Message("user", (Text(PROMPT),)),), steps=steps, finish=finish)):
        pass


def _large(engine: PocketEngine, steps: int) -> None:
    """The same weights on 256 tokens, without the finisher."""
    from sayso.engines.sampling import Sampling, draw

    for _ in draw(
        engine.model, engine.pieces, [PROMPT], [0], 16, 16, engine.canvas.patch, Sampling(steps, 3.0), engine.text_limit, engine.dtype
    ):
        pass


def _from_start(folder: Path, steps: int, nth: int) -> None:
    command = [sys.executable, "-m", "sayso", "draw", PROMPT, "--steps", str(steps), "-o", str(folder / f"{nth}.png"), "--no-show"]
    subprocess.run(command, check=True, capture_output=True)


def drawing(rounds: int, steps: int) -> dict[str, float]:
    """Seconds a picture, warm, at 64 and at 256 tokens."""
    from sayso.engines import pocket

    engine = pocket.load()
    out = {
        f"picture, 64 tokens, {steps} guided steps, finished (s)": best(lambda: _picture(engine, steps, True), rounds),
        f"picture, 64 tokens, {steps} guided steps, not finished (s)": best(lambda: _picture(engine, steps, False), rounds),
        f"patches, 256 tokens, {steps} guided steps (s)": best(lambda: _large(engine, steps), rounds),
    }
    return out


def whole_command(rounds: int, steps: int) -> dict[str, float]:
    """Seconds from process start to file, and the peak memory in MiB. To be called first: a child's peak counts from its parent's size."""
    with tempfile.TemporaryDirectory() as folder:
        count = iter(range(10**6))
        seconds = best(lambda: _from_start(Path(folder), steps, next(count)), min(rounds, 3))
    return {"from process start to file (s)": seconds,
            "peak memory of a draw (MiB)": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def training(rounds: int) -> dict[str, float]:
    """Pictures a second of the generator (scenes, captions, compositing) and of a whole training step at depth 8."""
    import torch

    from sayso.training import corpus, loop
    from sayso.training.config import MIXES, planned
    from sayso.training.stream import compose, draft, world_of
    from sayso.world import atlas as atlases

    config = planned(depth=8, patch=8, core=120, mix="simple", pictures=10**6, stages="64", batch=128, seed=0, aspects=False)
    pieces = corpus.learn(config.vocab, scenes=2000)
    atlas, world = atlases.build(world_of(config), size=64), world_of(config)
    with tempfile.TemporaryDirectory() as folder:
        run = loop.begin(Path(folder), config, pieces, torch.device("cpu"))
        loop.compile_layers(run)
        drafts = draft(0, 0, world, MIXES[config.mix], pieces, 128)
        words = best(lambda: draft(0, 0, world, MIXES[config.mix], pieces, 128), rounds)
        drawn = best(lambda: compose(drafts, atlas, world, 8, 8, 8, 2.0), rounds)
        step = best(lambda: float(loop.train_step(run, drafts, atlas, (8, 8))), rounds)
    return {
        "generator, scenes and captions (pictures/s)": 128 / words,
        "generator, compositing (pictures/s)": 128 / drawn,
        "training step, depth 8 (pictures/s)": 128 / step,
        "training step, depth 8 (TFLOP/s)": loop.flops_per_picture(run) * 128 / step / 1e12,
    }


def run(args: argparse.Namespace) -> int:
    from sayso.errors import BadInput

    for name, low, high in (("rounds", 1, 1000), ("steps", 1, 200), ("threads", 1, 1024)):
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise BadInput(f"--{name} {value} is out of range; choose {low} to {high}")
    if args.threads:
        os.environ["OMP_NUM_THREADS"] = str(args.threads)
    command = whole_command(args.rounds, args.steps)
    import torch

    if args.threads:
        torch.set_num_threads(args.threads)
    figures = {**command, **drawing(args.rounds, args.steps), **training(args.rounds)}
    load = os.getloadavg()[0]
    if args.json:
        print(json.dumps({**figures, "threads": torch.get_num_threads()}))
    else:
        print("| figure | value |\n|---|---|")
        for name, value in figures.items():
            print(f"| {name} | {value:,.0f} |" if value >= 100 else f"| {name} | {value:.3g} |")
        print(f"\n{torch.get_num_threads()} threads, load {load:.1f} at the end", file=sys.stderr)
    return 0
