"""What the eye says of a picture: what lies behind, and of each patch which thing it shows, drawn how, which part of it, and
where the whole thing lies.

These are the facts that a plan tells the painter of each patch (models/grounding.py), the other way round. Every patch votes for
the thing that it belongs to, as in a Hough forest (Gall and Lempitsky 2009); `engines/finding.py` counts the votes.

Axes: B pictures, T patches, N things, Y manners, S sorts of backgrounds, C model width.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor, nn

from sayso.models.grounding import GroundSpec

PART, PLACE, TINT = 2, 3, 4
HIDDEN = 128


@dataclass(frozen=True, eq=False)
class Named:
    """`things` [B, T, N], `manners` [B, T, Y]: logits. `part` [B, T, 2]: where in the upright, unflipped thing the patch's centre
    lies, −0.5..0.5 along x and y. `place` [B, T, 3]: how far the thing's centre lies to the right of and below the patch's, and the
    thing's side (of a character: its em), in shorter sides of the picture. `tint` [B, T, 4]: the logit of having one; it in −1..1.
    `behind` [B, S]: logits and colours as in world.grounds."""

    things: Tensor
    manners: Tensor
    part: Tensor
    place: Tensor
    tint: Tensor
    behind: Tensor


class Naming(nn.Module):
    def __init__(self, spec: GroundSpec, width: int):
        super().__init__()
        self.sizes = [spec.things, spec.manners, PART, PLACE, TINT]
        self.out = nn.Linear(width, sum(self.sizes))
        self.hidden = nn.Linear(width, HIDDEN)
        self.behind = nn.Linear(HIDDEN, spec.sort)

    def forward(self, rows: Tensor) -> Named:
        """Rows of the eye [B, T, C] → float32."""
        x = F.rms_norm(rows.float(), (rows.shape[-1],))
        behind = _linear(self.behind, F.silu(_linear(self.hidden, x)).mean(1))  # a background is what all patches say together
        things, manners, part, place, tint = _linear(self.out, x).split(self.sizes, dim=-1)
        return Named(things, manners, part, place, tint, behind)


def _linear(layer: nn.Linear, x: Tensor) -> Tensor:
    """In the rows' dtype, whatever the weights are kept in."""
    return F.linear(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype))
