"""`sayso pull`: the weights of a published model, fetched once, whole and with their hashes checked."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("name", metavar="NAME", nargs="?", help="which model; without one, the list of them")
    add("--to", metavar="DIR", type=Path, help="folder to put it in; default: where engines look for it")
    add("--verify", action="store_true", help="fetch nothing, read what was fetched and check every hash")
    add("--json", action="store_true", help="print one JSON object")


class Report:
    """One line a file, and on a terminal how far it is; elsewhere a line now and then."""

    def __init__(self) -> None:
        self.last = 0.0

    def __call__(self, name: str, there: int, whole: int) -> None:
        now = time.monotonic()
        if there < whole and now - self.last < (0.2 if sys.stderr.isatty() else 10):
            return
        self.last = now
        end = "\n" if there >= whole or not sys.stderr.isatty() else "\r"
        sys.stderr.write(f"{name}: {there / 1e6:,.0f} of {whole / 1e6:,.0f} MB{end}")
        sys.stderr.flush()


def run(args: argparse.Namespace) -> int:
    """Fetches or checks; prints the folder. Raises Unknown, SaysoError, BadWeights or CannotWrite."""
    from sayso.engines import checkpoints, fetch
    from sayso.errors import BadInput

    if args.name is None:
        if args.verify or args.to is not None:
            raise BadInput("--verify and --to want the name of a model; see sayso pull")
        rows = [{"name": row.name, "summary": row.summary, "gigabytes": row.gigabytes, "licence": row.licence,
                 "here": checkpoints.missing(row.name) is None} for row in checkpoints.TABLE.values()]
        print(json.dumps(rows, ensure_ascii=False, indent=2) if args.json else "\n".join(
            f"{row['name']}: {row['summary']}; about {row['gigabytes']:g} GB, licence {row['licence']}{'; is here' if row['here'] else ''}"
            for row in rows))
        return 0
    row = checkpoints.published(args.name)
    folder = args.to or checkpoints.home(row.name)
    if args.verify:
        count = fetch.verify(folder, Report())
    else:
        print(f"{row.name}: about {row.gigabytes:g} GB, licence {row.licence}", file=sys.stderr)
        count = len(fetch.pull(fetch.HuggingFace(), row, folder, Report()))
    print(json.dumps({"folder": str(folder), "files": count}) if args.json else folder)
    return 0
