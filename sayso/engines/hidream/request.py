"""An ask as HiDream understands it: everything is checked here, before any work. No torch.

Options beyond the common ones, by name in `Ask.options` (values may be text, as a command line gives them):

    negative          what should not be in the picture; needs guidance above 1
    exact             draw at the very size asked for instead of at about one megapixel of that shape
    sigmas            official, diffusers or legacy: whose table of times the Full models step through
    as_released       true: end as the released code does (Dev and Fast then keep a trace of the last noise)
    loras             LoRA files for this request: FILE or FILE:STRENGTH, several with commas or as a list
    picture_guidance  how closely an edit keeps to the source
    clip              false: plain three-way guidance in an edit
    refine            share of the steps, at the end, that polish an edit as a drawing
    target            what the edited picture shows, for that polish
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sayso.engines.hidream import sizes
from sayso.engines.hidream.schedules import TABLES
from sayso.engines.hidream.variants import Variant
from sayso.errors import BadInput, CannotDo, Unknown
from sayso.types import Ask, Picture, Text

STEPS = 200
GUIDANCE = 30.0
SEEDS = 2**63


@dataclass(frozen=True)
class Request:
    """`drawn`: the size worked at, `size`: the size wanted back. `source`: the picture that is edited."""

    prompt: str
    negative: str
    drawn: tuple[int, int]
    size: tuple[int, int]
    steps: int
    guidance: float
    count: int
    seed: int
    sigmas: str
    as_released: bool
    loras: tuple[tuple[Path, float], ...]
    source: Picture | None
    picture_guidance: float
    clip: bool
    refine: float
    target: str | None

    @property
    def switch(self) -> int:
        """The step from which on an edit is polished."""
        return int(self.steps * (1.0 - self.refine))


def _flag(name: str, value: Any) -> bool:
    words = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
    if isinstance(value, bool):
        return value
    if str(value).lower() not in words:
        raise BadInput(f'the option {name} is "{value}"; write true or false')
    return words[str(value).lower()]


def _number(low: float, high: float) -> Callable[[str, Any], float]:
    def read(name: str, value: Any) -> float:
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if isinstance(value, bool) or not low <= number <= high:
            raise BadInput(f'the option {name} is "{value}"; it must be a number from {low:g} to {high:g}')
        return number

    return read


def _words(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadInput(f"the option {name} is {value!r}; it must be text")
    return value.strip()


def _table(name: str, value: Any) -> str:
    if value not in TABLES:
        raise Unknown(name, str(value), tuple(TABLES))
    return str(value)


def read_loras(name: str, value: Any) -> tuple[tuple[Path, float], ...]:
    parts = [part for part in value.split(",") if part.strip()] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        raise BadInput(f"the option {name} is {value!r}; write FILE or FILE:STRENGTH, several with commas")
    out = []
    for part in parts:
        file, strength = (part, 1.0) if isinstance(part, (str, Path)) else part
        head, colon, tail = str(file).strip().rpartition(":")
        if isinstance(part, str) and colon and not Path(part).exists():
            file, strength = head, _number(-4, 4)(f"{name} strength", tail)
        path = Path(str(file).strip())
        if path.suffix != ".safetensors" or not path.is_file():
            raise BadInput(f'there is no LoRA "{path}"; name a .safetensors file that exists')
        out.append((path.resolve(), float(strength)))
    return tuple(out)


READERS: dict[str, Callable[[str, Any], Any]] = {
    "negative": _words, "exact": _flag, "sigmas": _table, "as_released": _flag, "loras": read_loras,
    "picture_guidance": _number(0, GUIDANCE), "clip": _flag, "refine": _number(0, 1), "target": _words,
}
EDITS_ONLY = ("picture_guidance", "clip", "refine", "target")


def known(variant: Variant) -> list[str]:
    """Names of the options that a model has."""
    without = {*(("exact",) if variant.edits else EDITS_ONLY), *(("sigmas",) if variant.sampler == "renoise" else ())}
    return [name for name in READERS if name not in without]


def read_options(given: Mapping[str, object], variant: Variant) -> dict[str, Any]:
    """The options by name, read. Raises BadInput, or Unknown with the nearest name."""
    for name in given:
        if name not in known(variant):
            raise Unknown(f'option of the engine "{variant.name}"', name, known(variant))
    return {name: READERS[name](name, value) for name, value in given.items()}


def _parts(ask: Ask, variant: Variant) -> tuple[str, Picture | None]:
    """Prompt and source. Raises CannotDo for what this engine lacks, BadInput when something is missing."""
    name = f'the engine "{variant.name}"'
    if ask.want == "text":
        raise CannotDo(f"{name} makes pictures and does not answer in text; ask for a picture")
    if ask.think:
        raise CannotDo(f"{name} does not think before it draws; leave think off")
    if ask.mask is not None:
        raise CannotDo(f"{name} cannot keep to a mask; leave it out")
    if ask.background is not None:
        raise CannotDo(f"{name} has no setting for the background; say it in the prompt")
    if ask.style is not None:
        raise CannotDo(f"{name} has no list of styles; say the style in the prompt")
    users = [message for message in ask.messages if message.role == "user"]
    pictures = [part for message in ask.messages for part in message.parts if isinstance(part, Picture)]
    if pictures and not variant.edits:
        raise CannotDo(f"{name} draws from words alone; leave the picture out or edit it with hidream-e1.1")
    if variant.edits and len(pictures) != 1:
        raise CannotDo(f"{name} edits exactly one picture and was given {len(pictures)}; name one")
    if len(users) > 1:
        raise CannotDo(f"{name} reads one prompt; say all of it in one message")
    prompt = " ".join(part.text for message in users for part in message.parts if isinstance(part, Text)).strip()
    if not prompt:
        raise BadInput("the prompt is empty; say what to " + ("change" if variant.edits else "draw"))
    return prompt, pictures[0] if pictures else None


def _in_range(ask: Ask) -> None:
    for name, value, low, high in (("steps", ask.steps, 1, STEPS), ("guidance", ask.guidance, 0, GUIDANCE), ("count", ask.count, 1, 10_000),
                                   ("seed", ask.seed, 0, SEEDS - 1)):
        if value is not None and not low <= value <= high:
            raise BadInput(f"{name} is {value}; it must be from {low:g} to {high:g}")


def _sizes(ask: Ask, source: Picture | None, variant: Variant, exact: bool, side: int, max_tokens: int
           ) -> tuple[tuple[int, int], tuple[int, int]]:
    """The size worked at and the size wanted back."""
    if source is not None:
        own = source.width, source.height
        sizes.check(*own)
        size = ask.width or ask.height or own[0], ask.height or ask.width or own[1]
        if (ask.width or ask.height) and abs(size[0] * own[1] / (size[1] * own[0]) - 1) > 0.03:
            raise BadInput(f"size {size[0]}x{size[1]} has another shape than the picture, {own[0]}x{own[1]}; leave the size out")
        square = side * 3 // 4
        return ((square, square) if variant.square else sizes.edited(*own, side**2)), size
    size = ask.width or ask.height or side, ask.height or ask.width or side
    sizes.check(*size)
    return (sizes.exact(*size, max_tokens) if exact else sizes.drawn(*size, side**2)), size


def read(ask: Ask, variant: Variant, side: int, max_tokens: int) -> Request:
    """Raises CannotDo or BadInput; `side`: pixels along a square picture of the model."""
    prompt, source = _parts(ask, variant)
    _in_range(ask)
    options = read_options(ask.options, variant)
    guidance = variant.guidance if ask.guidance is None else float(ask.guidance)
    if options.get("negative") and guidance <= 1:
        raise BadInput(f"negative words act only with guidance above 1, and it is {guidance:g} here; raise --guidance or leave them out")
    drawn, size = _sizes(ask, source, variant, options.get("exact", False), side, max_tokens)
    steps = ask.steps or variant.steps
    as_released = options.get("as_released", False)
    if variant.sampler == "renoise" and as_released and steps < 2:
        raise BadInput("as_released leaves the last step out and needs at least 2 steps; raise --steps")
    return Request(
        prompt, options.get("negative", variant.negative), drawn, size, steps, guidance, ask.count, ask.seed,
        options.get("sigmas", variant.table), as_released, options.get("loras", ()), source,
        options.get("picture_guidance", variant.picture_guidance), options.get("clip", True), options.get("refine", variant.refine),
        options.get("target"),
    )
