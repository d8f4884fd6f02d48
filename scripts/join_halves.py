"""One model from two runs that began with the same weights: one that only painted, and one of all that is text about plans.

    python scripts/join_halves.py PAINTER THINKER BEGAN -o sayso/weights/pocket/model.safetensors

The two share no weight (tests/test_mixed.py), so that they can be trained side by side, each on a core of its own.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from sayso.engines import checkpoint
from sayso.errors import BadInput, SaysoError

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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("painter", "thinker", "began"):
        parser.add_argument(name, type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    args = parser.parse_args()
    (paint, a), (think, b), (_, base) = (checkpoint.load(path) for path in (args.painter, args.thinker, args.began))
    facts = joined(a, b, base)
    both = {name: t for name, t in paint.items() if not thinks(name)} | {name: t for name, t in think.items() if thinks(name)}
    if {name: t.shape for name, t in both.items()} != {name: t.shape for name, t in think.items()}:
        raise BadInput("the two runs have different tensors; join runs of one version")
    sha = checkpoint.save(args.out, both, facts)
    print(f"{args.out}: {facts['history']['pictures']:,} samples, {', '.join(facts['abilities'])}; {sha[:12]}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SaysoError as error:
        sys.exit(str(error))
