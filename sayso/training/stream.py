"""The endless stream of training pictures: a pure function of (seed, step), drawn where the model runs.

Scenes and captions are made by worker processes a few steps ahead; compositing happens on the model's device.

Axes: B pictures of one text bucket, U text pieces, T patches, C values of a patch.
"""

from __future__ import annotations

import os
import random
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context, parent_process
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sayso.models.codecs.pixels import patchify
from sayso.models.tokens import Pieces
from sayso.models.unified import patch_coordinates
from sayso.training.config import CHINESE, MIXES, NO_CAPTION, TEXT_LIMIT, Mix, Stage, TrainConfig
from sayso.training.dense import Labels, label
from sayso.world import art, compositor
from sayso.world.atlas import Atlas
from sayso.world.captions import caption
from sayso.world.sampler import FIRST_LIGHT, WorldSpec, sample_scene
from sayso.world.scene import Scene

OBLONG = ((9, 7), (7, 9), (10, 6), (6, 10))  # (columns, rows) in eighths of a square's side
OBLONG_EVERY = 6  # one step in so many is not square

Drafts = list[tuple[list[Scene], np.ndarray, np.ndarray]]  # per bucket: scenes, ids [B, U], lengths [B]


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures of one text bucket, ready to train on.

    `ids` int64 [B, U] padded, `lengths` int64 [B], `patches` float32 [B, T, C] in −1..1, `weight` float32 [B, T] with
    mean 1, `coordinates` [T, 2], `labels` of the patches.
    """

    ids: Tensor
    lengths: Tensor
    patches: Tensor
    weight: Tensor
    coordinates: Tensor
    labels: Labels | None = None


def world_of(config: TrainConfig) -> WorldSpec:
    """The part of the world that a run is trained on."""
    concepts = art.CORE[: config.core] if config.core else tuple(c.slug for c in art.concepts())
    return replace(FIRST_LIGHT, concepts=concepts, kinds=MIXES[config.mix].kinds or FIRST_LIGHT.kinds)


def grid_of(config: TrainConfig, stage: Stage, step: int) -> tuple[int, int]:
    """(rows, columns) of patches at a step: all pictures of a step share one shape."""
    side = round(stage.tokens**0.5)
    if not config.aspects or step % OBLONG_EVERY != OBLONG_EVERY - 1:
        return side, side
    columns, rows = OBLONG[step // OBLONG_EVERY % len(OBLONG)]
    return rows * side // 8, columns * side // 8


def bucket_sizes(mix: Mix, batch: int) -> list[int]:
    """Pictures of each text bucket, summing to `batch`."""
    sizes = [round(batch * share) for _, share in mix.texts]
    sizes[0] += batch - sum(sizes)
    return sizes


def draft(seed: int, step: int, world: WorldSpec, mix: Mix, pieces: Pieces, batch: int) -> Drafts:
    """Scenes and their captions as ids for one step, sorted into the text buckets.

    A scene goes into the tightest bucket that still has room for its caption, and is dropped when there is none.
    """
    rng = random.Random(f"{seed}/{step}")
    names, weights = zip(*mix.densities, strict=True)
    room = bucket_sizes(mix, batch)
    scenes: list[list[Scene]] = [[] for _ in room]
    texts: list[list[list[int]]] = [[] for _ in room]
    while any(room):
        scene = sample_scene(rng, world)
        language = "zh" if rng.random() < CHINESE else "en"
        text = caption(scene, rng, language, rng.choices(names, weights)[0])
        ids = pieces.encode(text if rng.random() >= NO_CAPTION else "")
        if len(ids) > TEXT_LIMIT:  # say it shortly rather than half
            ids = pieces.encode(caption(scene, rng, language, "short"))
        for i, (width, _) in enumerate(mix.texts):
            if room[i] and len(ids) <= width:
                scenes[i].append(scene)
                texts[i].append(ids)
                room[i] -= 1
                break
    out: Drafts = []
    for i, (width, _) in enumerate(mix.texts):
        ids_array = np.full((len(texts[i]), width), pieces.pad, dtype=np.int64)
        for row, line in zip(ids_array, texts[i], strict=True):
            row[: len(line)] = line
        out.append((scenes[i], ids_array, np.array([len(t) for t in texts[i]], dtype=np.int64)))
    return out


def compose(drafts: Drafts, atlas: Atlas, world: WorldSpec, patch: int, rows: int, columns: int, foreground: float) -> list[Batch]:
    """Draws drafted scenes of `world` on the atlas' device."""
    device = atlas.device
    where = patch_coordinates(rows, columns).to(device)
    scenes = [s for group, _, _ in drafts for s in group]
    drawn = compositor.compose(compositor.pack(scenes, atlas), atlas, rows * patch, columns * patch)
    patches = patchify(drawn.rgba * 2 - 1, patch)
    cover = drawn.foreground.view(len(scenes), rows, patch, columns, patch).mean((2, 4)).flatten(1)
    weight = 1 + foreground * cover
    weight = weight / weight.mean()
    labels = label(scenes, world, rows, columns).to(device)
    batches, start = [], 0
    for group, ids, lengths in drafts:
        part = slice(start, start + len(group))
        start += len(group)
        ids_tensor, lengths_tensor = torch.from_numpy(ids).to(device), torch.from_numpy(lengths).to(device)
        batches.append(Batch(ids_tensor, lengths_tensor, patches[part], weight[part], where, labels.cut(part)))
    return batches


_worker: tuple[int, WorldSpec, Mix, Pieces] | None = None


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()  # returns when the parent is gone, however it went
    os._exit(1)


def _start_worker(seed: int, world: WorldSpec, mix: Mix, definition: str) -> None:
    """Ctrl-C is the parent's to answer; and a worker ends with its parent, as a killed one closes no queue."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = (seed, world, mix, Pieces(definition))


def _work(step: int, batch: int, shape: tuple[int, int]) -> Drafts:
    assert _worker is not None
    seed, world, mix, pieces = _worker
    rows, columns = shape
    size = (64 * columns // min(shape), 64 * rows // min(shape))
    snap = min(shape) if mix.snap else 0
    return draft(seed, step, replace(world, aspects=((size, 1.0),), snap=snap), mix, pieces, batch)


class Stream:
    """Drafts made ahead by worker processes. `steps` yields (step, drafts) from any step on, always the same ones."""

    def __init__(self, config: TrainConfig, pieces: Pieces, workers: int, ahead: int = 4):
        self.config, self.workers, self.ahead = config, workers, ahead
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the workers are the parallelism
        given = (config.seed, world_of(config), MIXES[config.mix], pieces.definition)
        self._pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, given)

    def job(self, step: int, stage: Stage) -> Callable[[], Any]:
        """What a worker does for one step; it gives `Drafts`."""
        return partial(_work, step, stage.batch, grid_of(self.config, stage, step))

    def steps(self, start: int, stage: Stage) -> Iterator[tuple[int, Any]]:
        """Endless; the caller stops when the stage is over."""
        waiting: deque[tuple[int, Future[Any]]] = deque()
        step = start
        while True:
            while len(waiting) < self.ahead + self.workers:
                waiting.append((step, self._pool.submit(self.job(step, stage))))
                step += 1
            at, future = waiting.popleft()
            yield at, future.result()

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
