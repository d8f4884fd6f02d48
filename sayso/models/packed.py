"""Many pictures and their guidance branches in one pass: rows packed end to end, keys and values written in place.

While pictures are denoised, what stands before them does not change. So each branch (one picture after one context) gets
slots for its keys and values once, with the context's copied in; a pass writes the picture's own behind them. All rows
go through the linear layers together, so that the weights are read once; attention runs branch by branch, or for a run of
branches of equal lengths at once. Lengths may differ freely: nothing is padded and nothing is masked.

The slow twin is `UnifiedModel.predict`, branch by branch.

Axes: N branches, M marks of a picture (2 or 0), P patches, R patches of all chosen branches, S rows before a picture,
H heads, D head width, C model width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.models.unified import Cache, Expert, Layer, UnifiedModel, attend, rotations

Project = Callable[[Expert, Tensor, Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
Finish = Callable[[Expert, Tensor, Tensor], Tensor]
Rows = tuple[Tensor, Tensor]  # marks [1, N · M, C], patches [1, R, C]


@dataclass(frozen=True)
class Branch:
    """One picture after one context. `cache`: a single unpadded sequence, None = nothing; `start`: the picture's position."""

    picture: int
    cache: Cache | None
    start: int


@dataclass(frozen=True)
class Run:
    """Branches of one group that stand side by side in the pack: slots `first` to `first + count`, rows from these on."""

    group: int
    first: int
    count: int
    marks: int
    patches: int


@dataclass(frozen=True)
class Selection:
    """The branches of a pass in the pack's order, and everything about them that no step changes."""

    branches: tuple[int, ...]
    gather: Tensor  # [R] into the patches of all pictures
    turns: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]
    runs: tuple[Run, ...]
    lengths: tuple[int, ...]  # patches of each branch


class _Group:
    """Branches with equal S and P. `slots`: for each layer keys and values [G, H_kv, S + M + P, D]."""

    def __init__(self, model: UnifiedModel, members: list[int], branches: Sequence[Branch], S: int, M: int, P: int, dtype: torch.dtype):
        spec, device = model.spec, model.embed.weight.device
        self.members, self.S, self.P = members, S, P
        self.slots = []
        for index in range(spec.layers):
            shape = (len(members), spec.kv_heads, S + M + P, spec.head_width)
            pair = torch.empty(shape, dtype=dtype, device=device), torch.empty(shape, dtype=dtype, device=device)
            for place, member in enumerate(members):
                cache = branches[member].cache
                if cache is not None:
                    for slot, past in zip(pair, cache.layers[index], strict=True):
                        slot[place, :, :S] = past[0]
            self.slots.append(pair)


