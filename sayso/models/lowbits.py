"""Weights in fewer bits: int8 and int4 that are widened as they are used, and FP8 that Hopper multiplies as it is.

Weight-only: one scale for each row of out features (int8, fp8) or for each run of 32 in features (int4). What is small or
delicate keeps its type: the caller names what to convert. On hardware without FP8 products an FP8 weight is widened too.

Axes: E experts, O out features, I in features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Kind = Literal["int8", "int4", "fp8"]
KINDS: tuple[Kind, ...] = ("int8", "int4", "fp8")
RUN = 32  # in features that share a scale in int4
FP8_MOST = 448.0  # the largest number of float8_e4m3fn


def multiplies_fp8(device: torch.device) -> bool:
    """Whether the device has grouped and plain products of row-scaled FP8 (compute capability 9.0)."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) == (9, 0)


def _rows(x: Tensor, most: float) -> Tensor:
    """Scales […, 1] that bring every row of the last dimension to at most `most`."""
    return x.float().abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / most


def to_fp8(x: Tensor) -> tuple[Tensor, Tensor]:
    scale = _rows(x, FP8_MOST)
    return (x.float() / scale).clamp(-FP8_MOST, FP8_MOST).to(torch.float8_e4m3fn), scale


class LowBits(nn.Module):
    """A weight […, O, I] in few bits, and the two products that a model needs of it.

    With one expert dimension it stands in for a layer that is called with (x, ends), without for `nn.Linear`.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, kind: Kind):
        super().__init__()
        self.kind, self.shape = kind, tuple(weight.shape)
        w = weight.detach()
        if kind == "fp8":
            data, scale = to_fp8(w)
        elif kind == "int8":
            scale = _rows(w, 127)
            data = (w.float() / scale).round().clamp(-127, 127).to(torch.int8)
        else:
            if w.shape[-1] % RUN:
                raise ValueError(f"{w.shape[-1]} in features do not divide into runs of {RUN}")
            runs = w.float().unflatten(-1, (-1, RUN))
            scale = _rows(runs, 7)
            steps = ((runs / scale).round().clamp(-8, 7) + 8).flatten(-2).to(torch.uint8)
            data = steps[..., ::2] | steps[..., 1::2] << 4
        self.register_buffer("data", data)
        self.register_buffer("scale", scale)
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)

    def dense(self, dtype: torch.dtype) -> Tensor:
        """The weight […, O, I] as it is used."""
        data, scale = self._buffers["data"], self._buffers["scale"]
        assert data is not None and scale is not None
        if self.kind == "int4":
            steps = torch.stack((data & 15, data >> 4), dim=-1).flatten(-2).to(dtype) - 8
            return (steps.unflatten(-1, (-1, RUN)) * scale.to(dtype)).flatten(-2)
        return data.to(dtype) * scale.to(dtype)

    def forward(self, x: Tensor, ends: Tensor | None = None) -> Tensor:
        if self.kind == "fp8" and multiplies_fp8(x.device):
            return self._fp8(x, ends)
        if ends is None:
            return F.linear(x, self.dense(x.dtype), self.bias)
        return F.grouped_mm(x, self.dense(x.dtype).transpose(1, 2), offs=ends)

    def _fp8(self, x: Tensor, ends: Tensor | None) -> Tensor:
        """Both sides in FP8 with a scale a row; the sum is in float32 inside the kernel."""
        data, scale = self._buffers["data"], self._buffers["scale"]
        assert data is not None and scale is not None
        flat, rows = to_fp8(x.flatten(0, -2))
        products: Any = F  # the stubs of torch 2.13 lack the grouped one
        how = products.ScalingType.RowWise
        if ends is None:
            out = products.scaled_mm(flat, data.T, rows, how, scale.T, how, output_dtype=x.dtype)
            out = out if self.bias is None else out + self.bias
        else:
            right, scales = data.transpose(1, 2), scale[..., 0]
            out = products.scaled_grouped_mm(flat, right, rows[:, 0], how, scales, how, offs=ends, output_dtype=x.dtype)
        return out.unflatten(0, x.shape[:-1])


def convert(model: nn.Module, names: Iterable[str], kind: Kind, device: torch.device, tell: Callable[[str], None] | None = None) -> None:
    """Replaces the named layers (a `weight` [O, I] or [E, O, I], perhaps a `bias`) and moves each to the device as it is done.

    The wide weight of one layer at a time is all that is needed there beside the model.
    """
    for name in names:
        parent, _, last = name.rpartition(".")
        old = model.get_submodule(name)
        assert isinstance(old.weight, Tensor)
        bias = getattr(old, "bias", None)
        new = LowBits(old.weight.to(device), bias.to(device) if isinstance(bias, Tensor) else None, kind)
        setattr(model.get_submodule(parent), last, new)
        if tell is not None:
            tell(name)
