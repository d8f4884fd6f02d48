"""Dense labels: what the world knows of every patch, as an extra lesson for the middle of the draw expert.

A patch belongs to the item drawn last over its centre, or to none. Half-way up, a linear head has to say which concept
it is, in which style, and which part of the item this patch shows. That ties the words of the caption to places long
before the pixels could teach it. The role is that of REPA's alignment (Yu et al. 2024), with exact labels in place of a
teacher; the head is thrown away with the end of training.

Axes: B pictures, T patches, N concepts, Y styles, C model width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.world.layout import frame
from sayso.world.sampler import WorldSpec
from sayso.world.scene import Scene

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
    """The labels of scenes drawn on rows × columns patches. Alpha is not looked at: an item is its turned art box."""
    names = {slug: i for i, slug in enumerate(world.concepts)}
    looks = {style: i for i, style in enumerate(world.styles)}
    shape = (len(scenes), rows * columns)
    concept, style, part = np.full(shape, NONE), np.full(shape, NONE), np.zeros((*shape, 2), np.float32)
    short = min(rows, columns)
    y, x = (axis.ravel() for axis in np.meshgrid((np.arange(rows) + 0.5) / short, (np.arange(columns) + 0.5) / short, indexing="ij"))
    for k in range(max((len(s.items) for s in scenes), default=0)):  # the k-th items of all scenes at once, as they are drawn
        mine = [b for b, s in enumerate(scenes) if len(s.items) > k]
        items = [scenes[b].items[k] for b in mine]
        frames = np.array([frame(scenes[b].width, scenes[b].height) for b in mine])
        table = np.array([(i.x, i.y, i.size, np.deg2rad(i.turn), -1 if i.flip else 1) for i in items])
        table[:, :2] *= frames
        u, v, size, turn, facing = (column[:, None] for column in table.T)
        du, dv = (x - u) / size, (y - v) / size
        du, dv = np.cos(turn) * du + np.sin(turn) * dv, np.cos(turn) * dv - np.sin(turn) * du
        inside = (np.abs(du) < 0.5) & (np.abs(dv) < 0.5)
        place = (np.array(mine)[:, None] + 0 * inside)[inside], np.nonzero(inside)[1]
        concept[place] = (np.array([names[i.concept] for i in items])[:, None] + 0 * inside)[inside]
        style[place] = (np.array([looks[i.style] for i in items])[:, None] + 0 * inside)[inside]
        part[place] = np.stack((facing * du, dv), axis=-1)[inside]
    return Labels(*map(torch.from_numpy, (concept, style, part)))


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
