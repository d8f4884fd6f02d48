"""Grounds to rows: what a plan says of each patch, added to the patch before the first layer of the draw expert.

Axes: B pictures, T patches, K things a patch is told of, F measures of a thing, G of what lies behind, I parts of a patch, C model
width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class GroundSpec:
    """`things`: rows of the table of things, `poses`: rows after them for solids in their poses; `manners`: rows of styles and fonts;
    `measures` F; `behind` G, of which the first `sort` say what kind of background it is; `ink` I."""

    things: int
    poses: int
    manners: int
    measures: int
    behind: int
    sort: int
    ink: int


@dataclass(frozen=True, eq=False)
class Ground:
    """`what`, `manner` int64 [B, T, K] (0 in `what`: nothing), `measures` float32 [B, T, K, F], `behind` float32 [B, T, G],
    `ink` float32 [B, T, I] in 0..1."""

    what: Tensor
    manner: Tensor
    measures: Tensor
    behind: Tensor
    ink: Tensor

    def to(self, device: torch.device) -> Ground:
        return Ground(*(x.to(device) for x in (self.what, self.manner, self.measures, self.behind, self.ink)))

    def pick(self, rows: Tensor) -> Ground:
        """Those of these pictures, in that order."""
        return Ground(*(x[rows] for x in (self.what, self.manner, self.measures, self.behind, self.ink)))


class Grounding(nn.Module):
    """Each thing goes through one hidden layer of its own before they are summed, so that name and part can meet."""

    def __init__(self, spec: GroundSpec, width: int):
        super().__init__()
        self.things = nn.Embedding(spec.things, 2 * width)
        self.poses = nn.Embedding(spec.poses, 2 * width)
        self.manners = nn.Embedding(spec.manners, 2 * width)
        self.measures = nn.Linear(spec.measures, 2 * width)
        self.thing_out = nn.Linear(2 * width, width, bias=False)
        self.behind = nn.Linear(spec.behind, width)
        self.behind_out = nn.Linear(width, width, bias=False)
        self.ink = nn.Linear(spec.ink, width, bias=False)

    def forward(self, ground: Ground, dtype: torch.dtype) -> Tensor:
        """Rows [B, T, C]."""
        tables = (self.things.weight, self.poses.weight, self.manners.weight, self.measures.weight, self.measures.bias)
        things, poses, manners, weight, bias = (x.to(dtype) for x in tables)
        named = F.embedding(ground.what, torch.cat((things, poses))) + F.embedding(ground.manner, manners)  # [B, T, K, 2 C]
        hidden = F.silu(named + F.linear(ground.measures.to(dtype), weight, bias))
        hidden = (hidden * (ground.what > 0)[..., None]).sum(2)  # the product below is linear, so it may come after the sum
        back = F.silu(F.linear(ground.behind.to(dtype), self.behind.weight.to(dtype), self.behind.bias.to(dtype)))
        ink = F.linear(ground.ink.to(dtype), self.ink.weight.to(dtype))
        return F.linear(hidden, self.thing_out.weight.to(dtype)) + F.linear(back, self.behind_out.weight.to(dtype)) + ink
