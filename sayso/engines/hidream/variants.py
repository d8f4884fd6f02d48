"""The released HiDream models as data: defaults, sizes they were made for, and where their files are. No torch here.

Where the releases disagree with themselves, the choice is made here once; docs/decisions/0008-hidream.md says why.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Literal

from sayso.errors import Unknown

SIDE = 1024  # pixels along a square picture that the models were trained on


@dataclass(frozen=True)
class Variant:
    """`guidance` 1 = none. `table`: times of the Full models (schedules.TABLES). `refine`: share of the steps that polish an edit as
    a drawing. `square`: pictures are edited as squares of three quarters of the trained side, else at their own shape.
    `negative`: what a picture should not be when nothing is said about that."""

    name: str
    summary: str
    edits: bool
    repository: str
    steps: int
    guidance: float
    picture_guidance: float
    sampler: Literal["unipc", "renoise"]
    table: Literal["official", "diffusers", "legacy"]
    shift: float
    negative: str
    refine: float
    square: bool


FULL = Variant("hidream-i1-full", "HiDream-I1 Full, 17 B: draws in 50 guided steps", False,
               "HiDream-ai/HiDream-I1-Full", 50, 5.0, 1.0, "unipc", "official", 3.0, "", 0.0, False)
DEV = Variant("hidream-i1-dev", "HiDream-I1 Dev, 17 B: draws in 28 steps", False,
              "HiDream-ai/HiDream-I1-Dev", 28, 1.0, 1.0, "renoise", "official", 6.0, "", 0.0, False)
FAST = Variant("hidream-i1-fast", "HiDream-I1 Fast, 17 B: draws in 16 steps", False,
               "HiDream-ai/HiDream-I1-Fast", 16, 1.0, 1.0, "renoise", "official", 3.0, "", 0.0, False)
E1 = Variant("hidream-e1", "HiDream-E1 Full, 17 B: edits at 768x768 by instruction and description", True,
             "HiDream-ai/HiDream-E1-Full", 28, 5.0, 4.0, "unipc", "diffusers", 3.0, "low resolution, blur", 0.3, True)
E11 = Variant("hidream-e1.1", "HiDream-E1.1, 17 B: edits by instruction, at the picture's own shape", True,
              "HiDream-ai/HiDream-E1-1", 28, 3.0, 1.5, "unipc", "diffusers", 3.0, "low quality, blurry, distorted", 0.3, False)
VARIANTS = {variant.name: variant for variant in (FULL, DEV, FAST, E1, E11)}

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
NEED_LLAMA = (
    f"HiDream reads prompts with Llama 3.1 8B Instruct, which Meta gives out under its own licence: accept it at {LLAMA}, fetch it, "
    "and name its folder with the option llama or SAYSO_LLAMA, or put it into text_encoder_4 and tokenizer_4"
)


def named(name: str) -> Variant:
    """Raises Unknown."""
    if name not in VARIANTS:
        raise Unknown("HiDream model", name, tuple(VARIANTS))
    return VARIANTS[name]


def no_libraries() -> str | None:
    """What has to be installed to run foreign checkpoints, as a clause, or None."""
    absent = [name for name in ("transformers", "diffusers") if importlib.util.find_spec(name) is None]
    return f'it needs {" and ".join(absent)}; install them with: pip install "sayso[big]"' if absent else None
