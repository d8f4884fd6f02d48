"""Thoughts and answers, piece by piece, for several contexts at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sayso.models.packed import Writing
from sayso.models.unified import Cache, UnifiedModel


@dataclass(frozen=True)
class Draft:
    """One text to be continued after `cache`. `limit`: pieces fed at most, the begin mark among them. `seed` acts with a temperature."""

    cache: Cache
    start: int
    limit: int
    temperature: float
    seed: int


def write(
    model: UnifiedModel, drafts: Sequence[Draft], begin: int, end: int, dtype: torch.dtype,
    watch: Callable[[int, Tensor], None] | None = None,
) -> Iterator[tuple[int, int]]:
    """Yields (which draft, piece) until each has said its end mark or reached its limit; marks are not yielded.

    A draft's last piece is one that was fed, as in the release: what is sampled at the limit is dropped. `watch` is shown
    each draft's logits [vocab].
    """
    live = list(range(len(drafts)))
    generators = [torch.Generator().manual_seed(d.seed) for d in drafts]
    writing = Writing(model, [d.cache for d in drafts], [d.start for d in drafts], max(d.limit for d in drafts), dtype)
    ids = [begin] * len(drafts)
    fed = 0
    while live:
        logits = writing.step(ids).float()
        fed += 1
        going = []
        for place, n in enumerate(live):
            if watch is not None:
                watch(n, logits[place])
            ids[place] = _pick(logits[place], drafts[n].temperature, generators[n])
            if ids[place] != end and fed < drafts[n].limit:
                going.append(place)
                yield n, ids[place]
        if len(going) < len(live):
            writing.keep(going)
            live, ids = [live[p] for p in going], [ids[p] for p in going]


def _pick(logits: Tensor, temperature: float, generator: torch.Generator) -> int:
    """The likeliest piece, or one drawn with its probability; drawn on the CPU, so that every device draws alike."""
    if temperature == 0:
        return int(logits.argmax())
    return int(torch.multinomial((logits / temperature).softmax(-1).cpu(), 1, generator=generator))
