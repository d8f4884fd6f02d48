"""Muon for the matrices of the blocks, AdamW for everything else, and the running mean of the weights.

Muon: Jordan et al. 2024 ("Muon: an optimizer for hidden layers"): Nesterov momentum, then the nearest semi-orthogonal
matrix by five Newton–Schulz steps, in bfloat16 where that is quick. Matrices of one shape are stacked and updated together.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sayso.engines.machine import quick_dtype

MOMENTUM = 0.95
_NS = (3.4445, -4.7750, 2.0315)  # the quintic's coefficients, from the reference above


def orthogonalise(g: Tensor) -> Tensor:
    """[N, out, in] → the same, singular values pressed into about 0.7..1.2."""
    a, b, c = _NS
    x = g.to(quick_dtype(g.device))
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.mT


class Muon:
    def __init__(self, parameters: list[nn.Parameter]):
        shapes: dict[tuple[int, ...], list[nn.Parameter]] = {}
        for p in parameters:
            shapes.setdefault(tuple(p.shape), []).append(p)
        self.groups: list[list[Tensor]] = [list(g) for g in shapes.values()]
        self.momenta = [torch.zeros(len(g), *g[0].shape, device=g[0].device) for g in self.groups]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for group, momentum in zip(self.groups, self.momenta, strict=True):
            mine = [i for i, p in enumerate(group) if p.grad is not None]  # an expert that had no rows in this step rests
            if not mine:
                continue
            grads = torch.stack([group[i].grad for i in mine])  # type: ignore[misc]
            moved = momentum[mine].lerp_(grads, 1 - MOMENTUM)
            momentum[mine] = moved
            update = orthogonalise(grads.lerp_(moved, MOMENTUM)).float()
            out, into = group[0].shape
            torch._foreach_add_([group[i] for i in mine], list(update.unbind()), alpha=-rate * max(1.0, out / into) ** 0.5)

    def state(self) -> dict[str, Tensor]:
        return {f"muon.{i}": m for i, m in enumerate(self.momenta)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        for i, m in enumerate(self.momenta):
            m.copy_(tensors[f"muon.{i}"])


class Optimiser:
    """Both halves over one model and a head that only training has; state goes in and out as named tensors."""

    def __init__(self, model: nn.Module, head: nn.Module | None = None):
        named = [*model.named_parameters(), *([] if head is None else head.named_parameters(prefix="head"))]
        blocks = [p for n, p in named if n.startswith("layers.") and p.dim() == 2]
        mine = {id(p) for p in blocks}
        self.rest = [p for _, p in named if id(p) not in mine]
        self.muon = Muon(blocks)
        self.adam = torch.optim.AdamW(self.rest, lr=0.0, betas=(0.9, 0.95), weight_decay=0.0, fused=True)

    def step(self, muon_rate: float, adam_rate: float) -> None:
        """One update from the gradients at hand, which are cleared."""
        self.muon.step(muon_rate)
        self.adam.param_groups[0]["lr"] = adam_rate
        self.adam.step()
        for group in self.muon.groups:
            for p in group:
                p.grad = None
        self.adam.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        out = self.muon.state()
        for i, p in enumerate(self.rest):
            for key, value in self.adam.state.get(p, {}).items():
                out[f"adam.{i}.{key}"] = value
        return out

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Inverse of `state`."""
        self.muon.load(tensors)
        for i, p in enumerate(self.rest):
            prefix = f"adam.{i}."
            found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            if found:
                self.adam.state[p] = {k: v.to("cpu" if k == "step" and p.device.type == "cpu" else p.device) for k, v in found.items()}


class Mean:
    """Exponential running mean of the weights; young means forget faster: decay = min(limit, 1 − 10 / (step + 10))."""

    def __init__(self, model: nn.Module, limit: float = 0.999):
        self.limit = limit
        self.names = [n for n, _ in model.named_parameters()]
        self.values = [p.detach().clone() for p in model.parameters()]

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.limit, 1 - 10 / (step + 10))
        torch._foreach_lerp_(self.values, [p.detach() for p in model.parameters()], 1 - decay)

    def state(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.values, strict=True))

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        for name, value in zip(self.names, self.values, strict=True):
            value.copy_(tensors[name])
