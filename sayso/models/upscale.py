"""The finisher: enlarges the generator's small pictures eightfold (or fourfold) in one forward, with crisp edges, alpha kept.

All convolutions run at the low resolution. For each of the factor × factor large pixels within a small one they put out
ten weights: how much of the difference to each of its eight neighbours, and to the means of two wider squares, is added to
a bicubic enlargement (a dynamic filter, after Jo et al. 2018, here on differences and shared by the four channels). So flat
areas stay flat whatever their colour, uneven ones can be made flat, edges between any two colours are sharpened alike, and
with the last convolution at zero, as it is at first, the network is bicubic enlargement.

Axes: B batch, H height, W width, C channels inside, F factor, N differences.
Pictures are premultiplied RGBA in −1..1 (codecs/pixels.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NEIGHBOURS = tuple((row, column) for row in range(3) for column in range(3) if (row, column) != (1, 1))
MEANS = (5, 9)  # sides of the squares
TAPS = len(NEIGHBOURS) + len(MEANS)


@dataclass(frozen=True)
class UpscaleSpec:
    """`factor`: 4 or 8. `width`: channels of the residual blocks. `blocks`: how many. `head`: channels before the last layer."""

    factor: int
    width: int
    blocks: int
    head: int

    def __post_init__(self) -> None:
        assert self.factor in (4, 8), self.factor
        assert min(self.width, self.blocks, self.head) > 0

    def to_dict(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, int]) -> UpscaleSpec:
        """Inverse of `to_dict`. Raises TypeError on a missing or unknown field."""
        return cls(**values)


POCKET = UpscaleSpec(factor=8, width=96, blocks=8, head=192)
"""The bundled finisher."""


def valid(x: Tensor) -> Tensor:
    """[B, 4, H, W] with alpha clipped to −1..1 and each colour to −1..alpha, as premultiplied pictures must be."""
    alpha = x[:, 3:].clamp(-1, 1)
    return torch.cat((torch.minimum(x[:, :3].clamp(min=-1), alpha), alpha), dim=1)


def bicubic(x: Tensor, factor: int) -> Tensor:
    """[B, 4, H, W] → [B, 4, F·H, F·W] in float32. Edges may overshoot; `valid` clips them."""
    return F.interpolate(x.float(), scale_factor=factor, mode="bicubic", align_corners=False)


def enlarge_plainly(x: Tensor, factor: int) -> Tensor:
    """Bicubic enlargement alone: what `Upscaler` is judged beside, and what stands in for it where it is switched off."""
    return valid(bicubic(valid(x), factor))


def differences(x: Tensor) -> Tensor:
    """[B, C, H, W] → [B, H, W, C, N]: each neighbour (edges repeated), then each mean, less the pixel itself."""
    H, W = x.shape[2:]
    around = F.pad(x, (1, 1, 1, 1), mode="replicate")
    taps = [around[:, :, i : i + H, j : j + W] - x for i, j in NEIGHBOURS]
    taps += [F.avg_pool2d(x, side, stride=1, padding=side // 2, count_include_pad=False) - x for side in MEANS]
    return torch.stack(taps, dim=-1).permute(0, 2, 3, 1, 4)


class Block(nn.Module):
    """x + conv(silu(conv(x))) on [B, C, H, W]."""

    def __init__(self, width: int):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.conv1(x)))


class Upscaler(nn.Module):
    """See the module's docstring. Any height and width; convolutions run in the dtype of the weights, the rest in float32."""

    def __init__(self, spec: UpscaleSpec):
        super().__init__()
        self.spec = spec
        self.conv_in = nn.Conv2d(8, spec.width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(spec.width) for _ in range(spec.blocks))
        self.conv_head = nn.Conv2d(spec.width, spec.head, 3, padding=1)
        self.conv_out = nn.Conv2d(spec.head, TAPS * spec.factor**2, 1)

    def initialise(self, generator: torch.Generator) -> None:
        """Fresh weights: σ = 1/√fan-in, the last convolution of each block and of the network zero, biases zero."""
        for name, parameter in self.named_parameters():
            if name.endswith(("bias", "conv2.weight")) or name == "conv_out.weight":
                nn.init.zeros_(parameter)
            else:
                nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 4, H, W] → float32 [B, 4, F·H, F·W], a valid picture. Values of x out of range are clipped first."""
        return valid(self.raw(x))

    def raw(self, x: Tensor) -> Tensor:
        """As `forward` before the last clipping; training looks at this, since clipping has no gradient."""
        x = valid(x.float())
        B, channels, H, W = x.shape
        taps = differences(x)
        detail = -16 / 9 * taps[..., : len(NEIGHBOURS)].mean(-1).permute(0, 3, 1, 2)  # bright beside its surroundings, whatever the colour
        h = torch.cat((x, detail), dim=1).to(self.conv_in.weight.dtype).contiguous(memory_format=torch.channels_last)
        h = self.conv_in(h)
        for block in self.blocks:
            h = block(h)
        h = self.conv_out(F.silu(self.conv_head(h)))
        weights = h.permute(0, 2, 3, 1).reshape(B * H * W, TAPS, self.spec.factor**2)
        added = torch.bmm(taps.reshape(B * H * W, channels, TAPS).to(weights.dtype), weights).float()  # [B · H · W, 4, F · F]
        added = added.view(B, H, W, -1).permute(0, 3, 1, 2)
        return bicubic(x, self.spec.factor) + F.pixel_shuffle(added, self.spec.factor)
