"""Linear layers with smaller weights: int8 a row, int4 a group of 64, and FP8 on graphics cards that multiply it.

Only the weights are rounded for int8 and int4: a product first spreads them back to the rows' type, which costs little
beside a product over thousands of rows. FP8 rounds the rows too, each by its own scale, and multiplies in FP8.
`weight_of` gives back what a layer multiplies with: the slow twin of every product here.

Axes: O outputs, I inputs, G groups of inputs, R rows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUP = 64
KINDS = ("int8", "int4", "fp8")
BITS = {"int8": 8.0, "int4": 4.5, "fp8": 8.0}  # of a weight, scales included
FP8_MAX = 448.0  # largest e4m3 number


class Int8Linear(nn.Module):
    """Weight [O, I] = int8 · scale [O, 1]."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        scale = weight.float().abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        self.register_buffer("whole", (weight.float() / scale).round().clamp(-127, 127).to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.whole: Tensor
        self.scale: Tensor

    def weight_of(self) -> Tensor:
        return self.whole.float() * self.scale

    def forward(self, x: Tensor) -> Tensor:
        y = F.linear(x, self.whole.to(x.dtype)) * self.scale[:, 0].to(x.dtype)
        return y if self.bias is None else y + self.bias.to(x.dtype)


class Int4Linear(nn.Module):
    """Weight [O, I] = nibble · scale + low, both [O, G]; two nibbles a byte, the even input in the low half."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        O, I = weight.shape
        groups = weight.float().reshape(O, -1, min(GROUP, I))
        low, high = groups.amin(2), groups.amax(2)
        scale = ((high - low) / 15).clamp(min=1e-12)
        nibbles = ((groups - low[..., None]) / scale[..., None]).round().clamp(0, 15).to(torch.uint8).view(O, I)
        self.register_buffer("packed", nibbles[:, ::2] | (nibbles[:, 1::2] << 4))
        self.register_buffer("scale", scale.to(torch.bfloat16))
        self.register_buffer("low", low.to(torch.bfloat16))
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.packed: Tensor
        self.scale: Tensor
        self.low: Tensor

    def weight_of(self, dtype: torch.dtype = torch.float32) -> Tensor:
        O, half = self.packed.shape
        nibbles = torch.stack((self.packed & 15, self.packed >> 4), dim=-1).view(O, self.scale.shape[1], -1)
        return (nibbles.to(dtype) * self.scale[..., None].to(dtype) + self.low[..., None].to(dtype)).view(O, 2 * half)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight_of(x.dtype), None if self.bias is None else self.bias.to(x.dtype))


class Float8Linear(nn.Module):
    """Weight [O, I] = e4m3 · scale [O, 1]; rows [R, I] are rounded to e4m3 by their own scales as they come."""

    def __init__(self, weight: Tensor, bias: Tensor | None):
        super().__init__()
        eighth, scale = _to_fp8(weight)
        self.register_buffer("eighth", eighth)
        self.register_buffer("scale", scale)
        self.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
        self.eighth: Tensor
        self.scale: Tensor

    def weight_of(self) -> Tensor:
        return self.eighth.float() * self.scale

    def forward(self, x: Tensor) -> Tensor:
        rows, scale = _to_fp8(x.flatten(0, -2))
        y = torch._scaled_mm(rows, self.eighth.t(), scale_a=scale, scale_b=self.scale.t().contiguous(), out_dtype=torch.bfloat16)
        y = y.to(x.dtype)
        y = y.view(*x.shape[:-1], -1)
        return y if self.bias is None else y + self.bias.to(x.dtype)


def _to_fp8(x: Tensor) -> tuple[Tensor, Tensor]:
    """[R, I] → e4m3 and the scale of each row [R, 1]."""
    scale = x.float().abs().amax(1, keepdim=True).clamp(min=1e-12) / FP8_MAX
    return (x.float() / scale).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn), scale


LINEARS = {"int8": Int8Linear, "int4": Int4Linear, "fp8": Float8Linear}


def fits(weight: Tensor | torch.Size) -> bool:
    """Whether a weight can be stored so: a matrix whose inputs are a multiple of 16, and of GROUP where there are more."""
    shape = weight if isinstance(weight, torch.Size) else weight.shape
    return len(shape) == 2 and shape[1] % 16 == 0 and (shape[1] <= GROUP or shape[1] % GROUP == 0) and shape[0] % 16 == 0


def swap(model: nn.Module, name: str, kind: str, weight: Tensor) -> None:
    """Puts a smaller layer where the linear layer `name` of the model is; its bias, present or yet to come, is kept."""
    owner, _, leaf = name.rpartition(".")
    module = model.get_submodule(owner)
    old = getattr(module, leaf)
    smaller = LINEARS[kind](weight, None)
    smaller.bias = old.bias
    setattr(module, leaf, smaller)
