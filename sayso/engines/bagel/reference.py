"""The slow twins of the sampler: the published schedule written out plainly, one branch after another.

`whole_sequence` runs a branch's whole sequence, context and picture, in one pass with an explicit mask and keeps nothing.
`after_cache` keeps the context's keys and values, as the published code does, and puts new ones behind them at every step.
Both run every branch of the published code, also those that equal another.

Axes: U understand rows, P draw rows of a whole sequence, T = U + P, C model width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.engines.bagel.contexts import Context
from sayso.engines.bagel.glue import PATCH
from sayso.engines.bagel.reading import Reader, Seen
from sayso.engines.bagel.sampling import Job, guidance_of, on
from sayso.models import flow
from sayso.models.codecs.vae import to_tokens
from sayso.models.guidance import combine
from sayso.models.unified import Block, UnifiedModel, attend, rotations

Branch = Callable[[Tensor, Tensor], Tensor]


def rows_of(reader: Reader, context: Context, seen: Sequence[Seen], noises: Sequence[Tensor | None]) -> list[Block]:
    """A context as blocks of rows, what the eyes and the autoencoder have to say computed once. B = 1."""
    model, dtype = reader.model, reader.dtype
    assert model.vision is not None
    marks = model.mark_rows(1, dtype)
    blocks = []
    for piece, at in context.pieces:
        none = marks[:, :0]
        if piece.kind == "text":
            ids = torch.tensor([[reader.words.marks[0], *piece.ids, reader.words.marks[1]]], device=reader.device)
            text = F.embedding(ids, model.embed.weight).to(dtype)
            steps = torch.arange(at, at + text.shape[1], device=reader.device)[None, :, None]
            blocks.append(Block(text, none, steps, steps[:, :0], causal=True))
        elif piece.kind == "vision":
            pixels = seen[piece.picture].vision.to(reader.device, model.vision.patch_in.weight.dtype)
            eyes = torch.cat((marks[:, :1], model.vision(pixels).to(dtype), marks[:, 1:]), dim=1)
            blocks.append(_full(eyes, none, at))
        else:
            latent = reader.encoded(piece, seen[piece.picture], noises[piece.picture])
            z = to_tokens(latent, PATCH).to(dtype)
            where = model.where(latent.shape[2] // PATCH, latent.shape[3] // PATCH)
            blocks.append(_full(marks, patch_rows(model, z, torch.zeros(1, device=reader.device), where), at))
    return blocks


def _full(understand: Tensor, draw: Tensor, at: int) -> Block:
    first, second = (torch.full((1, rows.shape[1], 1), float(at), device=rows.device) for rows in (understand, draw))
    return Block(understand, draw, first, second, causal=False)


def patch_rows(model: UnifiedModel, z: Tensor, t: Tensor, where: Tensor) -> Tensor:
    return model.patch_in(z) + model.place_rows(where, z.dtype) + model.time(t, z.dtype)[:, None]


def mask_of(blocks: Sequence[Block]) -> Tensor:
    """bool [T, T] over all understand rows, then all draw rows: earlier blocks, and in its own what a block lets a row see."""
    owner, order, causal = [], [], []
    for rows in ("understand", "draw"):
        for nth, block in enumerate(blocks):
            count = getattr(block, rows).shape[1]
            owner += [nth] * count
            order += list(range(count))
            causal += [block.causal] * count
    device = blocks[0].understand.device
    whose, place, only = (torch.tensor(x, device=device) for x in (owner, order, causal))
    same = whose[:, None] == whose[None]
    return (whose[None] < whose[:, None]) | (same & (~only[:, None] | (place[None] <= place[:, None])))


def whole_sequence(model: UnifiedModel, blocks: Sequence[Block], mask: Tensor) -> Tensor:
    """Draw rows of the last block after all layers and the norm [1, P of that block, C]; nothing is kept."""
    rows = [torch.cat([getattr(b, name) for b in blocks], dim=1) for name in ("understand", "draw")]
    positions = [torch.cat([getattr(b, f"{name}_positions").float() for b in blocks], dim=1) for name in ("understand", "draw")]
    turns = [[x.to(rows[0].dtype) for x in rotations(p, model.spec)] for p in positions]
    U = rows[0].shape[1]
    for layer in model.layers:
        experts = (layer.understand, layer.draw)
        parts = [e.project(x, *turn) for e, x, turn in zip(experts, rows, turns, strict=True)]  # type: ignore[operator,union-attr]
        q, k, v = (torch.cat(p, dim=2) for p in zip(*parts, strict=True))
        y = attend(q, k, v, mask, False, bool(layer.grouped))
        pieces = (y[:, :, :U], y[:, :, U:])
        rows = [e.finish(x, piece) for e, x, piece in zip(experts, rows, pieces, strict=True)]  # type: ignore[operator,union-attr]
    return model.draw_norm(rows[1][:, -blocks[-1].draw.shape[1] :])


def uncached(reader: Reader, context: Context, job: Job, seen: Sequence[Seen], noises: Sequence[Tensor | None]) -> Branch:
    """One branch's velocity, its whole sequence run anew each time."""
    model = reader.model
    before, where = rows_of(reader, context, seen, noises), model.where(job.rows, job.columns)
    marks = model.mark_rows(1, reader.dtype)
    mask: list[Tensor] = []

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        picture = _full(marks, patch_rows(model, z.to(reader.dtype), t, where), context.end)
        if not mask:
            mask.append(mask_of([*before, picture]))
        return model.patch_out(whole_sequence(model, [*before, picture], mask[0]))

    return velocity


def after_cache(reader: Reader, context: Context, job: Job, seen: Sequence[Seen], noises: Sequence[Tensor | None]) -> Branch:
    """One branch's velocity after its context's keys and values, which were read once."""
    model = reader.model
    cache, where = reader.cache(context, seen, noises), model.where(job.rows, job.columns)
    start = torch.tensor([float(context.end)], device=reader.device)

    def velocity(z: Tensor, t: Tensor) -> Tensor:
        return model.predict(z.to(reader.dtype), t, where, start, cache)

    return velocity


@torch.no_grad()
def denoise(reader: Reader, job: Job, seen: Sequence[Seen], noises: Sequence[Tensor | None], way: Callable[..., Branch]) -> Tensor:
    """The finished patches of one picture, float32 [P, C]. `way`: `uncached` or `after_cache`."""
    contexts, s = job.contexts, job.settings
    branch = {name: way(reader, context, job, seen, noises) for name, context in
              (("whole", contexts.whole), ("wordless", contexts.wordless), ("pictureless", contexts.pictureless)) if context is not None}
    times = flow.time_grid(s.steps, s.shift)
    z = job.noise[None].to(reader.device)
    for now, then in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
        t = torch.tensor([now], device=z.device)
        acts = on(s, now)
        c = branch["whole"](z, t).float()
        w = branch["wordless"](z, t).float() if acts and s.words > 1 and "wordless" in branch else None
        p = branch["pictureless"](z, t).float() if acts and s.pictures > 1 and "pictureless" in branch else None
        z = z + (then - now) * combine(c[0], None if w is None else w[0], None if p is None else p[0], guidance_of(s))[None]
    return z[0]
