"""`sayso distil`: weights that draw in few steps and without a guidance branch, from weights that need many.

Those are weights that draw from captions alone (`sayso train --tasks draw`). Weights that paint plans are refused, whatever else they
were trained for: a plan says all that guidance would have to press out of a caption, so that they take one step as they are.
"""

from __future__ import annotations

import argparse
import csv
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from sayso.models.unified import UnifiedModel
    from sayso.training.distil import DistilConfig
    from sayso.training.stream import Batch

FIELDS = ("step", "seconds", "path", "adversarial", "heads")
NAME = "model.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, required=True, help="the teacher: a model of `sayso train --tasks draw`")
    parser.add_argument("--out", type=Path, default=Path("runs/made/distilled"), help="folder for the student and its log")
    parser.add_argument("--guidance", type=float, default=5.0, help="guidance that goes into the weights (default 5)")
    parser.add_argument(
        "--grid", type=int, choices=(1, 2, 4, 8, 16), default=4, help="steps that the student draws in by default (default 4)"
    )
    parser.add_argument("--steps", type=int, default=6000, help="updates on the teacher's path (default 6000)")
    parser.add_argument("--polish", type=int, default=2000, help="adversarial updates after that, 0 = none (default 2000)")
    parser.add_argument("--batch", type=int, default=None, help="pictures an update (default: 64 on a CPU, 512 on a GPU)")
    parser.add_argument("--rate", type=float, default=1e-4, help="learning rate of the path; the polish takes a tenth (default 1e-4)")
    parser.add_argument("--mix", choices=("world", "simple"), default="world", help="kinds of scenes, as in sayso train")
    parser.add_argument("--device", choices=("cpu", "cuda"), default=None, help="where to train (default: cuda when there is one)")
    parser.add_argument("--seed", type=int, default=0, help="of scenes and noise")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so long and keep what there is")


def _check(args: argparse.Namespace) -> None:
    from sayso.errors import BadInput

    limits = (
        ("guidance", 1, 30),
        ("steps", 1, 10**7),
        ("polish", 0, 10**7),
        ("batch", 8, 65536),
        ("rate", 1e-8, 1),
        ("minutes", 0, 10**6),
        ("seed", 0, 2**31),
    )
    for name, low, high in limits:
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise BadInput(f"--{name} {value} is out of range; choose {low} to {high}")
    if (args.out / NAME).exists():
        raise BadInput(f"{args.out} already holds a student; choose another --out")


@dataclass
class Lesson:
    """What one update works with."""

    student: UnifiedModel
    teacher: UnifiedModel
    batches: Iterator[list[Batch]]
    empty: torch.Tensor
    config: DistilConfig
    dtype: torch.dtype


def batches_of(world: Any, mix: Any, pieces: Any, atlas: Any, patch: int, side: int, config: DistilConfig) -> Iterator[list[Batch]]:
    """Endless steps of square pictures in their text buckets; a function of the seed."""
    from dataclasses import replace

    from sayso.training.stream import compose, draft

    design = replace(world, aspects=(((64, 64), 1.0),), snap=side if mix.snap else 0)
    step = 0
    while True:
        drafts = draft(config.seed, step, design, mix, pieces, config.batch)
        yield [b for b in compose(drafts, atlas, design, patch, side, side, 2.0) if len(b.ids)]
        step += 1


def follow(lesson: Lesson, stop: Callable[[], bool], tell: Callable[[int, dict[str, float]], None]) -> tuple[dict[str, torch.Tensor], int]:
    """The path, then the polish. Gives the running mean of the student's weights and the updates that were made."""
    import torch

    from sayso.models.unified import UnifiedModel
    from sayso.training.distil import step_loss
    from sayso.training.optim import Mean
    from sayso.training.polish import ADVERSARIAL, HEADS_FASTER, Heads, polish_losses

    config, student = lesson.config, lesson.student
    device = lesson.empty.device
    mean = Mean(student)
    average = UnifiedModel(student.spec, strides=True).to(device).requires_grad_(False)
    heads = Heads(student.spec.width, student.spec.layers).to(device)
    adam = torch.optim.AdamW(student.parameters(), lr=config.rate, betas=(0.9, 0.95), weight_decay=0.0)
    judges = torch.optim.AdamW(heads.parameters(), lr=config.rate, betas=(0.5, 0.95), weight_decay=0.0)
    average.load_state_dict(mean.state(), strict=True, assign=True)  # it is the running mean: its tensors are updated in place
    done = 0
    for step in range(config.steps + config.polish):
        if stop():
            break
        polishing = step >= config.steps
        generator = torch.Generator(device).manual_seed(config.seed * 1_000_003 + step)
        rate = config.rate * min(1.0, (step + 1) / config.warmup) * (0.1 if polishing else 1.0)
        adam.param_groups[0]["lr"], judges.param_groups[0]["lr"] = rate, rate * HEADS_FASTER
        told = {"path": 0.0, "adversarial": 0.0, "heads": 0.0}
        for batch in next(lesson.batches):
            share = len(batch.ids) / config.batch
            path = step_loss(student, average, lesson.teacher, batch, lesson.empty, config, generator, lesson.dtype)
            (path * share).backward()
            told["path"] += float(path.detach()) * share
            if polishing:
                from sayso.training.distil import read

                words = read(student, lesson.teacher, batch, lesson.empty, lesson.dtype)
                passing, judged = polish_losses(student, lesson.teacher, heads, words, batch, config, generator, lesson.dtype)
                (ADVERSARIAL * share * passing).backward(inputs=list(student.parameters()))
                (share * judged).backward(inputs=list(heads.parameters()))
                told["adversarial"] += float(passing.detach()) * share
                told["heads"] += float(judged.detach()) * share
        adam.step()
        adam.zero_grad(set_to_none=True)
        if polishing:
            judges.step()
            judges.zero_grad(set_to_none=True)
        done += 1
        mean.update(student, done)
        if not all(map(math.isfinite, told.values())):
            from sayso.errors import SaysoError

            raise SaysoError(f"the loss is no number at update {step}; begin again with a smaller --rate")
        tell(step, told)
    return mean.state(), done


