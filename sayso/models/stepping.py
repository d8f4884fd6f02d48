"""How the passes of a sampler are spent: each whole, replayed from a graph, or foreseen from earlier ones.

`Whole` is exact. `Replayed` is the same pass, recorded once by the graphics card and started as one piece. `Foreseen` and
`Remembered` skip work and are lossy: a forecast of the last layer's rows from their differences (Liu et al. 2025,
"From Reusing to Forecasting": TaylorSeer), and the reuse of what all but the first layers added while the first layers'
own change is small (first-block caching, after Liu et al. 2024, "Timestep Embedding Tells": TeaCache).

Axes: R patches of the chosen branches, C model width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from sayso.models.packed import Packed, Selection

Work = Callable[..., Tensor]


class Stepper(Protocol):
    """One sampling run's way of getting predictions."""

    def step(self, chosen: Sequence[int], z: Tensor, time: Tensor) -> dict[int, Tensor]:
        """Branch → prediction [P, patch_channels] at all pictures' patches z [·, patch_channels] and a time's row [C]."""
        ...

    def whole_passes(self) -> float:
        """Branches computed so far, in whole passes."""
        ...


def apart(out: Tensor, chosen: Selection) -> dict[int, Tensor]:
    """[R, ·] → branch → its rows."""
    return dict(zip(chosen.branches, out.split(list(chosen.lengths)), strict=True))


class Whole:
    """Every pass in full."""

    def __init__(self, packed: Packed):
        self.packed, self.passes = packed, 0

    def step(self, chosen: Sequence[int], z: Tensor, time: Tensor) -> dict[int, Tensor]:
        selection = self.packed.select(chosen)
        self.passes += len(chosen)
        return apart(self.packed.predict(z, time, selection), selection)

    def whole_passes(self) -> float:
        return self.passes


class Recording:
    """A function with fixed tensors for its inputs and its output; `record` turns one call into something replayable.

    `record(call)` goes through `call` once and returns a function that does it again on the same memory, and what it puts out.
    """

    def __init__(self, work: Work, inputs: Sequence[Tensor], record: Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]]):
        self.inputs = [x.clone() for x in inputs]
        self.replay, self.output = record(lambda: work(*self.inputs))

    def __call__(self, *inputs: Tensor) -> Tensor:
        for fixed, new in zip(self.inputs, inputs, strict=True):
            fixed.copy_(new)
        self.replay()
        return self.output.clone()


