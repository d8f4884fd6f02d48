"""Puts together what was made side by side: two halves of a model, or scores of different tasks.

    python scripts/join.py weights PAINTER THINKER BEGAN -o sayso/weights/pocket/model.safetensors

One model from two runs that began with the same weights: one that only painted, and one of all that is text about plans. The two
share no weight (tests/test_mixed.py), so that each can be trained on a core of its own.

    sayso eval world --tasks single,two --n 200 --out out/a
    sayso eval world --tasks edits --n 100 --out out/b
    python scripts/join.py scores out/a out/b -o out/eval-world
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from sayso.engines import checkpoint
from sayso.errors import BadInput, SaysoError
from sayso.evals import world

ALIKE = ("spec", "canvas", "text_limit", "pieces", "concepts", "styles", "characters")


def thinks(name: str) -> bool:
    """Whether a tensor is of the half that reads and writes."""
    return ".understand." in name or name.startswith(("embed.", "understand_norm.", "eye."))


def joined(painter: dict[str, Any], thinker: dict[str, Any], began: dict[str, Any]) -> dict[str, Any]:
    """The facts of both. What they had behind them when they parted counts once. Raises BadInput where they cannot go together."""
    for name in ALIKE:
        if painter.get(name) != thinker.get(name):
            raise BadInput(f'the two runs differ in "{name}"; join runs that began with the same weights and options')
    facts = {k: v for k, v in painter.items() if k not in ("sha256", "facts_sha256")}
    facts["abilities"] = sorted({*painter["abilities"], *thinker["abilities"]})
    facts["looks"] = sorted({*painter["looks"], *thinker["looks"]})
    count = {k: painter["history"][k] + thinker["history"][k] - began["history"][k] for k in ("steps", "pictures", "hours")}
    facts["history"] = {**painter["history"], **count, "hours": round(count["hours"], 2)}
    return facts


def weights(painter: Path, thinker: Path, began: Path, out: Path) -> None:
    (paint, a), (think, b), (_, base) = (checkpoint.load(path) for path in (painter, thinker, began))
    facts = joined(a, b, base)
    both = {name: t for name, t in paint.items() if not thinks(name)} | {name: t for name, t in think.items() if thinks(name)}
    if {name: t.shape for name, t in both.items()} != {name: t.shape for name, t in think.items()}:
        raise BadInput("the two runs have different tensors; join runs of one version")
    sha = checkpoint.save(out, both, facts)
    print(f"{out}: {facts['history']['pictures']:,} samples, {', '.join(facts['abilities'])}; {sha[:12]}")


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
    halves, parts = kinds.add_parser("weights"), kinds.add_parser("scores")
    for name in ("painter", "thinker", "began"):
        halves.add_argument(name, type=Path)
    parts.add_argument("folders", type=Path, nargs="+")
    for one in (halves, parts):
        one.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    if args.kind == "weights":
        weights(args.painter, args.thinker, args.began, args.out)
    else:
        scores(args.folders, args.out)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SaysoError as error:
        sys.exit(str(error))
