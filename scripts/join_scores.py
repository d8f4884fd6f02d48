"""One score from several runs of `sayso eval world` over different tasks, which may run side by side.

sayso eval world --tasks single,two --n 200 --out out/a
sayso eval world --tasks edits --n 100 --out out/b
python scripts/join_scores.py out/a out/b -o out/eval-world
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

from sayso.errors import BadInput, SaysoError
from sayso.evals import world


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    settings = [json.loads((folder / "settings.json").read_text(encoding="utf-8")) for folder in args.folders]
    if any(one != settings[0] for one in settings):
        raise BadInput("the folders hold scores of different weights or settings; join runs of one kind")
    results = {key: result for folder in args.folders for key, result in world.kept(folder / "results.jsonl").items()}
    every = world.chosen(None)
    tasks = tuple(task for task in every if any(name == task.name for name, _ in results))
    (args.out / "pictures").mkdir(parents=True, exist_ok=True)
    for folder in args.folders:
        shutil.copytree(folder / "pictures", args.out / "pictures", dirs_exist_ok=True)
    ordered = [results[key] for task in tasks for key in sorted(k for k in results if k[0] == task.name)]
    scores = world.summary(ordered, tasks, tuple(task.name for task in every if task not in tasks))
    (args.out / "settings.json").write_text(json.dumps(settings[0]), encoding="utf-8")
    (args.out / "results.jsonl").write_text("".join(json.dumps(r.__dict__, ensure_ascii=False) + "\n" for r in ordered), encoding="utf-8")
    (args.out / "scores.json").write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    world.contact_sheet(ordered, args.out)
    print(world.table(scores))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SaysoError as error:
        sys.exit(str(error))
