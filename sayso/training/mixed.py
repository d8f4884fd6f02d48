"""Steps of several tasks at once: each has its own part of the batch, of fixed shapes, as a function of (seed, step).

Axes: B samples of one task, U pieces of one block of words, T patches, C values of a patch.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.models import flow
from sayso.models.codecs.pixels import encode, patchify
from sayso.models.tokens import Pieces
from sayso.models.unified import Cache, UnifiedModel, patch_coordinates
from sayso.training import stream
from sayso.training.config import CHINESE, MIXES, NO_CAPTION, Stage, TrainConfig
from sayso.training.reel import needed, reel_of
from sayso.training.stream import Drafts, Stream, grid_of
from sayso.training.tasks import BY_NAME, Desk, Image, Reel, Shot, Task, Words, fill
from sayso.world import compositor, looks
from sayso.world.atlas import Atlas
from sayso.world.sampler import WorldSpec
from sayso.world.scene import Scene

SQUARE_ONLY = {"views", "walk"}  # made ahead in squares; on an oblong step their part goes to the draw task


@dataclass(frozen=True)
class Group:
    """Samples of one task. `ids`, `lengths`: per block of words int64 [B, U] and [B]; `pictures`: per picture block B of them."""

    task: str
    ids: tuple[np.ndarray, ...]
    lengths: tuple[np.ndarray, ...]
    pictures: tuple[tuple[Image, ...], ...]

    def __len__(self) -> int:
        return len(self.ids[0])


@dataclass(frozen=True)
class Mixed:
    """One step: the draw task in its text buckets, then the other tasks."""

    draw: Drafts
    groups: tuple[Group, ...]


def plain(config: TrainConfig) -> bool:
    """Whether drawing from captions is the run's only task."""
    return all(name == "draw" or share <= 0 for name, share in config.tasks)


def abilities(config: TrainConfig) -> list[str]:
    """What the weights of this run can be asked for, by the values of types.Ability."""
    return sorted({"draw", "transparent"} | {BY_NAME[name].ability for name, share in config.tasks if name != "draw" and share > 0})


def trained_looks(config: TrainConfig) -> list[str]:
    """Names of the looks that the weights of this run draw when asked to."""
    return list(looks.NAMES) if any(name == "look" and share > 0 for name, share in config.tasks) else []


def stream_of(config: TrainConfig, pieces: Pieces, workers: int) -> Stream:
    """The stream that the run's tasks call for."""
    return (Stream if plain(config) else MixedStream)(config, pieces, workers)


def sizes(config: TrainConfig, batch: int) -> tuple[int, dict[str, int]]:
    """(samples of the draw task, samples of every other task with a share) of a step; at least two of each."""
    total = sum(share for _, share in config.tasks)
    others = {name: max(2, round(batch * share / total)) for name, share in config.tasks if name != "draw" and share > 0}
    return max(0, batch - sum(others.values())), others


def draft_group(
    task: Task, seed: int, step: int, world: WorldSpec, pieces: Pieces, count: int, size: tuple[int, int], reel: Reel | None
) -> Group:
    """`count` samples; in one of ten all words are dropped, for guidance, unless words are what is learnt."""
    rng = random.Random(f"{seed}/{step}/{task.name}")
    reads = not any(isinstance(block, Shot) and block.drawn for block in task.layout)
    texts: list[list[list[int]]] = []
    shots: list[list[Image]] = []

    def fits(text: str, width: int) -> bool:
        return len(pieces.encode(text)) <= width

    for _ in range(count):
        desk = Desk(rng, world, size, "zh" if rng.random() < CHINESE else "en", reel)
        made = fill(task, desk, fits)
        bare = not reads and rng.random() < NO_CAPTION
        texts.append([pieces.encode("" if bare else c) for c in made if isinstance(c, str)])
        shots.append([c for c in made if not isinstance(c, str)])
    widths = [block.width for block in task.layout if isinstance(block, Words)]
    ids = [np.full((count, width), pieces.pad, dtype=np.int64) for width in widths]
    for b, lines in enumerate(texts):
        for array, line in zip(ids, lines, strict=True):
            array[b, : len(line)] = line
    lengths = tuple(np.array([len(lines[k]) for lines in texts], dtype=np.int64) for k in range(len(widths)))
    return Group(task.name, tuple(ids), lengths, tuple(zip(*shots, strict=True)))


