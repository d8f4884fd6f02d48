"""`sayso eval world`: the score of a model in the drawn world, on held-out compositions, with 95 % intervals.

Tasks are drawn from one prompt each (tasks.py); exams are longer talks with the engine (exams.py), and are sat by weights
that say they were trained for them.

Results are kept prompt by prompt in `results.jsonl`, so that a stopped evaluation goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sayso.evals.stats import bootstrap_mean, share_text, wilson

if TYPE_CHECKING:
    import numpy as np

    from sayso.evals.exams import Exam, Room
    from sayso.evals.tasks import Task
    from sayso.types import Engine
    from sayso.world.judge import Judge
    from sayso.world.sampler import WorldSpec
    from sayso.world.scene import Scene

BACKGROUND_LIMIT = 3.0  # CIEDE2000 up to which a background colour counts as exact
SHEET = 12  # pictures of each task on the contact sheet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n", type=int, default=100, help="prompts of each task (default 100)")
    parser.add_argument("--engine", default="pocket", help="engine to score; see sayso engines")
    parser.add_argument("--weights", type=Path, default=None, help="another file of pocket weights")
    parser.add_argument("--out", type=Path, default=Path("out/eval-world"), help="folder for results, pictures of the sheet and the table")
    parser.add_argument("--tasks", default=None, help="comma-separated names of tasks (default: all)")
    parser.add_argument("--steps", type=int, default=None, help="sampling steps (default: the engine's own)")
    parser.add_argument("--guidance", type=float, default=None, help="guidance (default: the engine's own)")
    parser.add_argument("--seed", type=int, default=0, help="which prompts and which noise")
    parser.add_argument("--resume", action="store_true", help="keep the results already in --out and go on")
    parser.add_argument("--json", action="store_true", help="print the scores as JSON instead of a table")


@dataclass(frozen=True)
class Result:
    """One prompt's outcome. `right`: whole prompt right; `share`: share of its facts; `delta`: ΔE of the background."""

    task: str
    index: int
    prompt: str
    right: bool
    share: float
    delta: float | None
    reasons: tuple[str, ...]


def draw_one(engine: Engine, prompt: str, seed: int, args: argparse.Namespace) -> np.ndarray:
    """The picture of one prompt through the engine's public door."""
    from sayso.types import Ask, Drew, Message, Text

    ask = Ask((Message("user", (Text(prompt),)),), seed=seed, steps=args.steps, guidance=args.guidance)
    return next(e.picture.pixels for e in engine.respond(ask) if isinstance(e, Drew))


def score_one(judge: Judge, task: Task, scene: Scene, pixels: np.ndarray) -> tuple[bool, float, float | None, tuple[str, ...]]:
    """(right, share of facts right, ΔE of the background or None, what is wrong)."""
    if task.name == "background":
        from sayso.world.colours import difference

        found = judge.look(pixels).background
        colour = found.colours[0] if found.kind == "solid" else None
        delta = difference(colour, scene.background.colours[0]) if colour else 100.0
        right = delta <= BACKGROUND_LIMIT
        return (
            right,
            float(right),
            delta,
            () if right else (f"the background is {colour or found.kind}, {delta:.1f} from {scene.background.colours[0]}",),
        )
    verdict = judge.check(pixels, scene, task.facts)
    return bool(verdict), verdict.score, None, verdict.reasons


def world_of(concepts: frozenset[str] | None) -> WorldSpec:
    """The world a model is examined in: the concepts it says it knows, in the order of the world."""
    from sayso.world import art
    from sayso.world.sampler import FIRST_LIGHT

    if not concepts:
        return FIRST_LIGHT
    return replace(FIRST_LIGHT, concepts=tuple(c.slug for c in art.concepts() if c.slug in concepts))


