"""The adversarial polish of a student: a judge of the teacher's inner rows tells drawn from exact, and the student learns to pass.

After Sauer et al. 2024 ("Fast High-Resolution Image Synthesis with Latent Adversarial Diffusion Distillation"): the frozen
teacher looks at noised pictures, small heads on its rows at several depths give a score to every patch, with a hinge loss and
a penalty on the slope at exact pictures (Mescheder et al. 2018). Exact pictures are endless, so that the heads cannot learn
them by heart. The student also keeps to the teacher's path.

Axes: B samples, T patches, C model width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sayso.models import flow
from sayso.models.unified import Cache, UnifiedModel
from sayso.training.distil import DistilConfig, Read, land, stride_velocity
from sayso.training.stream import Batch

ADVERSARIAL = 0.2  # weight beside keeping to the path
SLOPE = 0.01  # weight of the penalty
HEADS_FASTER = 10.0  # the heads' rate over the student's


class Heads(nn.Module):
    """One small network on the teacher's draw rows at each of `depths`: [B, T, C] → [B, T]."""

    def __init__(self, width: int, layers: int):
        super().__init__()
        self.depths = tuple(sorted({max(1, round(layers * part)) for part in (0.25, 0.5, 0.75, 1.0)}))
        self.heads = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)) for _ in self.depths)

    def forward(self, rows: list[Tensor]) -> Tensor:
        """The mean score of each patch [B, T]."""
        scores = [head(F.rms_norm(x, (x.shape[-1],)))[..., 0] for head, x in zip(self.heads, rows, strict=True)]
        return torch.stack(scores).mean(0)


@contextmanager
def _watched(model: UnifiedModel, depths: tuple[int, ...]) -> Iterator[list[Tensor]]:
    """The draw rows that come out of the layers of these depths (1 = the first) while it is open."""
    seen: list[Tensor] = []

    def keep(module: nn.Module, given: object, out: tuple[tuple[Tensor, Tensor], object]) -> None:
        seen.append(out[0][1])

    handles = [model.layers[depth - 1].register_forward_hook(keep) for depth in depths]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def scores(
    heads: Heads, teacher: UnifiedModel, x: Tensor, t: Tensor, noise: Tensor, start: Tensor, cache: Cache, where: Tensor, dtype: torch.dtype
) -> tuple[Tensor, list[Tensor]]:
    """(score of each patch [B, T], the rows it is made from) of pictures x [B, T, P] noised to t."""
    with _watched(teacher, heads.depths) as seen:
        teacher.predict(flow.mix(x, noise, t).to(dtype), t, where, start, cache)
    rows = [row.float() for row in seen]
    return heads(rows), rows


def heads_loss(drawn: Tensor, exact: Tensor, rows: list[Tensor]) -> Tensor:
    """Hinge loss of patch scores, and the squared slope of the exact pictures' scores by their rows."""
    hinge = F.relu(1 + drawn).mean() + F.relu(1 - exact).mean()
    slopes = torch.autograd.grad(exact.sum(), rows, create_graph=True)
    return hinge + SLOPE * torch.stack([s.square().sum((1, 2)).mean() for s in slopes]).mean()


def draw_ahead(
    student: UnifiedModel, words: Read, batch: Batch, config: DistilConfig, generator: torch.Generator, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """(x̂ with gradients, the point it was drawn from, its time): the student's own state after some of its strides."""
    device = batch.patches.device
    noise = torch.randn(batch.patches.shape, generator=generator, device=device)
    stop = int(torch.randint(0, config.grid, (1,), generator=generator, device=device))
    with torch.no_grad():
        z = land(student, words.student, words.start, noise, batch.coordinates, config.grid, stop, dtype)
    t = torch.full((len(z),), 1 - stop / config.grid, device=device)
    stride = torch.full_like(t, 1 / config.grid)
    u = stride_velocity(student, words.student, words.start, z, t, stride, batch.coordinates, dtype)
    return flow.data_of_velocity(u, z, t), z, t


def polish_losses(
    student: UnifiedModel,
    teacher: UnifiedModel,
    heads: Heads,
    words: Read,
    batch: Batch,
    config: DistilConfig,
    generator: torch.Generator,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """(adversarial loss of the student, loss of the heads) of one bucket; each backward touches its own weights only."""
    B = len(batch.ids)
    x_hat, _, _ = draw_ahead(student, words, batch, config, generator, dtype)
    device = x_hat.device
    t = torch.sigmoid(0.4 + torch.randn(B, generator=generator, device=device))
    noise = torch.randn(batch.patches.shape, generator=generator, device=device)
    told = words.teacher.pick(torch.arange(B, device=device))
    assert told.cache is not None
    place = (told.start, told.cache, batch.coordinates, dtype)
    passing, _ = scores(heads, teacher, x_hat, t, noise, *place)
    with torch.no_grad():
        _, drawn_rows = scores(heads, teacher, x_hat, t, noise, *place)
        _, exact_rows = scores(heads, teacher, batch.patches, t, noise, *place)
    exact_rows = [r.requires_grad_(True) for r in exact_rows]
    judged = heads_loss(heads(drawn_rows), heads(exact_rows), exact_rows)
    return -passing.mean(), judged
