"""Dense labels: what the world knows of every patch, as an extra lesson for the middle of the draw expert.

A patch belongs to the item drawn last over its centre, or to none. Half-way up, a linear head has to say which concept
it is, in which style, and which part of the item this patch shows. That ties the words of the caption to places long
before the pixels could teach it. The role is that of REPA's alignment (Yu et al. 2024), with exact labels in place of a
teacher; the head is thrown away with the end of training.

Axes: B pictures, T patches, N concepts, Y styles, C model width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.training.named import names
from sayso.world.grounds import NOTHING, STRANGER, Known
from sayso.world.sampler import WorldSpec
from sayso.world.scene import STYLES, Scene

NONE = -1  # the label of a patch that shows no item


@dataclass(frozen=True, eq=False)
class Labels:
    """`concept`, `style` int64 [B, T] (positions in the world's lists, NONE outside items); `part` float32 [B, T, 2].

    `part` is where in the upright, unflipped item the patch's centre lies, −0.5..0.5 along x and y.
    """

    concept: Tensor
    style: Tensor
    part: Tensor

    def to(self, device: torch.device) -> Labels:
        return Labels(self.concept.to(device), self.style.to(device), self.part.to(device))

    def cut(self, part: slice) -> Labels:
        return Labels(self.concept[part], self.style[part], self.part[part])


def label(scenes: Sequence[Scene], world: WorldSpec, rows: int, columns: int) -> Labels:
    """The labels of scenes drawn on rows × columns patches: of the lessons of the eye (training/named.py) what is of items."""
    right = names([replace(scene, lettering=()) for scene in scenes], Known(world.concepts, ""), rows, columns)
    styles = torch.tensor([world.styles.index(style) if style in world.styles else NONE for style in STYLES])
    shown = right.thing != NOTHING
    concept, style = right.thing - STRANGER - 1, styles[right.manner]
    return Labels(torch.where(shown, concept, NONE), torch.where(shown, style, NONE), right.part)


class DenseHead(nn.Module):
    """A linear reading of the draw expert's rows [B, T, C] half-way up."""

    def __init__(self, width: int, world: WorldSpec):
        super().__init__()
        self.sizes = (len(world.concepts), len(world.styles), 2)
        self.out = nn.Linear(width, sum(self.sizes))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, rows: Tensor, labels: Labels) -> Tensor:
        """Cross-entropy of concept and style, and squared errors of part (four times), over patches that show an item."""
        mine = labels.concept != NONE
        if not bool(mine.any()):
            return rows.sum() * 0
        x = rows[mine].float()
        concept, style, part = self.out(F.rms_norm(x, (x.shape[-1],))).split(self.sizes, dim=-1)
        error = (part - labels.part[mine]).square().mean()
        return F.cross_entropy(concept, labels.concept[mine]) + F.cross_entropy(style, labels.style[mine]) + 4 * error
