"""Pixel patches: premultiplied RGBA in −1..1, cut into square patches. No learned part, nothing is lost.

Axes: B batch, H height, W width, T patches (row-major), P patch side, C = 4 · P · P values of one token.
Inside a token the order is (row, column, channel), channel fastest.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def patchify(x: Tensor, patch: int) -> Tensor:
    """[B, 4, H, W] → [B, T, C]. H and W are multiples of `patch`."""
    B, channels, H, W = x.shape
    assert H % patch == 0 and W % patch == 0, (H, W, patch)
    x = x.view(B, channels, H // patch, patch, W // patch, patch)
    return x.permute(0, 2, 4, 3, 5, 1).reshape(B, (H // patch) * (W // patch), patch * patch * channels)


def unpatchify(tokens: Tensor, patch: int, rows: int, columns: int) -> Tensor:
    """[B, T, C] → [B, 4, H, W], the inverse of `patchify`."""
    B = tokens.shape[0]
    x = tokens.view(B, rows, columns, patch, patch, 4)
    return x.permute(0, 5, 1, 3, 2, 4).reshape(B, 4, rows * patch, columns * patch)


def encode(pixels: np.ndarray) -> Tensor:
    """uint8 [..., H, W, 4] straight alpha → float32 [..., 4, H, W] premultiplied in −1..1."""
    x = torch.from_numpy(np.ascontiguousarray(pixels)).float() / 255
    x = torch.cat((x[..., :3] * x[..., 3:], x[..., 3:]), dim=-1)
    return (2 * x - 1).movedim(-1, -3).contiguous()


def decode(x: Tensor) -> np.ndarray:
    """float [..., 4, H, W] premultiplied in −1..1 → uint8 [..., H, W, 4] straight alpha.

    Alpha within 2/255 of either end is snapped to it: a picture on a plain background is opaque, not nearly so.
    """
    x = ((x.float() + 1) / 2).clamp(0, 1).movedim(-3, -1)
    alpha = x[..., 3:]
    alpha = torch.where(alpha > 1 - 2.5 / 255, torch.ones_like(alpha), alpha)
    alpha = torch.where(alpha < 2.5 / 255, torch.zeros_like(alpha), alpha)
    colour = torch.where(alpha > 0, x[..., :3] / alpha.clamp(min=1 / 255), torch.zeros_like(x[..., :3]))
    out = torch.cat((colour.clamp(0, 1), alpha), dim=-1)
    return (out * 255).round().to(torch.uint8).cpu().numpy()
