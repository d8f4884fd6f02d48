"""A convolutional autoencoder with a Gaussian bottleneck, as FLUX.1 has it (Rombach et al. 2022; Black Forest Labs 2024).

Axes: B pictures, H and W pixels, h and w latent pixels (H / factor, W / factor), Z latent channels, C channels of a level.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.models.specs import AutoencoderSpec

GROUPS, EPS = 32, 1e-6

# ---------------------------------------------------------------------------------------------------------------------
# helpers


def to_tokens(latent: Tensor, patch: int) -> Tensor:
    """[B, Z, h, w] → [B, (h / patch) · (w / patch), patch · patch · Z], row by row, channel fastest inside a token."""
    B, Z, h, w = latent.shape
    x = latent.view(B, Z, h // patch, patch, w // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(B, -1, patch * patch * Z)


def from_tokens(tokens: Tensor, patch: int, rows: int, columns: int) -> Tensor:
    """The inverse of `to_tokens` for a grid of rows × columns tokens."""
    B, _, values = tokens.shape
    x = tokens.view(B, rows, columns, patch, patch, values // patch**2)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(B, -1, rows * patch, columns * patch)


# ---------------------------------------------------------------------------------------------------------------------
# layers


class Residual(nn.Module):
    def __init__(self, before: int, after: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, before, EPS)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, after, EPS)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.shortcut = None if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        y = self.conv2(F.silu(self.norm2(y)))
        return y + (x if self.shortcut is None else self.shortcut(x))


class PixelAttention(nn.Module):
    """One head over all places."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels, EPS)
        self.q, self.k, self.v, self.out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        q, k, v = (project(y).flatten(2).transpose(1, 2)[:, None] for project in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v)[:, 0].transpose(1, 2).view_as(x)
        return x + self.out(y)


class Middle(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.before, self.attention, self.after = Residual(channels, channels), PixelAttention(channels), Residual(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.attention(self.before(x)))


class Level(nn.Module):
    """Residual blocks of one resolution. `resample`: the convolution towards the next one, None at the end."""

    def __init__(self, before: int, after: int, blocks: int, resample: nn.Conv2d | None):
        super().__init__()
        self.blocks = nn.ModuleList(Residual(before if i == 0 else after, after) for i in range(blocks))
        self.resample = resample

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class Encoder(nn.Module):
    def __init__(self, spec: AutoencoderSpec):
        super().__init__()
        widths = [spec.channels * m for m in spec.multipliers]
        self.conv_in = nn.Conv2d(3, spec.channels, 3, padding=1)
        self.levels = nn.ModuleList()
        for i, (before, after) in enumerate(zip([spec.channels, *widths], widths, strict=False)):
            last = i == len(widths) - 1
            self.levels.append(Level(before, after, spec.blocks, None if last else nn.Conv2d(after, after, 3, stride=2)))
        self.middle = Middle(widths[-1])
        self.norm_out = nn.GroupNorm(GROUPS, widths[-1], EPS)
        self.conv_out = nn.Conv2d(widths[-1], 2 * spec.latent_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for level in self.levels:
            x = level(x)
            if isinstance(level.resample, nn.Conv2d):  # one pixel of zeros at the right and the bottom
                x = level.resample(F.pad(x, (0, 1, 0, 1)))
        return self.conv_out(F.silu(self.norm_out(self.middle(x))))


class Decoder(nn.Module):
    def __init__(self, spec: AutoencoderSpec):
        super().__init__()
        widths = [spec.channels * m for m in spec.multipliers]
        self.conv_in = nn.Conv2d(spec.latent_channels, widths[-1], 3, padding=1)
        self.middle = Middle(widths[-1])
        self.levels = nn.ModuleList()
        for i, (after, before) in enumerate(zip(widths, [*widths[1:], widths[-1]], strict=True)):
            self.levels.append(Level(before, after, spec.blocks + 1, nn.Conv2d(after, after, 3, padding=1) if i else None))
        self.norm_out = nn.GroupNorm(GROUPS, spec.channels, EPS)
        self.conv_out = nn.Conv2d(spec.channels, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.middle(self.conv_in(x))
        for level in reversed(self.levels):  # level 0 has the full resolution
            x = level(x)
            if isinstance(level.resample, nn.Conv2d):
                x = level.resample(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return self.conv_out(F.silu(self.norm_out(x)))


# ---------------------------------------------------------------------------------------------------------------------
# model


class Autoencoder(nn.Module):
    """Pictures in −1..1 to latents and back. One picture at a time: group norms and attention would mix in any padding."""

    def __init__(self, spec: AutoencoderSpec):
        super().__init__()
        self.spec = spec
        self.encoder, self.decoder = Encoder(spec), Decoder(spec)

    def moments(self, pixels: Tensor) -> Tensor:
        """[B, 3, H, W] → means, then log-variances [B, 2 · Z, h, w]."""
        return self.encoder(pixels)

    def encode(self, pixels: Tensor, noise: Tensor | None) -> Tensor:
        """[B, 3, H, W] → latents [B, Z, h, w]: the mean, or with standard normal `noise` of that shape a draw from the posterior."""
        mean, log_variance = self.moments(pixels).chunk(2, dim=1)
        z = mean if noise is None else mean + (0.5 * log_variance).exp() * noise
        return self.spec.scale * (z - self.spec.shift)

    def decode(self, latent: Tensor) -> Tensor:
        """[B, Z, h, w] → [B, 3, H, W], about −1..1."""
        return self.decoder(latent / self.spec.scale + self.spec.shift)


def to_bytes(pixels: Tensor, rounded: bool) -> Tensor:
    """[B, 3, H, W] in −1..1 → uint8 [B, H, W, 3], rounded to the nearest value or cut off."""
    x = (pixels.float() * 0.5 + 0.5).clamp(0, 1) * 255
    return (x.round() if rounded else x).to(torch.uint8).permute(0, 2, 3, 1)
