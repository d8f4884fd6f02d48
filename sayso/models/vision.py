"""A vision transformer in the manner of SigLIP (Zhai et al. 2023) with NaViT patches of any aspect (Dehghani et al. 2023).

Its rows, put through a connector, join the sequence as understand rows.

Axes: B batch, T patches, C vision width, M model width.
"""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.models.specs import VisionSpec

BLOCKS = 2  # residual blocks of the eye at each size


def cut(x: Tensor, patch: int) -> Tensor:
    """[B, channels, H, W] → [B, T, patch · patch · channels], channel fastest inside a patch."""
    B, channels, H, W = x.shape
    x = x.view(B, channels, H // patch, patch, W // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(B, -1, patch * patch * channels)


class VisionLayer(nn.Module):
    def __init__(self, spec: VisionSpec):
        super().__init__()
        self.heads = spec.heads
        self.norm1 = nn.LayerNorm(spec.width, spec.norm_eps)
        self.qkv = nn.ModuleList(nn.Linear(spec.width, spec.width) for _ in range(3))
        self.out = nn.Linear(spec.width, spec.width)
        self.norm2 = nn.LayerNorm(spec.width, spec.norm_eps)
        self.fc1 = nn.Linear(spec.width, spec.hidden)
        self.fc2 = nn.Linear(spec.hidden, spec.width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        q, k, v = (project(y).unflatten(-1, (self.heads, -1)).transpose(1, 2) for project in self.qkv)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x)), approximate="tanh"))


class Convolution(nn.Conv2d):
    """Master weights keep their dtype; the convolution runs in the dtype of the picture."""

    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        return F.conv2d(x, self.weight.to(x.dtype), bias, self.stride, self.padding)


class Residual(nn.Module):
    """Two 3 × 3 convolutions beside a straight way through, normalised before (He et al. 2016, "Identity Mappings")."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.first = Convolution(width, width, 3, padding=1)
        self.second = Convolution(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        y = F.group_norm(x, 1, self.norm.weight.to(x.dtype), self.norm.bias.to(x.dtype))
        return x + self.second(F.silu(self.first(F.silu(y))))


class Eye(nn.Module):
    """A small picture → rows of the model, one for each of its patches, through a residual network of convolutions.

    What a thing is does not depend on where it lies, which convolutions know from the start and patches cut by a grid must learn
    for every place; so names come from far fewer pictures (Xiao et al., "Early Convolutions Help Transformers See Better", 2021).
    """

    def __init__(self, channels: int, patch: int, width: int):
        super().__init__()
        halvings = patch.bit_length() - 1
        assert patch == 1 << halvings, f"patches of {patch} pixels; an eye halves, so their side is a power of two"
        widths = [channels, *(max(8, (3 * width // 4) >> k) for k in range(halvings - 1, -1, -1))]
        self.shrink = nn.ModuleList(Convolution(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(widths))
        self.blocks = nn.ModuleList(nn.Sequential(*(Residual(w) for _ in range(BLOCKS))) for w in widths[1:])
        self.out = Convolution(widths[-1], width, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, channels, H, W] in −1..1, sides multiples of the patch → [B, T, M] in the dtype of the pixels."""
        x = pixels.contiguous(memory_format=torch.channels_last)
        for shrink, blocks in zip(self.shrink, self.blocks, strict=True):
            x = blocks(shrink(x))
        return self.out(x).flatten(2).transpose(1, 2)


class VisionTower(nn.Module):
    """Patches and their places in a learned table_side × table_side grid → rows of the unified model."""

    def __init__(self, spec: VisionSpec, model_width: int):
        super().__init__()
        self.spec = spec
        self.patch_in = nn.Linear(spec.patch * spec.patch * spec.channels, spec.width)
        self.positions = nn.Embedding(spec.table_side**2, spec.width)
        self.layers = nn.ModuleList(VisionLayer(spec) for _ in range(spec.layers))
        self.norm = nn.LayerNorm(spec.width, spec.norm_eps)
        self.fc1 = nn.Linear(spec.width, model_width)
        self.fc2 = nn.Linear(model_width, model_width)
        self.model_positions = nn.Embedding(spec.table_side**2, model_width) if spec.model_table else None

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, channels, H, W] in −1..1, sides multiples of the patch and at most table_side patches → [B, T, M]."""
        rows, columns = pixels.shape[2] // self.spec.patch, pixels.shape[3] // self.spec.patch
        assert rows <= self.spec.table_side and columns <= self.spec.table_side, (rows, columns)
        x = self.patch_in(cut(pixels, self.spec.patch)) + self._places(self.positions, rows, columns)
        for layer in self.layers:
            x = layer(x)
        x = self.fc2(F.gelu(self.fc1(self.norm(x)), approximate="tanh"))
        return x if self.model_positions is None else x + self._places(self.model_positions, rows, columns)

    def _places(self, table: nn.Embedding, rows: int, columns: int) -> Tensor:
        """The table's top left corner [T, ·]: places are not stretched to the table's size."""
        return table.weight.view(self.spec.table_side, self.spec.table_side, -1)[:rows, :columns].flatten(0, 1)
