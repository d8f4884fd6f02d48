"""A vision transformer in the manner of SigLIP (Zhai et al. 2023) with NaViT patches of any aspect (Dehghani et al. 2023).

Its rows, put through a connector, join the sequence as understand rows.

Axes: B batch, T patches, C vision width, M model width.
"""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from sayso.models.specs import VisionSpec


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


class Eye(nn.Module):
    """A small picture → rows of the model, one for each of its patches, through convolutions of stride 2.

    Patches cut by a grid look different for every place of a thing; a few early convolutions learn to read from far fewer pictures
    (Xiao et al., "Early Convolutions Help Transformers See Better", 2021).
    """

    def __init__(self, channels: int, patch: int, width: int):
        super().__init__()
        halvings = patch.bit_length() - 1
        assert patch == 1 << halvings, f"patches of {patch} pixels; an eye halves, so their side is a power of two"
        widths = [channels, *(max(8, width >> k) for k in range(halvings - 1, -1, -1))]
        self.convolutions = nn.ModuleList(Convolution(a, b, 4, stride=2, padding=1) for a, b in itertools.pairwise(widths))

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, channels, H, W] in −1..1, sides multiples of the patch → [B, T, M] in the dtype of the pixels."""
        x = pixels
        for k, layer in enumerate(self.convolutions):
            x = layer(F.silu(x) if k else x)
        return x.flatten(2).transpose(1, 2)


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
