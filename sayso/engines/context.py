"""Sequences of words and pictures for the unified model: read as context, continued in words.

Axes: B sequences of one structure, U pieces, T patches, C values of a patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sayso.models.tokens import Pieces
from sayso.models.unified import Cache, UnifiedModel

LEAST = 0.1
Row = list["list[int] | Tensor"]
"""One sequence: ids of words with their marks, or clean patches [T, C], in order."""


@dataclass(frozen=True, eq=False)
class Context:
    """What stands before. `start` [B]: the position of what comes next."""

    cache: Cache | None
    start: Tensor

    def pick(self, rows: Tensor) -> Context:
        """The sequences of these indices, in that order."""
        if self.cache is None:
            return Context(None, self.start[rows])
        layers = tuple((k[rows], v[rows]) for k, v in self.cache.layers)
        return Context(Cache(layers, None if self.cache.valid is None else self.cache.valid[rows]), self.start[rows])


@torch.no_grad()
def read(model: UnifiedModel, pieces: Pieces, rows: Sequence[Row], coordinates: Tensor, dtype: torch.dtype) -> Context:
    """Reads sequences whose kinds of blocks agree; words of different lengths are padded."""
    device = model.embed.weight.device
    context = Context(None, torch.zeros(len(rows), device=device))
    for blocks in zip(*rows, strict=True):
        if isinstance(blocks[0], Tensor):
            x = torch.stack([b for b in blocks if isinstance(b, Tensor)]).to(device, dtype)
            context = Context(model.show(x, coordinates, context.start, context.cache), context.start + 1)
            continue
        lines = [b for b in blocks if isinstance(b, list)]
        longest = max(map(len, lines))
        ids = torch.tensor([line + [pieces.pad] * (longest - len(line)) for line in lines], device=device)
        lengths = torch.tensor([len(line) for line in lines], device=device)
        alike = len({len(line) for line in lines}) == 1
        out = model.read(ids, None if alike else lengths, context.cache, context.start, dtype)
        context = Context(out.cache, context.start + lengths)
    return context


@torch.no_grad()
def write(
    model: UnifiedModel,
    pieces: Pieces,
    context: Context,
    limit: int,
    dtype: torch.dtype,
    begin: str = "",
    warmth: float = 0.0,
    seed: int = 0,
) -> str:
    """Continues one sequence in words, piece by piece, up to the end mark or `limit` pieces.

    `begin`: how the words begin. `warmth` 0 takes the likeliest piece; otherwise pieces are drawn at that temperature, of those
    that are at least LEAST times as likely as the likeliest (min-p, Nguyen et al. 2024).
    """
    generator = torch.Generator().manual_seed(seed)
    ids = pieces.encode(begin)[:-1]  # without the end mark
    device = model.embed.weight.device
    cache, start = context.cache, context.start
    new = ids
    while len(ids) < limit:
        out = model.read(torch.tensor([new], device=device), None, cache, start, dtype)
        cache, start = out.cache, start + len(new)
        scores = model.logits(out.understand[:, -1:])[0, 0].float().cpu()
        scores[[pieces.pad, pieces.begin]] = float("-inf")
        if warmth > 0:
            chances = scores.softmax(-1)
            scores[chances < LEAST * chances.max()] = float("-inf")
            nth = int(torch.multinomial((scores / warmth).softmax(-1), 1, generator=generator))
        else:
            nth = int(scores.argmax())
        if nth == pieces.end:
            break
        ids = [*ids, nth]
        new = [nth]
    return pieces.decode(ids)
