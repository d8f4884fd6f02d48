"""The flow convention, once for the whole house, and the samplers.

t = 1 is noise, t = 0 is data; z_t = (1 − t) · x + t · e; the velocity is v = dz/dt = e − x. Foreign signs are turned
round in the adapter that loads them. Training follows Li & He, "Back to Basics: Let Denoising Generative Models
Denoise" (2025): the network puts out x, the loss is on the velocity.

Samplers are pure functions over `velocity(z, t) -> v`; guidance wraps a velocity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]

T_MIN = 0.05  # clamp of t where x̂ is turned into a velocity (400-fold weight at most)


def mix(x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    """z_t of data x [B, ...] and noise of the same shape at times t [B]."""
    t = t.view(-1, *[1] * (x.dim() - 1))
    return (1 - t) * x + t * noise


def velocity_of_data(x_hat: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """v = (z − x̂) / max(t, T_MIN), for x̂, z [B, ...] and t [B]."""
    t = t.view(-1, *[1] * (z.dim() - 1))
    return (z - x_hat) / t.clamp(min=T_MIN)


def data_of_velocity(v: Tensor, z: Tensor, t: Tensor) -> Tensor:
    """x̂ = z − t · v, the picture that a velocity points at."""
    return z - t.view(-1, *[1] * (z.dim() - 1)) * v


def sample_times(count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Training times [count]: logit-normal towards noise (mean 0.8, deviation 0.8), one in ten uniform."""
    normal = torch.randn(count, generator=generator, device=device)
    uniform = torch.rand(count, generator=generator, device=device)
    pick = torch.rand(count, generator=generator, device=device)
    return torch.where(pick < 0.1, uniform, torch.sigmoid(0.8 + 0.8 * normal))


def velocity_loss(x_hat: Tensor, x: Tensor, t: Tensor, weight: Tensor | None = None, t_min: float = T_MIN) -> Tensor:
    """Mean of weight · |v̂ − v|² for x̂, x [B, T, C], t [B], weight [B, T] with mean about 1; the noise cancels.

    `t_min`: times below it weigh as much as itself. In a small batch the rare times near zero otherwise shout down the rest.
    """
    error = (x_hat - x).square().mean(dim=-1) / t.clamp(min=t_min).square()[:, None]
    return error.mean() if weight is None else (error * weight).mean()


def time_grid(steps: int, shift: float = 1.0) -> Tensor:
    """steps + 1 times from 1 down to 0; shift > 1 spends more of them near noise: t = s·u / (1 + (s − 1)·u)."""
    u = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    return (shift * u / (1 + (shift - 1) * u)).float()


def guide(conditional: Tensor, unconditional: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance (Ho & Salimans 2022): u + scale · (c − u)."""
    return unconditional + scale * (conditional - unconditional)


def euler(velocity: Velocity, z: Tensor, times: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """First order. Yields (z, x̂) after each step; one evaluation a step."""
    for now, then in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        t = torch.full((len(z),), now, device=z.device)
        v = velocity(z, t)
        x_hat = data_of_velocity(v, z, t)
        z = x_hat if then == 0 else z + (then - now) * v
        yield z, x_hat


def heun(velocity: Velocity, z: Tensor, times: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Second order (Karras et al. 2022, algorithm 1), last step Euler. Two evaluations a step but the last."""
    for now, then in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        t = torch.full((len(z),), now, device=z.device)
        v = velocity(z, t)
        x_hat = data_of_velocity(v, z, t)
        if then == 0:
            yield x_hat, x_hat
            return
        t_then = torch.full((len(z),), then, device=z.device)
        v2 = velocity(z + (then - now) * v, t_then)
        z = z + (then - now) * (v + v2) / 2
        yield z, x_hat


# Solvers for models that prepared all their times beforehand: velocity(z, i) is v at the i-th of them.

StepVelocity = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class UniPCMove:
    """One move z_a → z_b as sums over (z_a, x_a, x before a, x_b), where x are the pictures that velocities pointed at.

    `corrected` improves the arrival once x_b is known, `predicted` is the arrival. Both are scalars of the table of times alone.
    """

    predicted: tuple[float, float, float]
    corrected: tuple[float, float, float, float]


def unipc_moves(times: Sequence[float]) -> list[UniPCMove]:
    """The scalars of UniPC for a falling table of times that ends with 0, in float64.

    Zhao et al., "UniPC: A Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models", 2023: data prediction,
    B2(h) = expm1(h), order 2, with λ = ln((1 − t) / t). The first and the last move are of order 1.
    """
    moves: list[UniPCMove] = []
    lam = [math.log((1 - t) / t) if t > 0 else math.inf for t in times]
    for i in range(len(times) - 1):
        h = lam[i + 1] - lam[i]
        e, alpha, keep = math.expm1(-h), 1 - times[i + 1], times[i + 1] / times[i]
        if i == 0 or i == len(times) - 2:
            moves.append(UniPCMove((keep, -alpha * e, 0.0), (keep, -alpha * e * 0.5, 0.0, -alpha * e * 0.5)))
            continue
        r = (lam[i - 1] - lam[i]) / h
        past = -alpha * e * 0.5 / r
        phi1 = e / -h - 1
        phi2 = phi1 / -h - 0.5
        b1, b2 = phi1 / e, 2 * phi2 / e
        before = (b1 - b2) / (1 - r)
        after, back = -alpha * e * (b1 - before), -alpha * e * before / r
        moves.append(UniPCMove((keep, -alpha * e - past, past), (keep, -alpha * e - after - back, back, after)))
    return moves


def unipc(velocity: StepVelocity, z: Tensor, times: Sequence[float]) -> Iterator[tuple[Tensor, Tensor]]:
    """Second order, one evaluation a step (`unipc_moves`). Yields (z, x̂) after each step; z is float32."""
    moves = unipc_moves(times)
    z = z.float()
    start = before = now = z
    for i, move in enumerate(moves):
        x = z - times[i] * velocity(z, i).float()
        if i:  # the arrival of the last move, with what is known now
            a, b, c, d = moves[i - 1].corrected
            z = a * start + b * now + c * before + d * x
        start, before, now = z, now, x
        a, b, c = move.predicted
        z = a * start + b * now + c * before if c else a * start + b * now
        yield z, x


def renoise(velocity: StepVelocity, z: Tensor, times: Sequence[float], noise: Callable[[int], Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """The few-step sampler of distilled models (Luo et al., "Latent Consistency Models", 2023): to x̂, then fresh noise on it.

    `noise(i)`: the noise of the i-th step, called when the step does not end at time 0. Yields (z, x̂) after each step.
    """
    z = z.float()
    for i, then in enumerate(times[1:]):
        x = z - times[i] * velocity(z, i).float()
        z = (1 - then) * x + then * noise(i).to(x) if then > 0 else x
        yield z, x
