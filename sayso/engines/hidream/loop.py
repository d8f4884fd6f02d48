"""From noise to latents: what is prepared once for a request, the step and its graph, guidance, and the two stages of an edit.

A predictor is the velocity at the i-th time of a schedule (`flow.StepVelocity`); guidance rows run in one batch.

Axes: B pictures, R rows = B × branches of guidance, c channels, H W latents.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sayso.engines.hidream.encoders import Words, joined
from sayso.engines.hidream.schedules import Schedule
from sayso.models import flow
from sayso.models.sparse_dit import Call, Captions, DoubleBlock, Layout, SingleBlock, SparseDiT, layout, patchify, unpatchify

SHAPES = 64  # sets of shapes that a kind of block is compiled for; what comes after them runs as it is written
GRAPHS = 6  # recordings that are kept, the oldest goes first; each holds its own memory
Step = Callable[[Tensor, Tensor, Captions, Layout], Tensor]  # `SparseDiT.step`, perhaps compiled or recorded


class Prepared(NamedTuple):
    """`tables` [S, R, M]. `source` [R, tokens, ·]: patches of the pictures that are edited, one for each row."""

    captions: Captions
    tables: Tensor
    place: Layout
    source: Tensor | None


class Recorded:
    """A step that a CUDA device replays as one graph; one recording for each set of shapes. Elsewhere the step itself.

    What stays the same during a request is copied in once: only arguments that are other objects than last time are.
    """

    def __init__(self, step: Step):
        self.step = step
        self.graphs: dict[tuple[Any, ...], tuple[Any, list[Tensor], list[Tensor], Tensor]] = {}

    def __call__(self, tokens: Tensor, m: Tensor, captions: Captions, place: Layout) -> Tensor:
        if tokens.device.type != "cuda":
            return self.step(tokens, m, captions, place)
        given = [t for t in (tokens, m, *captions, place.cos, place.sin, place.bias) if t is not None]
        key = (*((tuple(t.shape), t.dtype) for t in given), place.wanted)
        if key not in self.graphs:
            if len(self.graphs) == GRAPHS:
                del self.graphs[next(iter(self.graphs))]
            self.graphs[key] = self._record(given, place)
        graph, held, inputs, out = self.graphs[key]
        for i, new in enumerate(given):
            if held[i] is not new:
                inputs[i].copy_(new)
                held[i] = new
        graph.replay()
        return out.clone()

    def _record(self, given: list[Tensor], place: Layout) -> tuple[Any, list[Tensor], list[Tensor], Tensor]:
        inputs = [t.clone() for t in given]
        tokens, m, text, context, cos, sin, *bias = inputs
        still = Layout(cos, sin, bias[0] if bias else None, place.wanted)
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # kernels are chosen and compiled before the recording
            for _ in range(3):
                self.step(tokens, m, Captions(text, context), still)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = self.step(tokens, m, Captions(text, context), still)
        return graph, list(given), inputs, out


@functools.cache
def _compiled_blocks() -> tuple[Call, Call]:
    """A block of each kind, compiled for each set of shapes on first use and shared by all layers, models and requests."""
    compiler: Any = torch.compile  # whose stubs lack the limit
    how = {"dynamic": False, "recompile_limit": SHAPES}
    return compiler(DoubleBlock.forward, **how), compiler(SingleBlock.forward, **how)


def compiled(model: SparseDiT) -> Step:
    """The model's step with compiled blocks, replayed from a graph where the device can. Block by block, since all of a kind are one
    piece of code: the whole step at once is no faster and takes as many times longer to compile as there are blocks."""
    double, single = _compiled_blocks()
    return Recorded(functools.partial(model.step, double=double, single=single))


@contextlib.contextmanager
def best_attention(device: torch.device) -> Iterator[None]:
    """Inside, cuDNN's attention is tried first on CUDA devices: on Hopper it is half as fast again as the usual choice."""
    if device.type != "cuda":
        yield
        return
    from torch.nn.attention import SDPBackend, sdpa_kernel

    order = [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    with sdpa_kernel(order, set_priority=True):
        yield


def prepare(model: SparseDiT, words: Words, plan: Schedule, size: tuple[int, int], max_tokens: int, source: Tensor | None) -> Prepared:
    """Everything that does not change from step to step. `size`: H, W of the latents. `source` [R, c, H, W]."""
    device, dtype = model.patch_in.weight.device, model.patch_in.weight.dtype
    times = torch.tensor(plan.timesteps, dtype=torch.float64).float()[:, None].to(device)
    captions, tables = model.before(*(part.to(device, dtype) for part in words), times)
    patch = model.spec.patch
    text = captions.text.shape[1] + captions.context.shape[2]
    place = layout(model.spec, size[0] // patch, size[1] // patch, text, max_tokens, device, source is not None)
    return Prepared(captions, tables, place, None if source is None else patchify(source.to(device, dtype), patch))


def predicted(step: Step, model: SparseDiT, ready: Prepared, z: Tensor, i: int) -> Tensor:
    """Velocities [R, c, H, W] in float32 of latents z [R, c, H, W] at the i-th time."""
    patch = model.spec.patch
    tokens = patchify(z.to(ready.tables.dtype), patch)
    if ready.source is not None:
        tokens = torch.cat((tokens, ready.source), dim=1)
    with best_attention(tokens.device):
        out = step(tokens, ready.tables[i], ready.captions, ready.place)
    return unpatchify(out.float(), patch, z.shape[2] // patch, z.shape[3] // patch)


def drawing(step: Step, model: SparseDiT, words: Words, negative: Words | None, plan: Schedule, size: tuple[int, int], guidance: float,
            max_tokens: int) -> flow.StepVelocity:
    """Drawing from words [B]; guided when guidance is above 1 and there are negative words [B]."""
    if guidance <= 1 or negative is None:
        plain = prepare(model, words, plan, size, max_tokens, None)
        return lambda z, i: predicted(step, model, plain, z, i)
    both = prepare(model, joined(negative, words), plan, size, max_tokens, None)

    def velocity(z: Tensor, i: int) -> Tensor:
        untold, told = predicted(step, model, both, torch.cat((z, z)), i).chunk(2)
        return flow.guide(told, untold, guidance)

    return velocity


def guided_edit(rows: Tensor, guidance: float, picture_guidance: float, clip: bool) -> Tensor:
    """Three-way guidance from rows [3B, c, H, W], whose third is always told everything.

    With `clip` the first row lacks only the source and the second only the instruction; the instruction's guidance is shortened,
    pixel by pixel over the channels, to the length of what it started from. Without, the first row lacks both.
    """
    first, second, told = rows.chunk(3)
    if not clip:
        return first + picture_guidance * (second - first) + guidance * (told - second)
    pushed = second + guidance * (told - second)
    lengths = told.norm(dim=1, keepdim=True), pushed.norm(dim=1, keepdim=True)
    pushed = pushed * (lengths[0] / (lengths[1] + 1e-8)).clamp(max=1)
    return first + picture_guidance * (pushed - first)


def editing(step: Step, model: SparseDiT, words: Words, negative: Words | None, source: Tensor, plan: Schedule, guidance: float,
            picture_guidance: float, clip: bool, max_tokens: int) -> flow.StepVelocity:
    """Editing latents `source` [B, c, H, W], which stand to the right of what is drawn."""
    size = source.shape[2], source.shape[3]
    if guidance <= 1 or negative is None:
        plain = prepare(model, words, plan, size, max_tokens, source)
        return lambda z, i: predicted(step, model, plain, z, i)
    rows = joined(words if clip else negative, negative, words)
    ready = prepare(model, rows, plan, size, max_tokens, torch.cat((torch.zeros_like(source), source, source)))

    def velocity(z: Tensor, i: int) -> Tensor:
        return guided_edit(predicted(step, model, ready, torch.cat((z, z, z)), i), guidance, picture_guidance, clip)

    return velocity


def in_turn(first: Callable[[], flow.StepVelocity], second: Callable[[], flow.StepVelocity], switch: int) -> flow.StepVelocity:
    """The first predictor before step `switch`, the second from there on; each is made when it is needed, and the first let go of."""
    current: list[tuple[bool, flow.StepVelocity]] = []

    def velocity(z: Tensor, i: int) -> Tensor:
        late = i >= switch
        if not current or current[0][0] != late:
            current.clear()
            current.append((late, second() if late else first()))
        return current[0][1](z, i)

    return velocity


def sample(velocity: flow.StepVelocity, z: Tensor, plan: Schedule, sampler: str, noise: Callable[[int], Tensor]
           ) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields (latents, the picture they point at) after each step; `sampler`: "unipc" or "renoise"."""
    return flow.unipc(velocity, z, plan.times) if sampler == "unipc" else flow.renoise(velocity, z, plan.times, noise)
