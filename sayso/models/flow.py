"""The flow convention, once for the whole house, and the samplers.

t = 1 is noise, t = 0 is data; z_t = (1 − t) · x + t · e; the velocity is v = dz/dt = e − x. Foreign signs are turned
round in the adapter that loads them. Training follows Li & He, "Back to Basics: Let Denoising Generative Models
Denoise" (2025): the network puts out x, the loss is on the velocity.

Samplers are pure functions over `velocity(z, t) -> v`; guidance wraps a velocity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
