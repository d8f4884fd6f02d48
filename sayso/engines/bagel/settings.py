"""The settings of one ask to BAGEL, checked and complete, and the names of the options for loading it. No torch in here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from sayso.errors import BadInput, Unknown

RENORMS = ("global", "channel", "text_channel")
REUSE = ("none", "taylor", "block")
OPTIONS = {
    "picture_guidance": "how closely to keep to the given pictures, 0 to 30 (1 = no guidance)",
    "renorm": "against oversaturation: global, channel or text_channel",
    "renorm_floor": "the least factor of that, 0 to 1 (1 = off)",
    "interval": "flow times LOW-HIGH at which guidance acts, for example 0.4-1",
    "shift": "how much of the steps is spent near noise, 0.1 to 100",
    "reuse": "skip work between steps, lossy: none, taylor, or block with its limit, for example block:0.1",
    "think_pieces": "the longest thought, in pieces, 1 to 8192",
    "answer_pieces": "the longest answer, in pieces, 1 to 8192",
    "temperature": "0 = the likeliest piece always; otherwise 0.01 to 10",
    "previews": "how many unfinished pictures to show on the way, 0 to 8",
    "as_released": "exactly as the published code behaves, quirks included: on or off",
}

LOAD_OPTIONS = {
    "dtype": "type of the numbers: auto, bfloat16 or float32",
    "quantise": "smaller weights: none, int8, int4 or fp8",
    "offload": "layers stay in the host's memory and visit the device in turn: on or off",
    "graph": "steps are recorded once and replayed, on NVIDIA cards: on or off",
    "compile": "layers are compiled on first use: on or off",
}

@dataclass(frozen=True)
class Settings:
    """`steps`: passes of the network. `reuse`: how passes are skipped, with `limit` for "block"."""

    steps: int
    words: float
    pictures: float
    renorm: str
    floor: float
    low: float
    high: float
    shift: float
    reuse: str
    limit: float
    think_pieces: int
    answer_pieces: int
    temperature: float
    previews: int
    released: bool


DRAWING = Settings(steps=50, words=4.0, pictures=1.0, renorm="global", floor=0.0, low=0.4, high=1.0, shift=3.0, reuse="none", limit=0.0,
                   think_pieces=1024, answer_pieces=512, temperature=0.0, previews=3, released=False)
EDITING = replace(DRAWING, pictures=2.0, renorm="text_channel", low=0.0)


def settled(pictures: bool, steps: int | None, guidance: float | None, options: Mapping[str, object]) -> Settings:
    """The defaults for drawing or, with pictures in the conversation, for editing, changed by what was asked for.

    As released, `steps` are points of the time grid, one more than passes, and drawing too has a picture guidance of 1.5.
    Raises Unknown for an option that there is none of, BadInput for a value out of range.
    """
    for name in options:
        if name not in OPTIONS:
            raise Unknown("option of bagel", name, tuple(OPTIONS))
    out = EDITING if pictures else DRAWING
    released = _switch("as_released", options.get("as_released", False))
    if released:
        out = replace(out, released=True, pictures=out.pictures if pictures else 1.5)
    changes: dict[str, object] = {}
    if guidance is not None:
        changes["words"] = _number("guidance", guidance, 0, 30)
    for name, field, low, high in (("picture_guidance", "pictures", 0, 30), ("renorm_floor", "floor", 0, 1), ("shift", "shift", 0.1, 100),
                                   ("temperature", "temperature", 0, 10)):
        if name in options:
            changes[field] = _number(name, options[name], low, high)
    for name, low, high in (("think_pieces", 1, 8192), ("answer_pieces", 1, 8192), ("previews", 0, 8)):
        if name in options:
            changes[name] = _whole(name, options[name], low, high)
    if "renorm" in options:
        changes["renorm"] = _one_of("renorm", options["renorm"], RENORMS)
    if "interval" in options:
        changes["low"], changes["high"] = _interval(options["interval"])
    if "reuse" in options:
        changes["reuse"], changes["limit"] = _reuse(options["reuse"])
    points = _whole("steps", out.steps if steps is None else steps, 2 if released else 1, 1000)
    return replace(out, steps=points - 1 if released else points, **changes)  # type: ignore[arg-type]


def _number(name: str, value: object, low: float, high: float) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not low <= number <= high:
        raise BadInput(f'{name} "{value}" must be a number from {low:g} to {high:g}')
    return number


def _whole(name: str, value: object, low: int, high: int) -> int:
    number = _number(name, value, low, high)
    if number != int(number):
        raise BadInput(f'{name} "{value}" must be a whole number from {low} to {high}')
    return int(number)


def _switch(name: str, value: object) -> bool:
    word = str(value).lower()
    if word not in ("on", "off", "true", "false", "yes", "no", "1", "0"):
        raise BadInput(f'{name} "{value}" must be on or off')
    return word in ("on", "true", "yes", "1")


def _one_of(name: str, value: object, known: tuple[str, ...]) -> str:
    if value not in known:
        raise Unknown(name, str(value), known)
    return str(value)


def _interval(value: object) -> tuple[float, float]:
    found = re.fullmatch(r"\s*([\d.]+)\s*[-,:]\s*([\d.]+)\s*", value) if isinstance(value, str) else None
    pair = found.groups() if found else value if isinstance(value, tuple | list) and len(value) == 2 else None
    if pair is None:
        raise BadInput(f'interval "{value}" must be two times from 0 to 1, for example 0.4-1')
    low, high = (_number("interval", end, 0, 1) for end in pair)
    if low > high:
        raise BadInput(f'interval "{value}" ends before it begins; write the smaller time first')
    return low, high


def _reuse(value: object) -> tuple[str, float]:
    way, _, limit = str(value).partition(":")
    _one_of("reuse", way, REUSE)
    if way != "block":
        if limit:
            raise BadInput(f'reuse "{value}" takes no limit; write {way}')
        return way, 0.0
    return way, _number("reuse=block", limit or 0.1, 0, 10)
