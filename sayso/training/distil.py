"""Fewer steps and no guidance branch: the student learns the guided teacher's path, first step by step, then in strides.

A shortcut model (Frans et al. 2024, "One Step Diffusion via Shortcut Models"): the draw expert is told how long the
sampler's step is. At stride 0 it learns the guided teacher's velocity (guidance distillation); a stride of 2 d is taught to
be two strides of d in a row, by the running mean of its own weights. Any number of steps then comes from one file.

Axes: B samples, U pieces, T patches, C values of a patch. Times as in models.flow: 1 is noise, 0 is data.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sayso.engines.context import Context
from sayso.models import flow
from sayso.models.unified import Cache, UnifiedModel
from sayso.training.stream import Batch

HALVINGS = 5  # the shortest stride above 0 is 1 / 2 ** HALVINGS
STEP_SHARE = 0.6  # share of samples at stride 0


@dataclass(frozen=True)
class DistilConfig:
    """`guidance`: what is distilled into the student. `steps`: updates of the first part; `polish`: of the adversarial one.

    `grid`: steps of the sampler whose strides the student will be used at, the default of its weights.
    """

    guidance: float
    steps: int
    polish: int
    batch: int
    rate: float
    seed: int
    grid: int
    warmup: int = 50


@dataclass(frozen=True, eq=False)
class Read:
    """A bucket's captions as the student sees them, and told and untold as the teacher does. `start` [B]."""

    student: Cache
    start: Tensor
    teacher: Context  # 2 B sequences: told, then untold


def student_of(teacher: UnifiedModel) -> UnifiedModel:
    """A student that begins as the teacher: all its weights, and a stride embedding that says nothing yet."""
    student = UnifiedModel(teacher.spec, strides=True)
    student.initialise(torch.Generator().manual_seed(0))
    missing, unexpected = student.load_state_dict({k: v.float() for k, v in teacher.state_dict().items()}, strict=False)
    assert not unexpected and all(name.startswith("stride.") for name in missing), (missing, unexpected)
    return student


def read(student: UnifiedModel, teacher: UnifiedModel, batch: Batch, empty: Tensor, dtype: torch.dtype) -> Read:
    """Reads a bucket's captions. `empty`: ids of no words [2]. The student's cache carries gradients."""
    B = len(batch.ids)
    device = batch.ids.device
    zero = torch.zeros(B, device=device)
    mine = student.read(batch.ids, batch.lengths, None, zero, dtype).cache
    with torch.no_grad():
        bare = torch.zeros_like(batch.ids)
        bare[:, : len(empty)] = empty
        both = torch.cat((batch.ids, bare))
        lengths = torch.cat((batch.lengths, torch.full((B,), len(empty), device=device)))
        theirs = teacher.read(both, lengths, None, torch.zeros(2 * B, device=device), dtype).cache
    return Read(mine, batch.lengths.float(), Context(theirs, lengths.float()))


@torch.no_grad()
def guided(teacher: UnifiedModel, words: Read, z: Tensor, t: Tensor, where: Tensor, guidance: float, dtype: torch.dtype) -> Tensor:
    """The teacher's velocity with guidance [B, T, C]."""
    twice = torch.cat((z, z)).to(dtype), torch.cat((t, t))
    out = teacher.predict(twice[0], twice[1], where, words.teacher.start, words.teacher.cache).float()
    told, untold = flow.velocity_of_data(out, torch.cat((z, z)), twice[1]).chunk(2)
    return flow.guide(told, untold, guidance)


def stride_velocity(
    student: UnifiedModel, cache: Cache, start: Tensor, z: Tensor, t: Tensor, stride: Tensor, where: Tensor, dtype: torch.dtype
) -> Tensor:
    """The student's mean velocity over a stride [B, T, C]: z − stride · u is where it lands."""
    x_hat = student.predict(z.to(dtype), t, where, start, cache, stride).float()
    return flow.velocity_of_data(x_hat, z, t)


def sample_strides(count: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    """(times [count], strides [count]): stride 0 at training times, else 2^−k for k < HALVINGS at times on its own grid."""
    fine = flow.sample_times(count, generator, device)
    k = torch.randint(0, HALVINGS, (count,), generator=generator, device=device)
    stride = 0.5 ** k.float()
    cells = (1 / stride).round()
    at = (torch.rand(count, generator=generator, device=device) * cells).floor() + 1  # 1..cells, in strides from 0
    still = torch.rand(count, generator=generator, device=device) < STEP_SHARE
    return torch.where(still, fine, at * stride), torch.where(still, torch.zeros_like(stride), stride)


def step_loss(
    student: UnifiedModel,
    mean: UnifiedModel,
    teacher: UnifiedModel,
    batch: Batch,
    empty: Tensor,
    config: DistilConfig,
    generator: torch.Generator,
    dtype: torch.dtype,
) -> Tensor:
    """The loss of one bucket: guided velocities at stride 0, two half strides of the running mean at the others."""
    device = batch.patches.device
    B = len(batch.ids)
    words = read(student, teacher, batch, empty, dtype)
    t, stride = sample_strides(B, generator, device)
    noise = torch.randn(batch.patches.shape, generator=generator, device=device)
    z = flow.mix(batch.patches, noise, t)
    target = guided(teacher, words, z, t, batch.coordinates, config.guidance, dtype)
    if bool((stride > 0).any()):
        target = torch.where((stride > 0)[:, None, None], _two_halves(mean, batch, z, t, stride, dtype), target)
    u = stride_velocity(student, words.student, words.start, z, t, stride, batch.coordinates, dtype)
    # As in training, an error of x̂ weighs 1 / t²; the clamp keeps the rare times near 0 from shouting down the rest.
    scale = (t.clamp(min=flow.T_MIN) / t.clamp(min=0.25)).square()[:, None]
    return ((u - target).square().mean(-1) * scale * batch.weight).mean()


@torch.no_grad()
def _two_halves(mean: UnifiedModel, batch: Batch, z: Tensor, t: Tensor, stride: Tensor, dtype: torch.dtype) -> Tensor:
    """The mean velocity of two half strides of the running mean; the shortest ones end on stride 0."""
    cache = mean.read(batch.ids, batch.lengths, None, torch.zeros(len(t), device=t.device), dtype).cache
    start, where = batch.lengths.float(), batch.coordinates
    half = stride / 2
    told = torch.where(half < 0.5**HALVINGS * 0.99, torch.zeros_like(half), half)
    first = stride_velocity(mean, cache, start, z, t, told, where, dtype)
    between = z - half[:, None, None] * first
    then = (t - half).clamp(min=0.0)
    second = stride_velocity(mean, cache, start, between, then, told, where, dtype)
    return (first + second) / 2


def land(
    student: UnifiedModel, cache: Cache, start: Tensor, noise: Tensor, where: Tensor, steps: int, stop: int, dtype: torch.dtype
) -> Tensor:
    """Runs `stop` of `steps` equal strides from noise; gives the point where the next one begins [B, T, C]."""
    z = noise
    for k in range(stop):
        t = torch.full((len(z),), 1 - k / steps, device=z.device)
        stride = torch.full_like(t, 1 / steps)
        z = z - stride.view(-1, 1, 1) * stride_velocity(student, cache, start, z, t, stride, where, dtype)
    return z