def _lesson(args: argparse.Namespace, device: torch.device) -> tuple[Lesson, dict[str, Any]]:
    """Teacher and student in memory, and the teacher's facts."""
    from dataclasses import replace

    import torch

    from sayso.engines import pocket
    from sayso.engines.header import facts
    from sayso.errors import BadInput, CannotDo
    from sayso.training.config import MIXES
    from sayso.training.distil import DistilConfig, student_of
    from sayso.world import atlas as atlases
    from sayso.world.sampler import FIRST_LIGHT

    found = facts(args.weights)
    if found.get("strides"):
        raise BadInput(f"{args.weights} is a student already; give the weights that it was made from")
    if found.get("characters"):
        raise CannotDo(f"{args.weights} paints plans, in few steps and unguided as it is; give weights of sayso train --tasks draw")
    gpu = device.type == "cuda"
    engine = pocket.load(str(device), args.weights)
    dtype = torch.bfloat16 if gpu or engine.dtype == torch.bfloat16 else torch.float32
    teacher = engine.model.float() if not gpu else engine.model
    config = DistilConfig(args.guidance, args.steps, args.polish, args.batch or (512 if gpu else 64), args.rate, args.seed, args.grid)
    world = replace(
        FIRST_LIGHT, concepts=tuple(found["concepts"]), styles=tuple(found["styles"]), kinds=MIXES[args.mix].kinds or FIRST_LIGHT.kinds
    )
    side = round(engine.canvas.tokens**0.5)
    atlas = atlases.build(world, size=64 if engine.canvas.side <= 64 else 128).to(device)
    batches = batches_of(world, MIXES[args.mix], engine.pieces, atlas, engine.canvas.patch, side, config)
    empty = torch.tensor(engine.pieces.encode(""), device=device)
    student = student_of(teacher).to(device)
    return Lesson(student, teacher.requires_grad_(False), batches, empty, config, dtype), found


def run(args: argparse.Namespace) -> int:
    _check(args)
    import torch

    from sayso.engines import checkpoint
    from sayso.errors import CannotDo, CannotWrite

    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        raise CannotDo("there is no GPU for --device cuda; use --device cpu")
    lesson, found = _lesson(args, device)
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot write to {args.out} ({error.strerror}); choose another --out") from error
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda n, _: asked.append(n))
    start = time.monotonic()
    deadline = None if args.minutes is None else start + 60 * args.minutes

    def stop() -> bool:
        return bool(asked) or (deadline is not None and time.monotonic() > deadline)

    with (args.out / "log.csv").open("w", newline="") as file:
        log = csv.DictWriter(file, FIELDS)
        log.writeheader()

        def tell(step: int, losses: dict[str, float]) -> None:
            if step % 20 == 0:
                log.writerow({"step": step, "seconds": round(time.monotonic() - start, 1), **{k: round(v, 5) for k, v in losses.items()}})
                file.flush()
                print(f"update {step}: " + ", ".join(f"{k} {v:.4f}" for k, v in losses.items()), file=sys.stderr)

        weights, done = follow(lesson, stop, tell)
    history = {
        **found.get("history", {}),
        "distilled_updates": done,
        "distilled_from": found["sha256"],
        "distilled_guidance": args.guidance,
    }
    kept = {k: v for k, v in found.items() if k not in ("sha256", "facts_sha256")}
    facts = {**kept, "history": history, "strides": True, "sampling": {"steps": args.grid, "guidance": 1.0}}
    checkpoint.save(args.out / NAME, {k: v.to(torch.bfloat16) for k, v in weights.items()}, facts)
    print(f"{done} updates; weights for {args.grid} steps without guidance in {args.out / NAME}")
    return 0
