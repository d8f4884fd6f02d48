"""Puts together what was made side by side: the parts of a model, or scores of different tasks.

    python scripts/join.py weights BEGAN --paint A --think B --see C -o sayso/weights/pocket/model.safetensors

One model from runs that began with the same weights: one that only painted, one of all that is text about plans, and one of glances.
They share no weight (tests/test_mixed.py), so that each can be trained on a core of its own. What is not given stays as it was.

    sayso eval world --tasks single,two --n 200 --out out/a
    sayso eval world --tasks edits --n 100 --out out/b
    python scripts/join.py scores out/a out/b -o out/eval-world
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sayso.engines import checkpoint
from sayso.errors import BadInput, SaysoError
from sayso.evals import world

ALIKE = ("spec", "canvas", "text_limit", "pieces", "concepts", "styles", "characters")


PARTS = ("paint", "think", "see")


def part_of(name: str) -> str:
    """The part of the model that a tensor is of."""
    if name.startswith(("eye.", "naming.")):
        return "see"
    return "think" if ".understand." in name or name.startswith(("embed.", "understand_norm.")) else "paint"


def joined(runs: Sequence[dict[str, Any]], began: dict[str, Any]) -> dict[str, Any]:
    """The facts of all runs. What they had behind them when they parted counts once. Raises BadInput where they cannot go together."""
    for name in ALIKE:
        if any(run.get(name) != runs[0].get(name) for run in runs):
            raise BadInput(f'the runs differ in "{name}"; join runs that began with the same weights and options')
    facts = {k: v for k, v in runs[0].items() if k not in ("sha256", "facts_sha256")}
    for name in ("abilities", "looks"):
        facts[name] = sorted({one for run in (*runs, began) for one in run[name]})
    before = began["history"]
    count = {k: before[k] + sum(run["history"][k] - before[k] for run in runs) for k in ("steps", "pictures", "hours")}
    facts["history"] = {**runs[0]["history"], **count, "hours": round(count["hours"], 2)}
    return facts


def weights(began: Path, parts: dict[str, Path], out: Path) -> None:
    base, facts = checkpoint.load(began)
    loaded = {part: checkpoint.load(path) for part, path in parts.items()}
    made = joined([facts for _, facts in loaded.values()], facts)
    if {"paint", "think"} & set(parts):
        made["captions"] = False  # to draw from words alone both must have learnt it together
    names = {name for tensors, _ in loaded.values() for name in tensors} | set(base)
    tensors = {name: loaded.get(part_of(name), (base, facts))[0].get(name) for name in sorted(names)}
    if missing := [name for name, tensor in tensors.items() if tensor is None]:
        raise BadInput(f"no run has {missing[0]}; join runs of one version")
    sha = checkpoint.save(out, tensors, made)  # type: ignore[arg-type]
    print(f"{out}: {made['history']['pictures']:,} samples, {', '.join(made['abilities'])}; {sha[:12]}")


def scores(folders: list[Path], out: Path) -> None:
    settings = [json.loads((folder / "settings.json").read_text(encoding="utf-8")) for folder in folders]
    if any(one != settings[0] for one in settings):
        raise BadInput("the folders hold scores of different weights or settings; join runs of one kind")
    results = {key: result for folder in folders for key, result in world.kept(folder / "results.jsonl").items()}
    every = world.chosen(None)
    tasks = tuple(task for task in every if any(name == task.name for name, _ in results))
    (out / "pictures").mkdir(parents=True, exist_ok=True)
    for folder in folders:
        shutil.copytree(folder / "pictures", out / "pictures", dirs_exist_ok=True)
    ordered = [results[key] for task in tasks for key in sorted(k for k in results if k[0] == task.name)]
    score = world.summary(ordered, tasks, tuple(task.name for task in every if task not in tasks))
    (out / "settings.json").write_text(json.dumps(settings[0]), encoding="utf-8")
    (out / "results.jsonl").write_text("".join(json.dumps(r.__dict__, ensure_ascii=False) + "\n" for r in ordered), encoding="utf-8")
    (out / "scores.json").write_text(json.dumps(score, indent=1) + "\n", encoding="utf-8")
    world.contact_sheet(ordered, out)
    print(world.table(score))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    model, parts = kinds.add_parser("weights"), kinds.add_parser("scores")
    model.add_argument("began", type=Path)
    for name in PARTS:
        model.add_argument(f"--{name}", type=Path)
    parts.add_argument("folders", type=Path, nargs="+")
    for one in (model, parts):
        one.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    if args.kind == "weights":
        weights(args.began, {part: path for part in PARTS if (path := getattr(args, part)) is not None}, args.out)
    else:
        scores(args.folders, args.out)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SaysoError as error:
        sys.exit(str(error))
