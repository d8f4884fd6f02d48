"""`sayso engines`: the engines that are installed, what each can do, what keeps one from being used, and what fits here."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sayso.hooks import EngineInfo, Fit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fit", action="store_true", help="how large models can run on this machine, how long it takes, and why")
    parser.add_argument("--options", action="store_true", help="the options of each engine, for --option NAME=VALUE")
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(args: argparse.Namespace) -> int:
    from sayso.engines import registry

    rows = registry.engines().values()
    fits = {row.name: row.fit() for row in rows if row.fit is not None} if args.fit else {}
    if args.json:
        told = [{"name": row.name, "summary": row.summary, "abilities": _abilities(row), "missing": row.missing(),
                 "default": row.name == registry.DEFAULT, "prompt_limit": row.prompt_limit, "options": sorted(row.options),
                 "load_options": dict(row.load_options), "fit": [asdict(fit) for fit in fits.get(row.name, [])]} for row in rows]
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    for row in rows:
        reason = row.missing()
        print(f"{row.name}{' (default)' if row.name == registry.DEFAULT else ''}: {row.summary}")
        print(f"  {f'not usable: {reason}' if reason else 'ready'}; can {', '.join(_abilities(row))}")
        if args.options and (row.options or row.load_options):
            print(f"  options: {', '.join(sorted(row.options)) or 'none'}")
            for name, said in row.load_options.items():
                print(f"  when loading, {name}: {said}")
        for fit in fits.get(row.name, []):
            print(f"  {_told(fit)}")
    return 0


def _told(fit: Fit) -> str:
    way = fit.way or "as it is"
    if not fit.fits:
        return f"{way}: does not fit, {fit.why}"
    took = "" if fit.seconds is None else f", about {_duration(fit.seconds)} a picture"
    return f"{way}: fits{took}; {fit.why}"


def _duration(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 90 else f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"


def _abilities(row: EngineInfo) -> list[str]:
    return sorted(ability.value for ability in row.abilities)
