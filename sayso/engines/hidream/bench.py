"""`sayso bench hidream`: what a step costs, beside diffusers in the same run, as a table that docs/speed.md keeps.

sayso bench hidream --random-weights --against diffusers --write docs/speed.md
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from sayso.errors import BadInput, CannotDo, CannotWrite

BEGIN, END = "<!-- hidream:begin -->", "<!-- hidream:end -->"
ROUNDS = 5
AGAINST = ("diffusers", "plain", "both", "nothing")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument("--random-weights", action="store_true", help="a model of the given size filled with noise")
    weights.add_argument("--weights", metavar="DIR", type=Path, help="a transformer's folder or single file")
    add(
        "--size",
        choices=("tiny", "mid", "full"),
        default="mid",
        help="of random weights; mid has about 150 million parameters, full 17 billion",
    )
    add("--against", choices=AGAINST, default="diffusers", help="what to measure beside ours; plain is our own slow twin")
    add(
        "--dtype",
        choices=("float32", "bfloat16", "both"),
        default="both",
        help="of the weights; our rows are in float32 where bfloat16 is slow. Default: both on a CPU, bfloat16 on a graphics card",
    )
    add("--device", help="cpu or cuda; default: the best there is")
    add("--bits", choices=("fp8", "int8", "int4"), help="of our weights; default: those of --dtype")
    add("--offload", choices=("none", "blocks"), default="none", help="blocks: our blocks' weights stay on the host and visit the device")
    add("--case", metavar="WORDS", help="only cases whose names hold these words")
    add("--rounds", type=int, default=ROUNDS, help=f"the best of so many counts; default {ROUNDS}")
    add("--threads", type=int, help="of the CPU; default: all")
    add(
        "--compile",
        dest="compiled",
        action="store_true",
        help="compile our blocks as well, and record the step as one graph on a graphics card",
    )
    add("--write", metavar="FILE", type=Path, help="put the table between its marks in this file, which is made when it is not there")
    add("--json", action="store_true", help="print one JSON object instead of the table")


def ours(row: dict[str, Any]) -> float:
    """Seconds of our step, the compiled one where it was measured."""
    return float(row["seconds"].get("compiled", row["seconds"]["ours"]))


def ratio(row: dict[str, Any], other: str) -> float:
    return float(row["seconds"][other]) / ours(row)


def request_ratio(row: dict[str, Any], other: str) -> float:
    """For a whole picture, preparation included."""
    return float(row["steps"] * row["seconds"][other] / (row["prepare"] + row["steps"] * ours(row)))


def table(run: dict[str, Any]) -> str:
    """One run as Markdown."""
    own = ["ours", "compiled"] if run["compiled"] else ["ours"]
    others = [name for name in run["rows"][0]["seconds"] if name not in own]
    heads = ["case", "rows", "patches", "padding", "once (s)", *(f"{name} (s)" for name in own), "TFLOP/s"]
    for name in others:
        heads += [f"{name} (s)", "step", "picture", "apart"]
    where = f"{run['device']}, {run['threads']} threads" if run["device"] == "CPU" else run["device"]
    memory = "" if run["memory"] is None else f", peak {run['memory']:.1f} GB"
    size = f"{run['parameters'] / 1e6:,.0f} M parameters, {run['dtype']}"
    head = f"{size}, {where}, prompts of {run['words']} tokens, torch {run['torch']}{memory}:"
    lines = [head, "", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in run["rows"]:
        cells = [row["case"], row["rows"], row["patches"], row["padding"], f"{row['prepare']:.3g}",
                 *(f"{row['seconds'][name]:.4g}" for name in own), f"{row['tflops']:.3g}"]
        for name in others:
            cells += [
                f"{row['seconds'][name]:.4g}",
                f"{ratio(row, name):.2f} ×",
                f"{request_ratio(row, name):.2f} ×",
                f"{row['apart'][name]:.1e}",
            ]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def block(runs: list[dict[str, Any]], command: str) -> str:
    """What stands between the marks."""
    said = (
        "Seconds of one step of HiDream's transformer: the best of several alternating rounds over the same weights and inputs. "
        "`once` is what is computed before the loop, `padding` the zero patches that training had (one token here), `step` and `picture`"
        " how many times faster ours is for a step and for a whole picture, `apart` the relative distance of the results. Made by"
    )
    return f"### HiDream\n\n{said} `{command}`.\n\n" + "\n\n".join(table(run) for run in runs) + "\n"


def written(text: str, new: str) -> str:
    """The file with its block replaced, or added at its end. Raises BadInput when only one of the marks is there."""
    if (text.count(BEGIN), text.count(END)) not in ((0, 0), (1, 1)):
        raise BadInput(f"the file must hold {BEGIN} and {END} once each or not at all; repair it by hand")
    if BEGIN not in text:
        before = text.rstrip() + "\n\n" if text.strip() else "# Speed\n\nMeasured with the commands beside each table.\n\n"
        return f"{before}{BEGIN}\n{new}{END}\n"
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n{new}{END}{rest.split(END)[1]}"


def write(path: Path, runs: list[dict[str, Any]], command: str) -> None:
    """Raises CannotWrite; the file is replaced whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        part.write_text(written(text, block(runs, command)), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise CannotWrite(f'cannot write "{path}" ({error.strerror}); name another file with --write') from error


def run(args: argparse.Namespace) -> int:
    for name, low, high in (("rounds", 1, 1000), ("threads", 1, 1024)):
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise BadInput(f"--{name} {value} is out of range; choose {low} to {high}")
    import torch

    from sayso.engines.hidream import placing, speed

    chosen = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if chosen.startswith("cuda") and not torch.cuda.is_available():
        raise CannotDo(f"there is no GPU for --device {chosen}; use cpu")
    device = torch.device(chosen)
    if device.type == "cuda" and args.dtype == "float32":
        raise CannotDo("the experts' product on graphics cards is for bfloat16; leave --dtype out")
    if args.compiled and device.type == "cpu" and args.dtype != "bfloat16":
        raise CannotDo("the compiler's experts' product is for bfloat16; add --dtype bfloat16")
    if args.threads:
        torch.set_num_threads(args.threads)
    kinds = ["bfloat16"] if device.type == "cuda" else ["float32", "bfloat16"] if args.dtype == "both" else [args.dtype]
    against = {"both": ("diffusers", "plain"), "nothing": ()}.get(args.against, (args.against,))
    if args.bits and "plain" in against:
        raise CannotDo("the slow twin has no weights of few bits; leave --bits out or take --against diffusers")
    if args.offload == "blocks" and args.compiled:
        raise CannotDo("a compiled step needs its weights in one place; leave --compile or --offload out")
    where = placing.Placing(args.bits, args.offload)
    runs = [speed.run(args.size, device, getattr(torch, kind), against, args.compiled, args.rounds, args.case, args.weights, where,
                      lambda words: print(words, file=sys.stderr, flush=True)) for kind in kinds]
    words = [
        f"--size {args.size} --random-weights" if args.weights is None else "--weights DIR",
        f"--against {args.against}",
        *([f"--dtype {args.dtype}"] if args.dtype != "both" else []),
        *(["--compile"] if args.compiled else []),
        *([f"--bits {args.bits}"] if args.bits else []),
        *(["--offload blocks"] if args.offload == "blocks" else []),
        *([f"--rounds {args.rounds}"] if args.rounds != ROUNDS else []),
    ]
    if args.write is not None:
        write(args.write, runs, f"sayso bench hidream {' '.join(words)}")
    print(json.dumps(runs) if args.json else "\n\n".join(table(one) for one in runs))
    if device.type == "cpu":
        print(f"\nload {os.getloadavg()[0]:.1f} at the end", file=sys.stderr)
    return 0
