"""`sayso engines`: the engines that are installed, what each can do, and what keeps one from being used."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sayso.hooks import EngineInfo


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(args: argparse.Namespace) -> int:
    from sayso.engines import registry

    rows = registry.engines().values()
    if args.json:
        told = [{"name": row.name, "summary": row.summary, "abilities": _abilities(row), "missing": row.missing(),
                 "default": row.name == registry.DEFAULT, "prompt_limit": row.prompt_limit} for row in rows]
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return 0
    for row in rows:
        reason = row.missing()
        print(f"{row.name}{' (default)' if row.name == registry.DEFAULT else ''}: {row.summary}")
        print(f"  {f'not usable: {reason}' if reason else 'ready'}; can {', '.join(_abilities(row))}")
    return 0


def _abilities(row: EngineInfo) -> list[str]:
    return sorted(ability.value for ability in row.abilities)
