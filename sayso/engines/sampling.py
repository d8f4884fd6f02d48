"""Prompts to patches with the unified model: read once, denoise all pictures of a batch together with their guidance twins.

Axes: B pictures, U text pieces, T patches, C values of a patch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sayso.models import flow
from sayso.models.codecs.pixels import unpatchify
from sayso.models.tokens import Pieces
from sayso.models.unified import Cache, UnifiedModel, patch_coordinates


@dataclass(frozen=True)
class Sampling:
    """`guidance` 1 = none. `interval`: guidance acts where low < t ≤ high. `shift` as in `flow.time_grid`."""

    steps: int
    guidance: float
    shift: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)


def read_prompts(model: UnifiedModel, pieces: Pieces, prompts: list[str], limit: int, dtype: torch.dtype) -> tuple[Cache, Tensor]:
    """The cache of a padded batch of prompts, and where each picture starts [B]."""
    device = model.embed.weight.device
    lines = pieces.encode_batch(prompts, limit)
    longest = max(len(line) for line in lines)
    ids = torch.tensor([line + [pieces.pad] * (longest - len(line)) for line in lines], device=device)
    lengths = torch.tensor([len(line) for line in lines], device=device)
    alike = len({len(line) for line in lines}) == 1
    start = torch.zeros(len(lines), device=device)
    return model.read(ids, None if alike else lengths, None, start, dtype).cache, lengths.float()


def noise_of(seeds: list[int], tokens: int, channels: int, device: torch.device) -> Tensor:
    """Start noise [B, T, C]: each picture's own seed, drawn on the CPU so that every device starts alike."""
    each = [torch.randn(tokens, channels, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(each).to(device)


@torch.no_grad()
def draw(
    model: UnifiedModel,
    pieces: Pieces,
    prompts: list[str],
    seeds: list[int],
    rows: int,
    columns: int,
    patch: int,
    how: Sampling,
    limit: int,
    dtype: torch.dtype,
) -> Iterator[Tensor]:
    """Yields the picture as far as it is known after each step: float32 [B, 4, H, W] premultiplied in −1..1."""
    guided = how.guidance != 1
    cache, start = read_prompts(model, pieces, prompts + [""] * guided, limit, dtype)
    if guided:  # the empty prompt is read once and stands beside every picture
        cache, start = _with_twins(cache, start, len(prompts))
    device = model.embed.weight.device
    where = patch_coordinates(rows, columns).to(device)
    z = noise_of(seeds, rows * columns, model.spec.patch_channels, device)

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        if not guided or not how.interval[0] < float(t[0]) <= how.interval[1]:
            plain = cache if not guided else _first(cache, len(z))
            return _velocity(model, z, t, where, start[: len(z)], plain, dtype)
        both = _velocity(model, torch.cat((z, z)), torch.cat((t, t)), where, start, cache, dtype)
        told, untold = both.chunk(2)
        return flow.guide(told, untold, how.guidance)

    for _, x_hat in flow.euler(velocity, z, flow.time_grid(how.steps, how.shift).to(device)):
        yield unpatchify(x_hat, patch, rows, columns)


def _velocity(model: UnifiedModel, z: Tensor, t: Tensor, where: Tensor, start: Tensor, cache: Cache, dtype: torch.dtype) -> Tensor:
    out = model.predict(z.to(dtype), t, where, start, cache).float()
    return flow.velocity_of_data(out, z, t) if model.predicts_data else out


def _with_twins(cache: Cache, start: Tensor, count: int) -> tuple[Cache, Tensor]:
    """Rows 0..count−1 and, count times, the last row."""
    pick = torch.cat((torch.arange(count), torch.full((count,), count))).to(start.device)
    layers = tuple((k[pick], v[pick]) for k, v in cache.layers)
    return Cache(layers, None if cache.valid is None else cache.valid[pick]), start[pick]


def _first(cache: Cache, count: int) -> Cache:
    layers = tuple((k[:count], v[:count]) for k, v in cache.layers)
    return Cache(layers, None if cache.valid is None else cache.valid[:count])
