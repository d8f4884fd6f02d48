"""Options that only some engines have, on every command that uses an engine: --weights, --option, --as-released."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sayso.errors import BadInput, BadWeights, CannotDo, Unknown

if TYPE_CHECKING:
    from sayso.hooks import EngineInfo
    from sayso.types import Ability, Engine


def take(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--weights", metavar="DIR", type=Path, help="folder of the engine's weights; default: where sayso pull puts them")
    add("--option", metavar="NAME=VALUE", dest="options", action="append", default=[],
        help="one of the engine's own options, see sayso engines --options; may be given several times")
    add("--as-released", action="store_true", help="exactly as the model's published code behaves, quirks included")


@dataclass(frozen=True)
class Tuning:
    """What was said of an engine: for loading it, and for the ask."""

    weights: Path | None = None
    load: dict[str, str] = field(default_factory=dict)
    ask: dict[str, object] = field(default_factory=dict)


def read(args: argparse.Namespace, info: EngineInfo) -> Tuning:
    """Sorts the options by what the engine knows. Raises BadInput, Unknown, or CannotDo for an engine without any."""
    out = Tuning(args.weights)
    known = (*sorted(info.options), *info.load_options)
    for text in [*args.options, *(["as_released=on"] if args.as_released else [])]:
        name, equals, value = text.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name or not value.strip():
            raise BadInput(f'option "{text}" is not of the form NAME=VALUE; write for example --option {(known or ("shift",))[0]}=…')
        if name in out.load or name in out.ask and not (name == "as_released" and args.as_released):
            raise BadInput(f'option "{name}" is given twice; give it once')
        if name in info.load_options:
            out.load[name] = value.strip()
        elif name in info.options:
            out.ask[name] = value.strip()
        elif known:
            raise Unknown(f'option of the engine "{info.name}"', name, known)
        else:
            raise CannotDo(f'the engine "{info.name}" has no options of its own; leave --option and --as-released out')
    if info.tune is None and (out.weights is not None or out.load):
        raise CannotDo(f'the engine "{info.name}" does not take --weights or load options; leave them out')
    return out


def load(info: EngineInfo, device: str | None, tuning: Tuning) -> Engine:
    if info.tune is None:
        return info.load(device)
    return info.tune(device, tuning.weights, tuning.load)


def check_ready(info: EngineInfo, tuning: Tuning, verb: str) -> None:
    """Raises BadWeights when the engine's weights are neither in their place nor named."""
    if tuning.weights is None and (reason := info.missing()):
        raise BadWeights(f'the engine "{info.name}" cannot {verb} here: {reason}; see sayso engines for another')


def check_able(info: EngineInfo, wanted: Ability, verb: str) -> None:
    """Raises CannotDo, naming engines that have the ability."""
    from sayso.engines import registry

    if wanted not in info.abilities:
        others = [row.name for row in registry.engines().values() if wanted in row.abilities]
        advice = f"choose --engine {' or '.join(others)}" if others else "see sayso engines"
        raise CannotDo(f'the engine "{info.name}" does not {verb}; {advice}')
