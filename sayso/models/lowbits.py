"""Weights in fewer bits: int8 a row, int4 a group of inputs, and FP8 that is multiplied as it is where the device can.

Only the weights are rounded for int8 and int4: a product first spreads them back to the rows' type, which costs little beside a
product over thousands of rows. FP8 rounds the rows too, each by its own scale; where a device has no such product, the weight is
spread instead. What is small or delicate keeps its type: the caller names what to convert. `LowBits.dense` is what a layer
multiplies with: the slow twin of every product here.

Axes: E experts, O outputs, I inputs, G groups of inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Kind = Literal["int8", "int4", "fp8"]
KINDS: tuple[Kind, ...] = ("int8", "int4", "fp8")
GROUP = 64  # inputs that share a scale and an offset in int4
BITS = {"int8": 8.0, "int4": 4.5, "fp8": 8.0}  # of a weight, scales included
FP8_MAX = 448.0  # largest e4m3 number


def multiplies_fp8(device: torch.device, experts: bool = False) -> bool:
    """Whether the device has products of row-scaled FP8: compute capability 8.9 and above, for stacks of experts 9.0 alone."""
    if device.type != "cuda":
        return False
    capability = torch.cuda.get_device_capability(device)
    return capability == (9, 0) if experts else capability >= (8, 9)


def _rows(x: Tensor, most: float) -> Tensor:
    """Scales […, 1] that bring every row of the last dimension to at most `most`."""
    return x.float().abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / most


def to_fp8(x: Tensor) -> tuple[Tensor, Tensor]:
    """[…, I] → e4m3 and the scale of each row […, 1]."""
    scale = _rows(x, FP8_MAX)
    return (x.float() / scale).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn), scale


class LowBits(nn.Module):
    """A weight […, O, I] in few bits, and the two products that models need of it.

    int8, fp8: data · scale […, O, 1]. int4: nibble · scale + low, both […, O, G]; two nibbles a byte, the even input in the low half.
    With an expert dimension it stands in for a layer that is called with (x, ends), without for `nn.Linear`.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, kind: Kind):
        super().__init__()
        self.kind, w = kind, weight.detach()
        low = None
        if kind == "fp8":
            data, scale = to_fp8(w)
        elif kind == "int8":
            scale = _rows(w, 127)
            data = (w.float() / scale).round().clamp(-127, 127).to(torch.int8)
        else:
            groups = w.float().unflatten(-1, (-1, min(GROUP, w.shape[-1])))
            least, most = groups.aminmax(dim=-1)
            steps = ((most - least) / 15).clamp(min=1e-12)
            nibbles = ((groups - least[..., None]) / steps[..., None]).round().clamp(0, 15).to(torch.uint8).flatten(-2)
            data, scale, low = nibbles[..., ::2] | nibbles[..., 1::2] << 4, steps.to(torch.bfloat16), least.to(torch.bfloat16)
        self.register_buffer("data", data)
        self.register_buffer("scale", scale)
        self.register_buffer("low", low)
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        self.data: Tensor
        self.scale: Tensor
        self.low: Tensor

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The weight […, O, I] as it is multiplied with."""
        if self.kind != "int4":
            return self.data.to(dtype) * self.scale.to(dtype)
        nibbles = torch.stack((self.data & 15, self.data >> 4), dim=-1).flatten(-2).to(dtype)
        groups = nibbles.unflatten(-1, (self.scale.shape[-1], -1))
        return (groups * self.scale[..., None].to(dtype) + self.low[..., None].to(dtype)).flatten(-2)

    def forward(self, x: Tensor, ends: Tensor | None = None) -> Tensor:
        bias = None if self.bias is None else self.bias.to(x.dtype)
        if self.kind == "fp8" and multiplies_fp8(x.device, ends is not None):
            y = self._fp8(x, ends)
            return y if bias is None else y + bias
        if ends is not None:
            return F.grouped_mm(x, self.dense(x.dtype).transpose(1, 2), offs=ends)
        if self.kind == "int8":  # the scale is of an output, so it waits until there are few numbers
            y = F.linear(x, self.data.to(x.dtype)) * self.scale[:, 0].to(x.dtype)
            return y if bias is None else y + bias
        return F.linear(x, self.dense(x.dtype), bias)

    def _fp8(self, x: Tensor, ends: Tensor | None) -> Tensor:
        """Without the bias: both sides in FP8 with a scale a row; the sum is in float32 inside the kernel."""
        flat, rows = to_fp8(x.flatten(0, -2))
        products: Any = F  # the stubs of torch 2.13 lack the grouped one
        how = products.ScalingType.RowWise
        if ends is None:
            out = products.scaled_mm(flat, self.data.T, rows, how, self.scale.T, how, output_dtype=torch.bfloat16).to(x.dtype)
        else:
            right, scales = self.data.transpose(1, 2), self.scale[..., 0]
            out = products.scaled_grouped_mm(flat, right, rows[:, 0], how, scales, how, offs=ends, output_dtype=torch.bfloat16).to(x.dtype)
        return out.unflatten(0, x.shape[:-1])


def fits(shape: torch.Size) -> bool:
    """Whether the weight of a linear layer can be stored so: a matrix whose sides are multiples of 16, and its inputs of GROUP where
    there are more."""
    return len(shape) == 2 and shape[1] % 16 == 0 and (shape[1] <= GROUP or shape[1] % GROUP == 0) and shape[0] % 16 == 0


def swap(model: nn.Module, name: str, kind: Kind, weight: Tensor) -> None:
    """Puts a smaller layer with this weight where the layer `name` of the model is; its bias, present or yet to come, is kept."""
    owner, _, leaf = name.rpartition(".")
    module = model.get_submodule(owner)
    smaller = LowBits(weight, None, kind)
    smaller.bias = getattr(getattr(module, leaf), "bias", None)
    setattr(module, leaf, smaller)


def convert(model: nn.Module, names: Iterable[str], kind: Kind, device: torch.device, tell: Callable[[str], None] | None = None) -> None:
    """Replaces the named layers (a `weight` [O, I] or [E, O, I], perhaps a `bias`) and moves each to the device as it is done.

    The wide weight of one layer at a time is all that is needed there beside the model.
    """
    for name in names:
        weight = model.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        swap(model, name, kind, weight.to(device))
        model.get_submodule(name).to(device)
        if tell is not None:
            tell(name)