def draft(
    config: TrainConfig, stage: Stage, step: int, world: WorldSpec, pieces: Pieces, shape: tuple[int, int], reel: Reel | None
) -> Mixed:
    """One step as data. `shape`: (rows, columns) of patches."""
    rows, columns = shape
    mix = MIXES[config.mix]
    size = (64 * columns // min(shape), 64 * rows // min(shape))
    design = replace(world, aspects=((size, 1.0),), snap=min(shape) if mix.snap else 0)
    drawn, others = sizes(config, stage.batch)
    for name in SQUARE_ONLY & others.keys() if rows != columns else ():
        drawn += others.pop(name)
    pixels = (columns * config.patch, rows * config.patch)
    groups = tuple(draft_group(BY_NAME[name], config.seed, step, design, pieces, n, pixels, reel) for name, n in others.items())
    return Mixed(stream.draft(config.seed, step, design, mix, pieces, drawn) if drawn else [], groups)


_reel: Reel | None = None


def _work(step: int, config: TrainConfig, stage: Stage, shape: tuple[int, int]) -> Mixed:
    global _reel
    assert stream._worker is not None
    _, world, _, pieces = stream._worker
    if _reel is None and needed(config):
        _reel = reel_of(config)  # from the cache folder, where the run put it before it began
    return draft(config, stage, step, world, pieces, shape, _reel)


class MixedStream(Stream):
    """The stream of a run with several tasks."""

    def job(self, step: int, stage: Stage) -> Callable[[], Mixed]:
        return partial(_work, step, self.config, stage, grid_of(self.config, stage, step))


# ---------------------------------------------------------------------------------------------------------------------
# on the device


@dataclass(frozen=True, eq=False)
class Ready:
    """A group on the device. `ids` int64 [B, U], `lengths` int64 [B] per block of words; `patches` float32 [B, T, C] and
    `weights` float32 [B, T] (mean 1) per picture; `coordinates` [T, 2]."""

    layout: tuple[Words | Shot, ...]
    ids: list[Tensor]
    lengths: list[Tensor]
    patches: list[Tensor]
    weights: list[Tensor]
    coordinates: Tensor


def ready(group: Group, atlas: Atlas, patch: int, rows: int, columns: int, foreground: float) -> Ready:
    """Draws a group's scenes on the atlas' device. What differs from the picture before weighs as much as the foreground."""
    device = atlas.device
    task = BY_NAME[group.task]
    patches: list[Tensor] = []
    weights: list[Tensor] = []
    for k, pictures in enumerate(group.pictures):
        tokens, cover = _patches(pictures, atlas, patch, rows, columns)
        if k and task.layout[-1] == Shot(True, False):
            differs = ((tokens - patches[-1]).abs().amax(-1) > 0.06).float()
            cover = torch.maximum(cover, differs)
        weight = 1 + foreground * cover
        patches.append(tokens)
        weights.append(weight / weight.mean())
    ids = [torch.from_numpy(i).to(device) for i in group.ids]
    lengths = [torch.from_numpy(n).to(device) for n in group.lengths]
    return Ready(task.layout, ids, lengths, patches, weights, patch_coordinates(rows, columns).to(device))


def _patches(pictures: tuple[Image, ...], atlas: Atlas, patch: int, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Patches [B, T, C] and the share of each that is item or lettering [B, T]; arrays count as half of both."""
    device = atlas.device
    rgba = torch.zeros(len(pictures), 4, rows * patch, columns * patch, device=device)
    front = torch.full((len(pictures), rows * columns), 0.5, device=device)
    scenes = [(i, p) for i, p in enumerate(pictures) if isinstance(p, Scene)]
    if scenes:
        drawn = compositor.compose(compositor.pack([s for _, s in scenes], atlas), atlas, rows * patch, columns * patch)
        at = torch.tensor([i for i, _ in scenes], device=device)
        rgba[at] = drawn.rgba * 2 - 1
        front[at] = drawn.foreground.view(len(scenes), rows, patch, columns, patch).mean((2, 4)).flatten(1)
    arrays = [(i, p) for i, p in enumerate(pictures) if isinstance(p, np.ndarray)]
    if arrays:
        rgba[torch.tensor([i for i, _ in arrays], device=device)] = encode(np.stack([p for _, p in arrays])).to(device)
    return patchify(rgba, patch), front


def text_loss(model: UnifiedModel, rows: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
    """Mean cross-entropy of each next piece up to the end mark; understand rows [B, U, C]."""
    logits = model.logits(rows[:, :-1]).float()
    targets = ids[:, 1:]
    real = torch.arange(targets.shape[1], device=ids.device) < (lengths - 1)[:, None]
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
    return (each * real).sum() / real.sum()


def group_loss(
    model: UnifiedModel, group: Ready, stage: Stage, config: TrainConfig, generator: torch.Generator, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """(loss, its picture part, its text part) of one group: blocks in order, each seeing those before through the cache."""
    device = group.coordinates.device
    B = len(group.ids[0])
    start = torch.zeros(B, device=device)
    cache: Cache | None = None
    words, shots = 0, 0
    drawn, written = [], []
    for block in group.layout:
        if isinstance(block, Words):
            ids, lengths = group.ids[words], group.lengths[words]
            out = model.read(ids, lengths, cache, start, dtype)
            if block.learnt:
                written.append(text_loss(model, out.understand, ids, lengths))
            cache, start, words = out.cache, start + lengths, words + 1
            continue
        x = group.patches[shots]
        if block.drawn:
            t = flow.sample_times(B, generator, device)
            t = stage.time_shift * t / (1 + (stage.time_shift - 1) * t)
            z = flow.mix(x, torch.randn(x.shape, generator=generator, device=device), t)
            x_hat = model.predict(z.to(dtype), t, group.coordinates, start, cache)
            drawn.append(flow.velocity_loss(x_hat.float(), x, t, group.weights[shots], config.t_min))
        if block.shown:
            cache = model.show(x.to(dtype), group.coordinates, start, cache)
        start, shots = start + 1, shots + 1
    zero = torch.zeros((), device=device)
    picture = torch.stack(drawn).mean() if drawn else zero
    text = torch.stack(written).mean() if written else zero
    return picture + config.text_weight * text, picture.detach(), text.detach()


def flops(model: UnifiedModel, config: TrainConfig, stage: Stage, draw_text: float) -> float:
    """Training operations a sample on average over the tasks (two a multiplication, backward twice the forward).

    `draw_text`: pieces of an average caption of the draw task.
    """
    spec = model.spec
    per_row = 2 * spec.layers * (2 * spec.width * spec.head_width * (spec.heads + spec.kv_heads) + 3 * spec.width * spec.hidden)
    per_pair = 4 * spec.layers * spec.heads * spec.head_width
    drawn, others = sizes(config, stage.batch)
    layouts: list[tuple[int, list[tuple[float, int]]]] = [(drawn, [(draw_text, 1), (stage.tokens, 0)])]
    for name, count in others.items():
        rows: list[tuple[float, int]] = []
        for block in BY_NAME[name].layout:
            if isinstance(block, Words):
                rows.append((block.width, 1))
            else:
                rows += [(stage.tokens, 0)] * block.drawn + [(stage.tokens, int(block.shown))] * block.shown
        layouts.append((count, rows))
    total = 0.0
    for count, rows in layouts:
        before = 0.0
        for width, kept in rows:
            total += count * (per_row * width + per_pair * width * (before + width))
            before += width * kept
    return 3 * total / stage.batch