class Packed:
    """The branches of a batch of pictures. `grids`: (rows, columns) of patches of each picture.

    `project` and `finish` may be compiled forms of the expert's two halves.
    """

    def __init__(
        self,
        model: UnifiedModel,
        branches: Sequence[Branch],
        grids: Sequence[tuple[int, int]],
        dtype: torch.dtype,
        project: Project = Expert.project,
        finish: Finish = Expert.finish,
    ):
        assert all(b.cache is None or b.cache.valid is None for b in branches)
        self.model, self.branches, self.dtype, self.project, self.finish = model, branches, dtype, project, finish
        self.grids = list(grids)
        counts = [rows * columns for rows, columns in grids]
        self.offsets = [sum(counts[:i]) for i in range(len(counts) + 1)]
        self.places = torch.cat([model.place_rows(model.where(*grid), dtype) for grid in grids])
        self.mark = model.mark_rows(1, dtype)
        self.M = self.mark.shape[1]
        alike: dict[tuple[int, int], list[int]] = {}
        for i, branch in enumerate(branches):
            S = 0 if branch.cache is None else branch.cache.layers[0][0].shape[2]
            alike.setdefault((S, counts[branch.picture]), []).append(i)
        self.groups = [_Group(model, members, branches, S, self.M, P, dtype) for (S, P), members in alike.items()]
        self.selections: dict[frozenset[int], Selection] = {}

    def select(self, chosen: Sequence[int]) -> Selection:
        """What a pass over these branches needs; made once for each choice."""
        key = frozenset(chosen)
        if key not in self.selections:
            self.selections[key] = self._selection(key)
        return self.selections[key]

    def _selection(self, chosen: frozenset[int]) -> Selection:
        runs: list[Run] = []
        order: list[int] = []
        patches = 0
        for nth, group in enumerate(self.groups):
            for place, member in enumerate(group.members):
                if member not in chosen:
                    continue
                last = runs[-1] if runs else None
                if last is not None and last.group == nth and last.first + last.count == place:
                    runs[-1] = Run(nth, last.first, last.count + 1, last.marks, last.patches)
                else:
                    runs.append(Run(nth, place, 1, len(order) * self.M, patches))
                order.append(member)
                patches += group.P
        device = self.places.device
        pictures = [self.branches[i].picture for i in order]
        gather = torch.cat([torch.arange(self.offsets[p], self.offsets[p + 1], device=device) for p in pictures])
        starts = torch.tensor([float(self.branches[i].start) for i in order], device=device)
        lengths = tuple(self.offsets[p + 1] - self.offsets[p] for p in pictures)
        marks = starts.repeat_interleave(self.M)[None, :, None]
        sequence = torch.cat([starts[i].expand(length) for i, length in enumerate(lengths)])
        where = torch.cat([self.model.where(*self.grids[p]) for p in pictures]).float()
        turns = tuple(
            (cos.to(self.dtype), sin.to(self.dtype))
            for positions in (marks, torch.cat((sequence[:, None], where), dim=-1)[None])
            for cos, sin in (rotations(self.model._positions(positions), self.model.spec),)
        )
        return Selection(tuple(order), gather, turns, tuple(runs), lengths)  # type: ignore[arg-type]

    def enter(self, z: Tensor, time: Tensor, chosen: Selection) -> Rows:
        """Patches of all pictures [·, patch_channels] and a time's row [C] → the rows before the first layer."""
        z = z.to(self.dtype)
        rows = self.model.patch_in(z if self.model.squeeze is None else self.model.squeeze(z)) + self.places + time
        marks = self.mark.expand(len(chosen.branches), -1, -1).reshape(1, -1, rows.shape[-1])
        return marks, rows[chosen.gather][None]

    def through(self, rows: Rows, chosen: Selection, first: int, last: int) -> Rows:
        """The rows after layers first … last − 1."""
        for index in range(first, last):
            rows = self._layer(index, self.model.layers[index], rows, chosen)  # type: ignore[arg-type]
        return rows

    def _layer(self, index: int, layer: Layer, rows: Rows, chosen: Selection) -> Rows:
        experts = [e for e, x in zip((layer.understand, layer.draw), rows, strict=True) if x.shape[1]]
        turns = [turn for turn, x in zip(chosen.turns, rows, strict=True) if x.shape[1]]
        filled = [x for x in rows if x.shape[1]]
        parts = [self.project(e, x, *turn) for e, x, turn in zip(experts, filled, turns, strict=True)]
        outs = [torch.empty_like(q) for q, _, _ in parts]
        for run in chosen.runs:
            self._attend(run, self.groups[run.group], index, parts, outs, layer.grouped)
        done = iter(self.finish(e, x, y) for e, x, y in zip(experts, filled, outs, strict=True))
        marks, patches = (next(done) if x.shape[1] else x for x in rows)
        return marks, patches

    def _attend(
        self, run: Run, group: _Group, index: int, parts: Sequence[tuple[Tensor, Tensor, Tensor]], outs: list[Tensor], grouped: bool
    ) -> None:
        """Writes the run's keys and values [1, H, ·, D] into its slots, attends, and puts the result in its place in `outs`."""
        spans = [(run.patches, group.P)] if self.M == 0 else [(run.marks, self.M), (run.patches, group.P)]
        keys, values = (slot[run.first : run.first + run.count] for slot in group.slots[index])
        at, queries = group.S, []
        for (q, k, v), (begin, length) in zip(parts, spans, strict=True):
            cut = slice(begin, begin + run.count * length)
            for slot, new in ((keys, k), (values, v)):
                slot[:, :, at : at + length] = new[0, :, cut].unflatten(1, (run.count, length)).transpose(0, 1)
            queries.append(q[0, :, cut].unflatten(1, (run.count, length)).transpose(0, 1))
            at += length
        y = attend(torch.cat(queries, dim=2) if len(queries) > 1 else queries[0], keys, values, None, False, grouped)
        at = 0
        for out, (begin, length) in zip(outs, spans, strict=True):
            piece = y[:, :, at : at + length].transpose(0, 1).flatten(1, 2)
            out[0, :, begin : begin + run.count * length] = piece
            at += length

    def leave(self, rows: Tensor) -> Tensor:
        """Patches after the last layer [1, R, C] → the head's output [R, patch_channels]."""
        return self.model.patch_out(self.model.draw_norm(rows))[0]

    def predict(self, z: Tensor, time: Tensor, chosen: Selection) -> Tensor:
        """One whole pass: the head's output [R, patch_channels] of the chosen branches, in the selection's order."""
        rows = self.through(self.enter(z, time, chosen), chosen, 0, len(self.model.layers))
        return self.leave(rows[1])


