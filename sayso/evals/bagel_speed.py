"""`sayso bench bagel`: seconds per picture and per step, FLOP/s beside the measured peak, memory; and the slow twins beside them.

Without a checkpoint the weights are random, made on the device: the work is the same. Run it when the machine is idle.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sayso.errors import BadInput, Unknown
from sayso.evals import blocks

if TYPE_CHECKING:
    import numpy as np

    from sayso.engines.bagel.engine import BagelEngine
    from sayso.types import Ask

PROMPT = "a red fox asleep under a street lamp in the rain, seen from across the road"
MODELS = ("tiny", "mid", "7b")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--model", choices=MODELS, default="7b", help="size of the random model: tiny, mid (about 100 M parameters) or 7b; default 7b")
    add("--random-weights", action="store_true", help="random weights made on the device, so that no checkpoint is needed")
    add("--weights", metavar="DIR", type=Path, help="folder of a checkpoint, in place of random weights")
    add("--edit", action="store_true", help="edit a picture of this size rather than draw one")
    add("--size", default="1024x1024", help="pixels, default 1024x1024")
    add("--steps", type=int, default=50, help="passes of the network, default 50")
    add("--device", help="cpu or cuda; default: the best there is")
    add("--option", metavar="NAME=VALUE", dest="options", action="append", default=[], help="as for sayso draw; may be given several times")
    add("--plain", action="store_true", help="also the published schedule, plainly: contexts cached, and nothing cached")
    add("--lossy", action="store_true", help="also with steps foreseen and remembered, and what that changes")
    add("--rounds", type=int, default=3, help="runs of each figure, the best counts; default 3")
    add("--write", action="store_true", help="put the table into docs/speed.md")
    add("--json", action="store_true", help="print JSON instead of a table")


def sorted_options(words: list[str]) -> tuple[dict[str, object], dict[str, object]]:
    """NAME=VALUE words → options for loading, options for the ask. Raises BadInput or Unknown."""
    from sayso.engines.bagel import settings

    loading: dict[str, object] = {}
    asking: dict[str, object] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise BadInput(f'option "{word}" is not of the form NAME=VALUE; write for example quantise=int8')
        if name not in settings.LOAD_OPTIONS and name not in settings.OPTIONS:
            raise Unknown("option of bagel", name, (*settings.LOAD_OPTIONS, *settings.OPTIONS))
        (loading if name in settings.LOAD_OPTIONS else asking)[name] = value
    return loading, asking


def build(args: argparse.Namespace) -> tuple[BagelEngine, dict[str, object]]:
    """The engine, and the options of its asks. Raises as engines do when they load."""
    from dataclasses import replace

    from sayso.engines.bagel import load
    from sayso.engines.bagel.glue import Glue, Resize
    from sayso.models import specs

    loading, asking = sorted_options(args.options)
    if args.weights is not None:
        return load.load(args.device, args.weights, loading), asking
    if not args.random_weights:
        raise BadInput("say --weights DIR for a checkpoint or --random-weights to measure without one")
    spec, coder, glue = specs.BAGEL_7B, specs.FLUX_AUTOENCODER, Glue(tokenizer="bytes", marks=(256, 257), picture_marks=(258, 259))
    if args.model != "7b":
        eyes = specs.VisionSpec(channels=3, patch=14, width=256, hidden=1024, layers=4, heads=4, table_side=70, norm_eps=1e-6,
                                model_table=True)
        width, layers, hidden = (640, 10, 1728) if args.model == "mid" else (64, 3, 96)
        spec = replace(spec, vocab=4096, width=width, layers=layers, heads=width // 64 or 1, kv_heads=2 if args.model == "mid" else 1,
                       head_width=64, hidden=hidden, rope_axes=(32,), vision=eyes)
        coder = replace(coder, channels=32)
        glue = replace(glue, latent=Resize(1024, 64, 16), vision=Resize(980, 56, 14))
    spec = replace(spec, marks=glue.picture_marks)
    return load.random_engine(spec, coder, glue, args.device, loading), asking


def ask_of(args: argparse.Namespace, extra: dict[str, object]) -> Ask:
    import numpy as np

    from sayso.types import Ask, Message, Part, Picture, Text

    width, height = args.size
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 4), dtype=np.uint8)
    noise[..., 3] = 255
    parts: tuple[Part, ...] = (Picture(noise), Text(PROMPT)) if args.edit else (Text(PROMPT),)
    return Ask((Message("user", parts),), width=width, height=height, steps=args.steps, options={"previews": 0, **extra})


def drawn(engine: BagelEngine, ask: Ask) -> np.ndarray:
    """One picture's pixels as floats, through the engine's front door."""
    from sayso.types import Drew

    return next(event.picture.pixels for event in engine.respond(ask) if isinstance(event, Drew)).astype("float64")


def timed(engine: BagelEngine, work: Callable[[], object], rounds: int) -> float:
    """Seconds of the quickest run, after one to warm up."""
    import torch

    def wait() -> None:
        if engine.model.embed.weight.is_cuda:
            torch.cuda.synchronize()

    work()
    best = float("inf")
    for _ in range(rounds):
        wait()
        start = time.perf_counter()
        work()
        wait()
        best = min(best, time.perf_counter() - start)
    return best


def plainly(engine: BagelEngine, ask: Ask, cached: bool) -> object:
    """The same picture by the published schedule, every branch of it."""
    from sayso.engines.bagel import reference
    from sayso.engines.bagel.reading import Reader

    asked = engine._taken(ask)
    reader = Reader(engine.model, engine.coder, engine.words, engine.dtype, None)
    drawing = engine._drawing(reader, asked, 0, 0, None)
    reader.forget()
    noises = engine._noises(asked, engine.draws(ask.seed))
    way = reference.after_cache if cached else reference.uncached
    tokens = reference.denoise(reader, drawing.job, asked.seen, noises, way)
    return engine._picture(drawing, tokens, {})


def figures(args: argparse.Namespace, engine: BagelEngine, extra: dict[str, object]) -> list[dict[str, object]]:
    """Rows of the table: the engine as asked for, then whatever else was asked to stand beside it."""
    import torch

    from sayso.engines import machine
    from sayso.engines.bagel.fit import pass_flops

    device, ask = engine.model.embed.weight.device, ask_of(args, extra)
    peak = machine.multiply_speed(device, engine.dtype, 8192 if device.type == "cuda" else 2048)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    exact = drawn(engine, ask)
    seconds = timed(engine, lambda: drawn(engine, ask), args.rounds)
    one = timed(engine, lambda: drawn(engine, ask_of(argparse.Namespace(**{**vars(args), "steps": 1}), extra)), args.rounds)
    drawn(engine, ask)
    step = (seconds - one) / max(1, args.steps - 1)
    flops = engine.whole_passes * pass_flops(engine.model.spec, args.size[0] * args.size[1] // 256, 64)
    used = torch.cuda.max_memory_allocated() if device.type == "cuda" else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rows: list[dict[str, object]] = [{"way": "sayso " + " ".join(args.options), "seconds": seconds, "step": step,
                                      "passes": engine.whole_passes, "tflops": flops / seconds / 1e12, "of_peak": flops / seconds / peak,
                                      "gib": used / machine.GIB}]
    if args.lossy:
        for reuse in ("taylor", "block:0.1"):
            changed = ask_of(args, {**extra, "reuse": reuse})
            pixels = drawn(engine, changed)
            rms = float(((pixels - exact) ** 2).mean() ** 0.5)
            took = timed(engine, partial(drawn, engine, changed), args.rounds)
            rows.append({"way": f"sayso reuse={reuse} (lossy)", "seconds": took, "passes": engine.whole_passes, "rms": rms})
    if args.plain:
        points = argparse.Namespace(**{**vars(args), "steps": args.steps + 1})  # as released, steps are points of the grid
        released = ask_of(points, {**extra, "as_released": True})
        for cached, way in ((True, "published schedule, contexts cached"), (False, "published schedule, nothing cached")):
            took = timed(engine, partial(plainly, engine, released, cached), max(1, args.rounds // 2))
            rows.append({"way": way, "seconds": took, "ratio": took / seconds})
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Markdown."""
    def cell(row: dict[str, object], name: str, form: str) -> str:
        return format(row[name], form) if name in row else ""

    lines = ["| way | s a picture | s a step | branch passes | TFLOP/s | of peak | GiB | pixels' rms change | × ours |",
             "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        cells = [str(row["way"]).strip(), cell(row, "seconds", ".3g"), cell(row, "step", ".3g"), cell(row, "passes", ".4g"),
                 cell(row, "tflops", ".3g"), cell(row, "of_peak", ".0%"), cell(row, "gib", ".3g"), cell(row, "rms", ".3g"),
                 cell(row, "ratio", ".2f")]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _place(args: argparse.Namespace) -> str:
    return f"{'checkpoint' if args.weights else args.model}-{'edit' if args.edit else 'draw'}-{args.size[0]}x{args.size[1]}-{args.steps}"