def chosen(names: str | None) -> tuple[Task | Exam, ...]:
    """The tasks and exams of a comma-separated list, None = all; raises Unknown."""
    from sayso.errors import Unknown
    from sayso.evals.exams import EXAMS
    from sayso.evals.tasks import TASKS

    known: list[Task | Exam] = [*TASKS, *EXAMS]
    table = {t.name: t for t in known}
    if names is None:
        return tuple(table.values())
    for name in names.split(","):
        if name not in table:
            raise Unknown("task", name, tuple(table))
    return tuple(table[n] for n in names.split(","))


def offered(engine: Engine, tasks: tuple[Task | Exam, ...]) -> tuple[Task | Exam, ...]:
    """Those that the engine's weights were trained for."""
    from sayso.evals.exams import Exam

    return tuple(t for t in tasks if not isinstance(t, Exam) or t.offered(engine))


def kept(path: Path) -> dict[tuple[str, int], Result]:
    """Results written so far; a half-written last line is dropped."""
    out = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            values = json.loads(line)
        except ValueError:
            continue
        result = Result(**{**values, "reasons": tuple(values["reasons"])})
        out[result.task, result.index] = result
    return out


def _same_settings(path: Path, settings: dict[str, object], resume: bool) -> None:
    """Results of different weights or settings are never mixed in one folder. Raises BadInput."""
    from sayso.errors import BadInput

    before = json.loads(path.read_text(encoding="utf-8")) if resume and path.exists() else settings
    if before != settings:
        odd = next(k for k in settings if before.get(k) != settings[k])
        raise BadInput(
            f"the results in {path.parent} are of {odd} {before.get(odd)}, not {settings[odd]}; leave --resume out or choose another --out"
        )
    path.write_text(json.dumps(settings), encoding="utf-8")


def _sit(room: Room, task: Task | Exam, index: int, args: argparse.Namespace) -> tuple[np.ndarray, Result]:
    """One prompt of a task, or one exam: its picture and its outcome."""
    from sayso.evals.exams import Exam, sat
    from sayso.evals.tasks import prompt_of

    if isinstance(task, Exam):
        out = sat(task, room, index)
        return out.pixels, Result(task.name, index, out.prompt, out.right, out.share, None, out.reasons)
    scene, prompt = prompt_of(task, room.world, args.seed, index)
    pixels = draw_one(room.engine, prompt, args.seed + index, args)
    return pixels, Result(task.name, index, prompt, *score_one(room.judge, task, scene, pixels))


def examine(engine: Engine, world: WorldSpec, tasks: tuple[Task | Exam, ...], args: argparse.Namespace) -> Iterator[Result]:
    """Draws and judges every prompt that has no result yet; yields all results in order."""
    from PIL import Image

    from sayso.evals.exams import Room

    room = Room(engine, world, args.seed, args.steps, args.guidance)
    path = args.out / "results.jsonl"
    (args.out / "pictures").mkdir(parents=True, exist_ok=True)
    _same_settings(
        args.out / "settings.json",
        {"engine": engine.name, "weights": getattr(engine, "sha", None), "steps": args.steps, "guidance": args.guidance, "seed": args.seed},
        args.resume,
    )
    done = kept(path) if args.resume else {}
    with path.open("a" if args.resume else "w", encoding="utf-8") as log:
        for task in tasks:
            for index in range(args.n):
                if (task.name, index) in done:
                    yield done[task.name, index]
                    continue
                pixels, result = _sit(room, task, index, args)
                if index < SHEET:
                    Image.fromarray(pixels, "RGBA").save(args.out / "pictures" / f"{task.name.replace(' ', '-')}-{index:03d}.png")
                log.write(json.dumps(result.__dict__, ensure_ascii=False) + "\n")
                log.flush()
                yield result


