"""Prompts to patches with the unified model: read once, denoise all pictures of a batch together with their guidance twins.

Axes: B pictures, U text pieces, T patches, C values of a patch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from sayso.engines.context import Context
from sayso.models import flow
from sayso.models.codecs.pixels import unpatchify
from sayso.models.grounding import Ground
from sayso.models.tokens import Pieces
from sayso.models.unified import Cache, UnifiedModel, patch_coordinates

SKETCHED = 0.25  # the time that a sketch which is painted over stands for


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
    told = Context(cache, start)
    if guided:  # the empty prompt is read once and stands beside every picture
        count = len(prompts)
        told = told.pick(torch.tensor([*range(count), *[count] * count], device=start.device))
    yield from draw_after(model, told, seeds, rows, columns, patch, how, dtype)


@torch.no_grad()
def draw_after(
    model: UnifiedModel,
    context: Context,
    seeds: list[int],
    rows: int,
    columns: int,
    patch: int,
    how: Sampling,
    dtype: torch.dtype,
) -> Iterator[Tensor]:
    """As `draw`, after any context of B sequences, or of 2 B (the latter half without words) where guidance is not 1."""
    guided = how.guidance != 1
    device = model.embed.weight.device
    where = patch_coordinates(rows, columns).to(device)
    z = noise_of(seeds, rows * columns, model.spec.patch_channels, device)
    B = len(z)
    cache, start = context.cache, context.start
    assert len(start) == B * (1 + guided)
    alone = context.pick(torch.arange(B, device=device)).cache if guided else cache
    times = flow.time_grid(how.steps, how.shift)
    strides = dict(zip(times[:-1].tolist(), (times[:-1] - times[1:]).tolist(), strict=True))

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        stride = torch.full_like(t, strides[float(t[0])]) if model.stride is not None else None
        if not guided or not how.interval[0] < float(t[0]) <= how.interval[1]:
            v = _velocity(model, z, t, where, start[:B], alone, dtype, stride)
        else:
            twice = None if stride is None else torch.cat((stride, stride))
            both = _velocity(model, torch.cat((z, z)), torch.cat((t, t)), where, start, cache, dtype, twice)
            told, untold = both.chunk(2)
            v = flow.guide(told, untold, how.guidance)
        return v

    for _, x_hat in flow.euler(velocity, z, times.to(device)):
        yield unpatchify(x_hat, patch, rows, columns)


def _velocity(
    model: UnifiedModel,
    z: Tensor,
    t: Tensor,
    where: Tensor,
    start: Tensor,
    cache: Cache | None,
    dtype: torch.dtype,
    stride: Tensor | None,
) -> Tensor:
    out = model.predict(z.to(dtype), t, where, start, cache, stride).float()
    return flow.velocity_of_data(out, z, t) if model.predicts_data else out


@torch.no_grad()
def paint(
    model: UnifiedModel,
    ground: Ground,
    seeds: list[int],
    rows: int,
    columns: int,
    patch: int,
    steps: int,
    dtype: torch.dtype,
    context: Context | None = None,
) -> Iterator[Tensor]:
    """Plans and poses painted, after a context of B sequences or none: yields the pictures after each step, float32 [B, 4, H, W]
    premultiplied in −1..1.

    A plan leaves little open, so that x̂ from noise alone is already the picture, and going on from it only adds errors (docs/LOG.md).
    Each step is such an x̂ from fresh noise, and the picture is the mean of those so far.
    """
    device = model.embed.weight.device
    where, B = patch_coordinates(rows, columns).to(device), len(seeds)
    start, now = torch.zeros(B, device=device) if context is None else context.start, torch.ones(B, device=device)
    cache = None if context is None else context.cache
    total = torch.zeros(B, rows * columns, model.spec.patch_channels, device=device)
    for step in range(steps):
        z = noise_of([(seed + 7919 * step) % 2**63 for seed in seeds], rows * columns, model.spec.patch_channels, device)
        out = model.predict(z.to(dtype), now, where, start, cache, None, ground).float()
        total += out if model.predicts_data else flow.data_of_velocity(out, z, now)
        yield unpatchify(total / (step + 1), patch, rows, columns)


@torch.no_grad()
def paint_over(
    model: UnifiedModel,
    sketch: Tensor,
    rows: int,
    columns: int,
    patch: int,
    dtype: torch.dtype,
    context: Context | None = None,
    ground: Ground | None = None,
) -> Tensor:
    """Sketches [B, T, C] painted over, after a context of B sequences or none, and told of their look or nothing: float32 [B, 4, H, W]
    premultiplied in −1..1.

    A sketch stands where noise stood, as a picture that is nearly done (as in SDEdit, Meng et al. 2021, but without noise): there is
    nothing to be chosen, so one step does it.
    """
    device = model.embed.weight.device
    start = torch.zeros(len(sketch), device=device) if context is None else context.start
    at = torch.full((len(sketch),), SKETCHED, device=device)
    cache = None if context is None else context.cache
    out = model.predict(sketch.to(dtype), at, patch_coordinates(rows, columns).to(device), start, cache, None, ground).float()
    x_hat = out if model.predicts_data else flow.data_of_velocity(out, sketch, at)
    return unpatchify(x_hat, patch, rows, columns)
