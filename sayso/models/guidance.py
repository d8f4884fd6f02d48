"""Guidance with two references: away from the sequence without its words, and away from the one without its pictures.

With conditional velocity c, without words w and without pictures p (all [..., T, C]), the words' guidance is
a = w + s · (c − w) and the pictures' b = p + r · (a − p); the result may be shrunk to the conditional's length, against
oversaturation (BAGEL's renormalisation; after Ho & Salimans 2022 and Brooks et al. 2023).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import torch
from torch import Tensor

from sayso.models.flow import guide


class Renorm(enum.Enum):
    """Over what the length is taken: the whole picture, each patch, or each patch and before the pictures' guidance."""

    GLOBAL = "global"
    CHANNEL = "channel"
    TEXT_CHANNEL = "text_channel"


@dataclass(frozen=True)
class Guidance:
    """`words`, `pictures`: scales, 1 = none. `floor`: the least factor of the renormalisation, 1 = none at all.

    `released`: as BAGEL's published code has it, where the pictures' guidance is without effect unless the words are guided.
    """

    words: float
    pictures: float
    renorm: Renorm
    floor: float
    released: bool

    def off(self) -> bool:
        return self.words <= 1 and self.pictures <= 1


def shrink(v: Tensor, conditional: Tensor, floor: float, whole: bool) -> Tensor:
    """v scaled towards the length of the conditional, never up and never below the factor `floor`."""
    axes = None if whole else (-1,)
    wanted, found = (torch.linalg.vector_norm(x.float(), dim=axes, keepdim=not whole) for x in (conditional, v))
    return v * (wanted / (found + 1e-8)).clamp(floor, 1.0).to(v.dtype)


def combine(conditional: Tensor, wordless: Tensor | None, pictureless: Tensor | None, how: Guidance) -> Tensor:
    """The velocity to follow, of the shape of `conditional`. A missing reference is one that is not guided away from."""
    words = how.words > 1 and wordless is not None
    pictures = how.pictures > 1 and pictureless is not None and (words or not how.released)
    v = guide(conditional, wordless, how.words) if wordless is not None and words else conditional
    if not words and not pictures:
        return conditional
    if how.renorm is Renorm.TEXT_CHANNEL:
        if words:
            v = shrink(v, conditional, how.floor, whole=False)
        return guide(v, pictureless, how.pictures) if pictures else v  # type: ignore[arg-type]
    if pictures:
        v = guide(v, pictureless, how.pictures)  # type: ignore[arg-type]
    return shrink(v, conditional, how.floor, whole=how.renorm is Renorm.GLOBAL)