def run(args: argparse.Namespace) -> int:
    if not 2 <= args.steps <= 1000 or not 1 <= args.rounds <= 100:
        raise BadInput(f"--steps {args.steps} with --rounds {args.rounds} is out of range; choose 2 to 1000 and 1 to 100")
    found = re.fullmatch(r"(\d{2,4})x(\d{2,4})", args.size)
    if found is None:
        raise BadInput(f'size "{args.size}" is not a size; write WIDTHxHEIGHT in pixels, for example 1024x1024')
    args.size = int(found[1]), int(found[2])
    engine, extra = build(args)
    import torch

    rows = figures(args, engine, extra)
    weight = engine.model.embed.weight
    where = torch.cuda.get_device_name() if weight.is_cuda else f"CPU, {torch.get_num_threads()} threads"
    count = sum(p.numel() for p in engine.model.parameters()) / 1e6
    head = (f"{'A checkpoint' if args.weights else 'Random weights'}, {count:,.0f} M parameters, "
            f"{str(engine.dtype).removeprefix('torch.')}, {where}; "
            f"{'edit' if args.edit else 'draw'} {args.size[0]}x{args.size[1]}, {args.steps} steps.")
    if args.json:
        print(json.dumps({"about": head, "rows": rows}))
    else:
        print(f"{head}\n\n{table(rows)}")
    if args.write:
        blocks.put(Path("docs/speed.md"), f"bagel-{_place(args)}", f"{head}\n\n{table(rows)}")
    print(f"load {os.getloadavg()[0]:.1f} at the end", file=sys.stderr)
    return 0
