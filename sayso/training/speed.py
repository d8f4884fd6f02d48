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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sayso.engines.pocket import PocketEngine

PROMPT = "a red fox to the left of a blue car, flat style"
PLAN = "canvas 64x64 solid #ffffff\nfox flat 0 25 50 75 #e02424\ncar flat 50 25 100 75 #2563eb"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--threads", type=int, default=None, help="CPU threads (default: as torch chooses)")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each figure, the best counts (default 7)")
    parser.add_argument("--steps", type=int, default=1, help="steps of a picture (default 1)")
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


def _painted(engine: PocketEngine, side: int, steps: int) -> None:
    """A plan of two things painted on side² patches, without the finisher."""
    from sayso.engines.ground import of_plans
    from sayso.engines.sampling import paint
    from sayso.world import plan

    assert engine.known is not None
    ground = of_plans([plan.read(PLAN)], engine.known, side, side, engine.model.embed.weight.device)
    for _ in paint(engine.model, ground, [0], side, side, engine.canvas.patch, steps, engine.dtype):
        pass


def _from_start(folder: Path, steps: int, nth: int) -> None:
    command = [sys.executable, "-m", "sayso", "draw", PROMPT, "--steps", str(steps), "-o", str(folder / f"{nth}.png"), "--no-show"]
    subprocess.run(command, check=True, capture_output=True)


def drawing(rounds: int, steps: int) -> dict[str, float]:
    """Seconds a picture, warm, at 64 and at 256 tokens."""
    from sayso.engines import pocket

    engine = pocket.load()
    out = {
        f"picture, 64 tokens, steps {steps}, finished (s)": best(lambda: _picture(engine, steps, True), rounds),
        f"picture, 64 tokens, steps {steps}, not finished (s)": best(lambda: _picture(engine, steps, False), rounds),
    }
    if engine.mind is not None:
        mind = engine.mind
        out["of it, writing the plan (s)"] = best(lambda: mind.think([PROMPT], 64, 64, [0]), rounds)
        out[f"of it, painting one sheet of 64 tokens, steps {steps} (s)"] = best(lambda: _painted(engine, 8, steps), rounds)
        out["painting 256 tokens, steps 4 (s)"] = best(lambda: _painted(engine, 16, 4), rounds)
    return out


def whole_command(rounds: int, steps: int) -> dict[str, float]:
    """Seconds from process start to file, and the peak memory in MiB. To be called first: a child's peak counts from its parent's size."""
    with tempfile.TemporaryDirectory() as folder:
        count = iter(range(10**6))
        seconds = best(lambda: _from_start(Path(folder), steps, next(count)), min(rounds, 3))
    return {"from process start to file (s)": seconds,
            "peak memory of a draw (MiB)": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}


def training(rounds: int) -> dict[str, float]:
    """Samples a second of the generator and of a whole training step at depth 8, of all tasks but views and walks."""
    import torch

    from sayso.training import corpus, loop, mixed
    from sayso.training.config import MENUS, planned
    from sayso.training.stream import world_of
    from sayso.world import atlas as atlases

    tasks = tuple(task for task in MENUS["all"] if task[0] not in mixed.SQUARE_ONLY)
    config = planned(depth=8, patch=8, core=120, mix="simple", pictures=10**6, stages="64", batch=128, seed=0, aspects=False)
    config = replace(config, tasks=tasks)
    pieces = corpus.learn(config.vocab, scenes=2000)
    atlas, world = atlases.build(world_of(config), size=64), world_of(config)
    with tempfile.TemporaryDirectory() as folder:
        run = loop.begin(Path(folder), config, pieces, torch.device("cpu"))
        loop.compile_layers(run)

        def made() -> mixed.Mixed:
            return mixed.draft(config, run.stage, 0, world, run.pieces, (8, 8), None)

        drafts = made()
        words = best(made, rounds)
        step = best(lambda: float(loop.train_step(run, drafts, atlas, (8, 8))), rounds)
    return {
        "generator of all tasks (samples/s)": 128 / words,
        "training step, depth 8, all tasks (samples/s)": 128 / step,
        "training step, depth 8, all tasks (TFLOP/s)": loop.flops_per_picture(run) * 128 / step / 1e12,
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