def summary(results: list[Result], tasks: tuple[Task | Exam, ...], left_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """Scores by task, the mean of GenEval's six as "overall", and its interval by bootstrap over prompts within tasks.

    `left_out`: names of the tasks that the weights were not trained for.
    """
    out: dict[str, Any] = {"tasks": {}}
    for task in tasks:
        mine = [r for r in results if r.task == task.name]
        right = sum(r.right for r in mine)
        low, high = wilson(right, len(mine))
        row = {
            "n": len(mine),
            "right": right,
            "share": right / len(mine),
            "low": low,
            "high": high,
            "facts": sum(r.share for r in mine) / len(mine),
        }
        if any(r.delta is not None for r in mine):
            row["median_delta_e"] = sorted(r.delta for r in mine if r.delta is not None)[len(mine) // 2]
        out["tasks"][task.name] = row
    out["not_trained"] = list(left_out)
    general = [[float(r.right) for r in results if r.task == t.name] for t in tasks if getattr(t, "general", False)]
    if general:
        out["overall"] = sum(sum(g) / len(g) for g in general) / len(general)
        least = min(len(g) for g in general)
        out["overall_low"], out["overall_high"] = bootstrap_mean([sum(g[i] for g in general) / len(general) for i in range(least)])
    return out


def table(scores: dict[str, Any]) -> str:
    """The scores as Markdown."""
    lines = ["| task | right | 95 % interval | facts right |", "|---|---|---|---|"]
    for name, row in scores["tasks"].items():
        note = f", median ΔE {row['median_delta_e']:.1f}" if "median_delta_e" in row else ""
        lines.append(f"| {name} | {row['share']:.2f} of {row['n']}{note} | {row['low']:.2f}–{row['high']:.2f} | {row['facts']:.2f} |")
    lines += [f"| {name} | not trained | | |" for name in scores.get("not_trained", ())]
    if "overall" in scores:
        lines.append(
            f"| **overall** (the six of GenEval) | **{scores['overall']:.2f}** "
            f"| {scores['overall_low']:.2f}–{scores['overall_high']:.2f} | |"
        )
    return "\n".join(lines)


def contact_sheet(results: list[Result], out: Path) -> None:
    """`sheet.webp`: the first pictures of each task with their prompts, right or wrong."""
    import numpy as np
    from PIL import Image

    from sayso.evals.sheet import captioned

    tiles = []
    for r in results:
        picture = out / "pictures" / f"{r.task.replace(' ', '-')}-{r.index:03d}.png"
        if r.index < SHEET // 2 and picture.exists():
            tiles.append((np.asarray(Image.open(picture).convert("RGBA")), r.prompt, r.right))
    if tiles:
        captioned(tiles, SHEET // 2, 160).save(out / "sheet.webp", quality=80)


def run(args: argparse.Namespace) -> int:
    from sayso.engines import registry
    from sayso.errors import BadInput

    if not 1 <= args.n <= 100_000:
        raise BadInput(f"--n {args.n} is out of range; choose 1 to 100000")
    if args.weights is not None:
        os.environ["SAYSO_WEIGHTS"] = str(args.weights)
    wanted = chosen(args.tasks)
    info = registry.info(args.engine)
    engine = info.load(None)
    tasks = offered(engine, wanted)
    world = world_of(info.knows() if info.knows else None)
    results, start = [], time.monotonic()
    for result in examine(engine, world, tasks, args):
        results.append(result)
        if sys.stderr.isatty() or len(results) % 25 == 0:
            left = (time.monotonic() - start) / len(results) * (len(tasks) * args.n - len(results))
            end = "\r" if sys.stderr.isatty() else "\n"
            print(f"{result.task} {result.index + 1}/{args.n}, {left / 60:.1f} min left   ", end=end, file=sys.stderr, flush=True)
    scores = summary(results, tasks, tuple(t.name for t in wanted if t not in tasks))
    (args.out / "scores.json").write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    contact_sheet(results, args.out)
    print(json.dumps(scores) if args.json else table(scores))
    if results:
        print(
            f"{share_text(sum(r.right for r in results), len(results))} of all prompts; sheet: {args.out / 'sheet.webp'}", file=sys.stderr
        )
    return 0
