"""The flow convention (t = 1 noise, t = 0 data, v = noise − data), the loss, the time grid, and the two samplers."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sayso.models import flow

CPU = torch.device("cpu")


def triple(seed: int, batch: int = 3, tokens: int = 5, channels: int = 4) -> tuple[Tensor, Tensor]:
    """Data and noise [B, T, C] in float64."""
    g = torch.Generator().manual_seed(seed)
    shape = (batch, tokens, channels)
    return torch.randn(shape, generator=g, dtype=torch.float64), torch.randn(shape, generator=g, dtype=torch.float64)


times = st.lists(st.floats(flow.T_MIN, 1), min_size=3, max_size=3)


@given(st.integers(0, 2**31), times)
def test_velocity_and_data_are_inverse(seed: int, at: list[float]) -> None:
    x, noise = triple(seed)
    t = torch.tensor(at, dtype=torch.float64)
    z = flow.mix(x, noise, t)
    v = flow.velocity_of_data(x, z, t)
    torch.testing.assert_close(v, noise - x, rtol=0, atol=1e-12 / flow.T_MIN)
    torch.testing.assert_close(flow.data_of_velocity(v, z, t), x, rtol=0, atol=1e-12)
    torch.testing.assert_close(flow.data_of_velocity(noise - x, z, t), x, rtol=0, atol=1e-12)


def test_the_ends_are_data_and_noise_exactly() -> None:
    x, noise = triple(0)
    assert torch.equal(flow.mix(x, noise, torch.zeros(3, dtype=torch.float64)), x)
    assert torch.equal(flow.mix(x, noise, torch.ones(3, dtype=torch.float64)), noise)
    assert torch.equal(flow.data_of_velocity(noise, x, torch.zeros(3)), x)
    picture = x.view(3, 5, 2, 2)
    assert flow.mix(picture, picture, torch.tensor([0.0, 0.5, 1.0])).shape == picture.shape


def test_below_the_clamp_a_velocity_stays_finite() -> None:
    x, noise = triple(1)
    v = flow.velocity_of_data(noise, x, torch.zeros(3))
    torch.testing.assert_close(v, (x - noise) / flow.T_MIN)


@given(st.integers(0, 2**31), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_the_loss_is_the_explicit_square_of_the_velocities(seed: int, at: list[float]) -> None:
    x, noise = triple(seed)
    guess = x + 0.3 * triple(seed + 1)[0]
    weight = torch.rand(3, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    t = torch.tensor(at, dtype=torch.float64)
    z = flow.mix(x, noise, t)
    square = (flow.velocity_of_data(guess, z, t) - flow.velocity_of_data(x, z, t)).square().mean(-1)
    torch.testing.assert_close(flow.velocity_loss(guess, x, t), square.mean(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(flow.velocity_loss(guess, x, t, weight), (square * weight).mean(), rtol=1e-9, atol=1e-9)


def test_the_loss_above_the_clamp_needs_no_clamp() -> None:
    x, noise = triple(5)
    t = torch.tensor([0.05, 0.4, 1.0], dtype=torch.float64)
    guess = torch.zeros_like(x)
    v_hat = (flow.mix(x, noise, t) - guess) / t[:, None, None]
    torch.testing.assert_close(flow.velocity_loss(guess, x, t), (v_hat - (noise - x)).square().mean())


@given(st.integers(1, 60), st.floats(0.2, 8))
def test_the_time_grid_runs_from_noise_to_data(steps: int, shift: float) -> None:
    grid = flow.time_grid(steps, shift)
    assert grid.shape == (steps + 1,) and grid.dtype == torch.float32
    assert grid[0] == 1 and grid[-1] == 0 and bool((grid.diff() < 0).all())


def test_a_shift_moves_times_towards_noise() -> None:
    torch.testing.assert_close(flow.time_grid(4), torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0]))
    torch.testing.assert_close(flow.time_grid(4, 3.0), torch.tensor([1.0, 0.9, 0.75, 0.5, 0.0]))
    assert bool((flow.time_grid(9, 2.0)[1:-1] > flow.time_grid(9)[1:-1]).all())


def test_training_times_are_in_range_lean_to_noise_and_repeat() -> None:
    t = flow.sample_times(20_000, torch.Generator().manual_seed(3), CPU)
    assert 0 <= float(t.min()) and float(t.max()) <= 1
    assert torch.equal(t, flow.sample_times(20_000, torch.Generator().manual_seed(3), CPU))
    assert not torch.equal(t, flow.sample_times(20_000, torch.Generator().manual_seed(4), CPU))
    # 0.9 · E[sigmoid(0.8 + 0.8 n)] + 0.1 / 2 by a fine sum over n; the standard error of the mean is 0.0013
    n = torch.linspace(-6, 6, 4001, dtype=torch.float64)
    density = torch.exp(-n.square() / 2)
    expected = 0.9 * float((torch.sigmoid(0.8 + 0.8 * n) * density).sum() / density.sum()) + 0.05
    assert float(t.double().mean()) == pytest.approx(expected, abs=0.006)
    below = float((t < 0.05).double().mean())  # only the uniform tenth reaches so near to the data
    assert below == pytest.approx(0.1 * 0.05, abs=0.002)


def test_guidance_is_a_line_through_both_velocities() -> None:
    c, u = triple(2)
    assert torch.equal(flow.guide(c, u, 0.0), u)
    torch.testing.assert_close(flow.guide(c, u, 1.0), c)
    torch.testing.assert_close(flow.guide(c, u, 3.0), c + 2 * (c - u))


@pytest.mark.parametrize("sampler", [flow.euler, flow.heun])
@pytest.mark.parametrize(("steps", "shift"), [(1, 1.0), (4, 1.0), (7, 3.0)])
def test_a_straight_field_is_followed_exactly(sampler: object, steps: int, shift: float) -> None:
    """With v = noise − data, every step points at the data and the last one is the data."""
    x, noise = triple(7)
    assert callable(sampler)
    states = list(sampler(lambda z, t: noise - x, noise, flow.time_grid(steps, shift)))
    assert len(states) == steps
    for (z, x_hat), then in zip(states, flow.time_grid(steps, shift)[1:].double(), strict=True):
        torch.testing.assert_close(x_hat, x, rtol=0, atol=1e-6)
        torch.testing.assert_close(z, flow.mix(x, noise, then.expand(3)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("sampler", [flow.euler, flow.heun])
def test_a_perfect_data_prediction_is_reached_exactly(sampler: object) -> None:
    x, noise = triple(8)
    assert callable(sampler)
    for z, _ in sampler(lambda z, t: flow.velocity_of_data(x, z, t), noise, flow.time_grid(6)):
        last = z
    torch.testing.assert_close(last, x, rtol=0, atol=1e-6)


def test_heun_is_exact_where_the_velocity_is_linear_in_time() -> None:
    """dz/dt = a + b·t: the mean of both ends is the integral. Euler is not exact, so the test can tell them apart."""
    a, b = triple(9)
    times = torch.tensor([1.0, 0.7, 0.4, 0.2])  # not to 0: the last step of a full grid is Euler by design

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        return a + b * t.double().view(-1, 1, 1)

    def true(t: float) -> Tensor:
        return a * t + b * t * t / 2

    ends = {s: list(s(velocity, true(1.0), times))[-1][0] for s in (flow.euler, flow.heun)}
    torch.testing.assert_close(ends[flow.heun], true(0.2), rtol=0, atol=1e-6)
    assert float((ends[flow.euler] - true(0.2)).abs().max()) > 0.01


@pytest.mark.parametrize(("sampler", "order"), [(flow.euler, 1), (flow.heun, 2)])
def test_order_on_a_smooth_field(sampler: object, order: int) -> None:
    """dz/dt = z·t has z(t) = e^(t²/2): halving the step divides the error by 2^order."""
    assert callable(sampler)

    def error(steps: int) -> float:
        times = torch.linspace(1, 0.25, steps + 1, dtype=torch.float64)
        start = torch.full((1, 1, 1), math.exp(0.5), dtype=torch.float64)
        z = list(sampler(lambda z, t: z * t.double().view(-1, 1, 1), start, times))[-1][0]
        return abs(float(z) - math.exp(0.25**2 / 2))

    assert math.log2(error(8) / error(16)) == pytest.approx(order, abs=0.25)


def test_evaluations_counted() -> None:
    def count(sampler: object, steps: int) -> int:
        calls: list[float] = []

        def velocity(z: Tensor, t: Tensor) -> Tensor:
            calls.append(float(t[0]))
            return torch.zeros_like(z)

        assert callable(sampler)
        list(sampler(velocity, torch.zeros(2, 1, 1), flow.time_grid(steps)))
        return len(calls)

    assert count(flow.euler, 5) == 5 and count(flow.heun, 5) == 9