class Writing:
    """Several texts continued piece by piece at once, each after its own context, with room for `limit` pieces.

    The slow twin is `UnifiedModel.read` with one piece at a time.
    """

    def __init__(self, model: UnifiedModel, caches: Sequence[Cache], starts: Sequence[int], limit: int, dtype: torch.dtype):
        self.model, self.dtype = model, dtype
        self.position = torch.tensor([float(s) for s in starts], device=model.embed.weight.device)
        self.lengths = [cache.layers[0][0].shape[2] for cache in caches]
        self.slots = []
        for index in range(model.spec.layers):
            pairs = []
            for cache, length in zip(caches, self.lengths, strict=True):
                room = [x.new_empty(1, x.shape[1], length + limit, x.shape[3]) for x in cache.layers[index]]
                for slot, past in zip(room, cache.layers[index], strict=True):
                    slot[:, :, :length] = past
                pairs.append(room)
            self.slots.append(pairs)

    def step(self, ids: list[int]) -> Tensor:
        """Feeds one piece to each text; logits [N, vocab] of the next ones."""
        model = self.model
        x = F.embedding(torch.tensor([ids], device=self.position.device), model.embed.weight).to(self.dtype)
        cos, sin = (turn.to(self.dtype) for turn in rotations(model._positions(self.position[None, :, None]), model.spec))
        for index, layer in enumerate(model.layers):
            assert isinstance(layer, Layer)
            expert = layer.understand
            q, k, v = expert.project(x, cos, sin)
            ys = []
            for n, (length, pair) in enumerate(zip(self.lengths, self.slots[index], strict=True)):
                for slot, new in zip(pair, (k, v), strict=True):
                    slot[:, :, length : length + 1] = new[:, :, n : n + 1]
                keys, values = (slot[:, :, : length + 1] for slot in pair)
                ys.append(attend(q[:, :, n : n + 1], keys, values, None, False, layer.grouped))
            x = expert.finish(x, torch.cat(ys, dim=2))
        self.lengths = [length + 1 for length in self.lengths]
        self.position = self.position + 1
        return model.logits(model.understand_norm(x))[0]

    def keep(self, which: Sequence[int]) -> None:
        """Goes on with these texts only, by their place."""
        self.position = self.position[torch.tensor(list(which), dtype=torch.long, device=self.position.device)]
        self.lengths = [self.lengths[n] for n in which]
        self.slots = [[pairs[n] for n in which] for pairs in self.slots]
