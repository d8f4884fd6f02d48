"""Muon and its Newton–Schulz steps, the two halves of the optimiser, and the running mean of the weights."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from sayso.models.specs import pocket
from sayso.models.unified import UnifiedModel
from sayso.training.optim import MOMENTUM, Mean, Muon, Optimiser, orthogonalise


def with_singular_values(out: int, into: int, values: Tensor, seed: int) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    u, _ = torch.linalg.qr(torch.randn(out, len(values), generator=g))
    v, _ = torch.linalg.qr(torch.randn(into, len(values), generator=g))
    return u * values @ v.T


@pytest.mark.parametrize(("out", "into"), [(48, 48), (192, 64), (64, 192), (8, 256), (256, 8)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_singular_values_are_pressed_into_a_band(out: int, into: int, scale: float) -> None:
    n = min(out, into)
    stack = torch.stack([scale * with_singular_values(out, into, torch.linspace(0.1, 1, n), seed) for seed in range(3)])
    pressed = orthogonalise(stack).float()
    values = torch.linalg.svdvals(pressed)
    assert pressed.shape == stack.shape and 0.6 < float(values.min()) and float(values.max()) < 1.3


def test_directions_are_kept() -> None:
    """The result is the polar factor of the input, but for the band of the singular values."""
    g = with_singular_values(40, 24, torch.linspace(0.3, 1, 24), 0)
    u, _, vh = torch.linalg.svd(g, full_matrices=False)
    inside = u.T @ orthogonalise(g[None])[0].float() @ vh.T
    assert float((inside - inside.diag().diag()).abs().max()) < 0.05 and float(inside.diag().min()) > 0.6
    wide, tall = orthogonalise(g.T[None])[0], orthogonalise(g[None])[0]
    assert torch.equal(wide.T, tall)


def test_no_gradient_no_update() -> None:
    assert torch.equal(orthogonalise(torch.zeros(2, 8, 4)).float(), torch.zeros(2, 8, 4))
    p = nn.Parameter(torch.ones(6, 4))
    Muon([p]).step(0.1)
    assert torch.equal(p, torch.ones(6, 4))


def test_a_step_is_the_nesterov_gradient_orthogonalised() -> None:
    g1, g2 = torch.randn(2, 12, 4, generator=torch.Generator().manual_seed(0))
    p = nn.Parameter(torch.zeros(12, 4))
    muon = Muon([p])
    for g in (g1, g2):
        p.grad = g.clone()
        before = p.detach().clone()
        muon.step(0.01)
    momentum = MOMENTUM * (1 - MOMENTUM) * g1 + (1 - MOMENTUM) * g2
    update = orthogonalise(((1 - MOMENTUM) * g2 + MOMENTUM * momentum)[None])[0].float()
    torch.testing.assert_close(p.detach(), before - 0.01 * 3**0.5 * update, rtol=0, atol=2e-4)  # √(out / in) for tall ones


def test_stacked_matrices_do_not_mix() -> None:
    g = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    together = [nn.Parameter(torch.zeros(8, 8)) for _ in range(3)]
    alone = [nn.Parameter(torch.zeros(8, 8)) for _ in range(3)]
    for group in (together, alone):
        for p, grad in zip(group, g, strict=True):
            p.grad = grad.clone()
    Muon(list(together)).step(0.1)
    for p in alone:
        Muon([p]).step(0.1)
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2e-3)


def test_a_matrix_without_a_gradient_rests() -> None:
    """Its weights and its momentum stay to the bit, beside others of its shape that move as if they were alone."""
    g = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    ps = [nn.Parameter(torch.ones(8, 8) * k) for k in range(3)]
    alone = nn.Parameter(torch.ones(8, 8) * 2)
    muon, single = Muon(list(ps)), Muon([alone])
    for p, grad in zip(ps, g[0], strict=False):
        p.grad = grad.clone()
    ps[2].grad = alone.grad = g[2, 0].clone()
    muon.step(0.1)
    single.step(0.1)
    before, momentum = [p.detach().clone() for p in ps], muon.momenta[0].clone()
    assert float(momentum[0].abs().max()) > 0
    ps[0].grad = ps[1].grad = None
    ps[2].grad, alone.grad = g[2, 1].clone(), g[2, 1].clone()
    muon.step(0.1)
    single.step(0.1)
    assert torch.equal(ps[0], before[0]) and torch.equal(ps[1], before[1]) and not torch.equal(ps[2], before[2])
    assert torch.equal(muon.momenta[0][:2], momentum[:2]) and torch.equal(muon.momenta[0][2], single.momenta[0][0])
    torch.testing.assert_close(ps[2], alone, rtol=0, atol=2e-3)
    ps[2].grad = None
    muon.step(0.1)
    assert torch.equal(muon.momenta[0][2], single.momenta[0][0])


def small() -> UnifiedModel:
    model = UnifiedModel(pocket(2, 50, 8))
    model.initialise(torch.Generator().manual_seed(0))
    return model


def take(model: UnifiedModel, optimiser: Optimiser, seed: int) -> None:
    """One update from a made-up gradient."""
    g = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        if not name.startswith("understand_norm"):  # some parameters never get one
            p.grad = torch.randn(p.shape, generator=g)
    optimiser.step(0.01, 0.002)


def test_matrices_of_layers_go_to_muon_and_all_else_to_adam() -> None:
    model = small()
    optimiser = Optimiser(model)
    names = {id(p): n for n, p in model.named_parameters()}
    muon = {names[id(p)] for group in optimiser.muon.groups for p in group}
    adam = {names[id(p)] for p in optimiser.rest}
    assert not muon & adam and muon | adam == set(names.values())
    assert all(n.startswith("layers.") and n.endswith("proj.weight") for n in muon)
    assert len(muon) == 2 * 2 * 7 and {"embed.weight", "patch_in.weight", "layers.0.draw.attention.q_norm.weight"} <= adam


def test_state_resumes_bit_for_bit() -> None:
    model = small()
    optimiser = Optimiser(model)
    for seed in range(3):
        take(model, optimiser, seed)
    twin = copy.deepcopy(model)
    other = Optimiser(twin)
    other.load({k: t.clone() for k, t in optimiser.state().items()})
    assert optimiser.state().keys() == other.state().keys()
    for seed in range(3, 6):
        take(model, optimiser, seed)
        take(twin, other, seed)
    assert [n for (n, a), b in zip(model.named_parameters(), twin.parameters(), strict=True) if not torch.equal(a, b)] == []
    assert all(torch.equal(t, other.state()[k]) for k, t in optimiser.state().items())


def test_a_fresh_optimiser_would_not_resume() -> None:
    """What the test above protects from: without its state the next update is another one."""
    model = small()
    optimiser = Optimiser(model)
    take(model, optimiser, 0)
    twin = copy.deepcopy(model)
    take(model, optimiser, 1)
    take(twin, Optimiser(twin), 1)
    assert not torch.equal(model.embed.weight, twin.embed.weight)


def test_gradients_are_cleared() -> None:
    model = small()
    take(model, Optimiser(model), 0)
    assert all(p.grad is None for p in model.parameters())


def test_the_mean_starts_near_the_weights_and_slows_down() -> None:
    layer = nn.Linear(3, 2, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
    mean = Mean(layer, limit=0.9)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    assert float(mean.state()["weight"].max()) == 0  # a copy, not a view
    expected = 0.0
    for step in range(1, 120):
        mean.update(layer, step)
        decay = min(0.9, 1 - 10 / (step + 10))
        expected = decay * expected + (1 - decay)
        assert float(mean.state()["weight"][0, 0]) == pytest.approx(expected, abs=1e-6)
    other = Mean(nn.Linear(3, 2, bias=False), limit=0.9)
    other.load(mean.state())
    assert torch.equal(other.state()["weight"], mean.state()["weight"])
