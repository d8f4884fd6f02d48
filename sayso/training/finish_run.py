"""`sayso train finisher`: trains the upscaler, or measures it beside bicubic."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sayso import paths

if TYPE_CHECKING:
    from torch import Tensor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=paths.WEIGHTS / "pocket" / "finisher.safetensors", help="the weights file")
    parser.add_argument("--start", type=Path, default=None, help="go on from these weights (default: from nothing)")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=8, help="crops a step (default 8)")
    parser.add_argument("--crop", type=int, default=32, help="small pixels along a crop (default 32)")
    parser.add_argument("--rate", type=float, default=0.02, help="the highest learning rate (default 0.02)")
    parser.add_argument("--scenes", type=int, default=2400, help="exact renders to learn from, 1 MB each on disk (default 2400)")
    parser.add_argument("--cache", type=Path, default=None, help="folder for the renders (default: sayso's cache folder)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="processes that render (default 2)")
    parser.add_argument("--compare", action="store_true", help="train nothing: score the weights at --out beside bicubic")
    parser.add_argument("--held-out", type=int, default=40, metavar="N", help="held-out scenes to compare on (default 40)")
    parser.add_argument("--sheet", type=Path, default=None, help="with --compare: a PNG of ten scenes: small, bicubic, finisher, exact")
    parser.add_argument("--spoilt", action="store_true", help="the sheet's small pictures are spoilt as in training")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def _check(args: argparse.Namespace) -> None:
    from sayso.errors import BadInput
    from sayso.models.upscale import POCKET
    from sayso.training.finish import SIDE

    limits = (("steps", 1, 10**7), ("batch", 1, 4096), ("crop", 8, SIDE // POCKET.factor), ("scenes", 1, 10**6), ("workers", 1, 256),
              ("held_out", 1, 10000))
    for name, low, high in limits:
        if not low <= getattr(args, name) <= high:
            raise BadInput(f"--{name.replace('_', '-')} {getattr(args, name)} is out of range; choose {low} to {high}")
    if not 0 < args.rate <= 0.1:
        raise BadInput(f"--rate {args.rate} is out of range; choose a number above 0 and at most 0.1")
    if args.sheet is not None and not args.compare:
        raise BadInput("--sheet shows what is compared; give --compare with it")


def _progress(what: str) -> Callable[[int, int, str], None]:
    """A line that rewrites itself on a terminal, and one in twenty seconds elsewhere."""
    began = time.monotonic()
    last = [0.0]

    def tell(done: int, total: int, more: str) -> None:
        now, tty = time.monotonic(), sys.stderr.isatty()
        if now - last[0] < (0.2 if tty else 20) and done < total:
            return
        last[0] = now
        line = f"{what} {done:,}/{total:,}  {more}  {(now - began) / done * (total - done) / 60:.1f} min left"
        print(f"\r{line}\x1b[K" if tty else line, end="\n" if not tty or done == total else "", file=sys.stderr, flush=True)

    return tell


def _show(table: dict[str, dict[str, float]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(table))
        return
    print(f"{'':20} {'PSNR dB':>8} {'sharpness':>10} {'shift /255':>11} {'ripple /255':>12}")
    for name, row in table.items():
        print(f"{name:20} {row['psnr']:8.2f} {row['sharpness']:10.3f} {row['shift']:11.3f} {row['ripple']:12.3f}")


def _compare(args: argparse.Namespace) -> int:
    from sayso.errors import CannotWrite
    from sayso.training.finish import compare, contact_sheet, held_out_scenes, read

    model, _ = read(args.out)
    if args.sheet is not None:
        picture = contact_sheet(model, held_out_scenes(10), 1.0 if args.spoilt else 0.0)
        try:
            picture.save(args.sheet)
        except (OSError, ValueError) as error:
            raise CannotWrite(f"cannot write {args.sheet} ({error}); name a PNG file in a folder that exists") from error
    _show(compare(model, args.held_out), args.json)
    return 0


def run(args: argparse.Namespace) -> int:
    """Trains (or with --compare only measures) and prints the comparison. Raises BadInput, BadWeights, CannotWrite."""
    _check(args)
    if args.compare:
        return _compare(args)
    import torch

    from sayso.models.upscale import POCKET, Upscaler
    from sayso.training.finish import Plan, read, renders, train, write

    plan = Plan(args.steps, args.batch, args.crop, args.rate, args.seed, args.scenes)
    history: list[dict[str, Any]] = []
    if args.start is not None:
        model, facts = read(args.start)
        history = list(facts.get("history", []))
    else:
        model = Upscaler(POCKET)
        model.initialise(torch.Generator().manual_seed(plan.seed))
    drawing = _progress("rendering")
    pictures = renders(args.cache or paths.cache(), plan.seed, plan.scenes, args.workers, lambda done, total: drawing(done, total, ""))
    learning, began = _progress("step"), time.monotonic()

    def keep(weights: dict[str, Tensor], step: int) -> None:
        entry = {**vars(plan), "steps": step, "of": plan.steps, "minutes": round((time.monotonic() - began) / 60, 1)}
        write(args.out, model.spec, weights, [*history, entry])

    train(model, pictures, plan, keep, lambda done, loss, _: learning(done, plan.steps, f"loss {loss:.4f}"))
    print(f"done: {plan.steps:,} steps, weights in {args.out}")
    args.sheet = None
    return _compare(args)
