"""Sequences of words and pictures for the unified model: read as context, continued in words.

Axes: B sequences of one structure, U pieces, T patches, C values of a patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sayso.engines.spelling import Spelling
from sayso.models.tokens import Pieces
from sayso.models.unified import Cache, UnifiedModel
from sayso.models.writer import Writer

LEAST = 0.5  # min-p of what is written after a prompt
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
            context = Context(model.show(x, coordinates, context.start, context.cache).cache, context.start + 1)
            continue
        lines = [b for b in blocks if isinstance(b, list)]
        longest = max(map(len, lines))
        ids = torch.tensor([line + [pieces.pad] * (longest - len(line)) for line in lines], device=device)
        lengths = torch.tensor([len(line) for line in lines], device=device)
        alike = len({len(line) for line in lines}) == 1
        out = model.read(ids, None if alike else lengths, context.cache, context.start, dtype)
        context = Context(out.cache, context.start + lengths)
    return context


def write(
    writer: Writer, pieces: Pieces, context: Context, limit: int, warmth: float, seeds: Sequence[int], spellings: Sequence[Spelling]
) -> list[str]:
    """Continues sequences in words, piece by piece, each up to its end mark or `limit` pieces, spelt as its spelling says.

    `warmth` 0 takes the likeliest piece; otherwise pieces are drawn at that temperature, by each sequence's seed, of those
    that are at least LEAST times as likely as the likeliest (min-p, Nguyen et al. 2024).
    """
    lots = [torch.Generator().manual_seed(seed) for seed in seeds]
    lines: list[list[int]] = [[pieces.begin] for _ in seeds]
    open_ = list(range(len(seeds)))
    writing = writer.begin(context.cache, context.start, limit)
    while open_ and len(lines[open_[0]]) < limit:
        scores = writing([line[-1] for line in lines])
        scores[:, [pieces.pad, pieces.begin]] = float("-inf")
        for b in tuple(open_):
            scores[b, spellings[b].barred(lines[b])] = float("-inf")
            if may := spellings[b].after(lines[b]):
                rest = scores[b, may]
                scores[b] = float("-inf")
                scores[b, may] = rest
            nth = _chosen(scores[b], warmth, lots[b])
            if nth == pieces.end:
                open_.remove(b)
            else:
                lines[b].append(nth)
    return [pieces.decode(line) for line in lines]


def _chosen(scores: Tensor, warmth: float, lots: torch.Generator) -> int:
    """One piece of the scores [vocab]."""
    if warmth == 0:
        return int(scores.argmax())
    chances = scores.softmax(-1)
    scores[chances < LEAST * chances.max()] = float("-inf")
    return int(torch.multinomial((scores / warmth).softmax(-1), 1, generator=lots))