def record_graph(call: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """As a CUDA graph. Recording computes nothing; the same work must have run before, so that libraries are set up."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = call()
    return graph.replay, output


def record_calls(call: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
    """The slow twin of `record_graph` on any device: the call itself, on the same fixed memory."""
    output = call()

    def replay() -> None:
        output.copy_(call())

    return replay, output


class Replayed:
    """Every pass in full: the first of a choice of branches as it is, the second recorded, and from then on replayed."""

    def __init__(self, packed: Packed, record: Callable[[Callable[[], Tensor]], tuple[Callable[[], None], Tensor]] = record_graph):
        self.packed, self.record, self.passes = packed, record, 0
        self.recordings: dict[Selection, Recording | None] = {}

    def step(self, chosen: Sequence[int], z: Tensor, time: Tensor) -> dict[int, Tensor]:
        selection = self.packed.select(chosen)
        self.passes += len(chosen)

        def work(z: Tensor, time: Tensor) -> Tensor:
            return self.packed.predict(z, time, selection)

        if selection not in self.recordings:
            self.recordings[selection] = None
            return apart(work(z, time), selection)
        recording = self.recordings[selection]
        if recording is None:
            recording = self.recordings[selection] = Recording(work, (z, time), self.record)
        return apart(recording(z, time), selection)

    def whole_passes(self) -> float:
        return self.passes


@dataclass
class _Forecast:
    """One branch's last full pass: its number among the branch's steps, and the row's differences by order."""

    step: int
    differences: list[Tensor]

    def at(self, step: int) -> Tensor:
        x = step - self.step
        return sum((d * (x**j / math.factorial(j)) for j, d in enumerate(self.differences)), torch.zeros_like(self.differences[0]))


class Foreseen:
    """Full passes for a branch's first `warm` steps, then one in `every`; the others are foreseen up to `order`.

    Only the last layer's rows are kept: every layer's forecast would ignore its input, so that earlier ones have no effect.
    """

    def __init__(self, packed: Packed, warm: int = 5, every: int = 3, order: int = 6):
        self.packed, self.warm, self.every, self.order = packed, warm, every, order
        self.counts: dict[int, int] = {}
        self.kept: dict[int, _Forecast] = {}
        self.passes = 0

    def full(self, step: int) -> bool:
        return step < self.warm or (step - self.warm + 1) % self.every == 0

    def step(self, chosen: Sequence[int], z: Tensor, time: Tensor) -> dict[int, Tensor]:
        due = [b for b in chosen if self.full(self.counts.get(b, 0))]
        rows: dict[int, Tensor] = {}
        if due:
            selection = self.packed.select(due)
            entered = self.packed.enter(z, time, selection)
            out = self.packed.through(entered, selection, 0, len(self.packed.model.layers))[1]
            rows = apart(out[0], selection)
            self.passes += len(due)
        for branch in chosen:
            step = self.counts.get(branch, 0)
            self.counts[branch] = step + 1
            if branch in rows:
                self._keep(branch, step, rows[branch])
            else:
                rows[branch] = self.kept[branch].at(step)
        return {branch: self.packed.leave(rows[branch][None]) for branch in chosen}

    def _keep(self, branch: int, step: int, row: Tensor) -> None:
        differences = [row]
        before = self.kept.get(branch)
        if before is not None and step >= self.warm - 1:
            gap = step - before.step
            for old in before.differences[: self.order]:
                differences.append((differences[-1] - old) / gap)
        self.kept[branch] = _Forecast(step, differences)

    def whole_passes(self) -> float:
        return self.passes


@dataclass
class _Memory:
    """One branch's last full pass: rows after the first layers, and what the others added to them. `change` since then."""

    first: Tensor
    added: Tensor
    change: float


class Remembered:
    """The first `first` layers always run; the others only once the rows after them have changed by more than `limit`.

    The change is the mean of |new − old| over the mean of |old|, added up since the last full pass, for each branch alone.
    """

    def __init__(self, packed: Packed, limit: float, first: int = 1):
        self.packed, self.limit, self.first = packed, limit, first
        self.kept: dict[int, _Memory] = {}
        self.passes = 0.0

    def step(self, chosen: Sequence[int], z: Tensor, time: Tensor) -> dict[int, Tensor]:
        depth = len(self.packed.model.layers)
        selection = self.packed.select(chosen)
        marks, patches = self.packed.through(self.packed.enter(z, time, selection), selection, 0, self.first)
        first = apart(patches[0], selection)
        M = self.packed.M
        marked = dict(zip(selection.branches, marks[0].split([M] * len(chosen)), strict=True))
        due = self._due(chosen, first)
        self.passes += len(chosen) * self.first / depth + len(due) * (1 - self.first / depth)
        rows: dict[int, Tensor] = {}
        if due:
            rest = self.packed.select(due)
            given = (torch.cat([marked[b] for b in rest.branches])[None], torch.cat([first[b] for b in rest.branches])[None])
            rows = apart(self.packed.through(given, rest, self.first, depth)[1][0], rest)
        for branch in chosen:
            if branch in rows:
                self.kept[branch] = _Memory(first[branch], rows[branch] - first[branch], 0.0)
            else:
                rows[branch] = first[branch] + self.kept[branch].added
        return {branch: self.packed.leave(rows[branch][None]) for branch in chosen}

    def _due(self, chosen: Sequence[int], first: dict[int, Tensor]) -> list[int]:
        due = []
        for branch in chosen:
            memory = self.kept.get(branch)
            if memory is None:
                due.append(branch)
                continue
            old = memory.first.float()
            memory.change += float((first[branch].float() - old).abs().mean() / old.abs().mean())
            if memory.change > self.limit:
                due.append(branch)
            else:
                memory.first = first[branch]
        return due

    def whole_passes(self) -> float:
        return self.passes
