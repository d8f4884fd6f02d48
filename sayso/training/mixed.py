"""Steps of several tasks at once: each has its own part of the batch, as a function of (seed, step).

Axes: B samples of one task, U pieces of one text, T patches, C values of a patch.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.engines.ground import ground_of
from sayso.engines.sampling import SKETCHED
from sayso.models import flow
from sayso.models.codecs.pixels import encode, patchify, unpatchify
from sayso.models.grounding import Ground
from sayso.models.tokens import Pieces
from sayso.models.unified import Cache, UnifiedModel, patch_coordinates
from sayso.training import stream
from sayso.training.config import CHINESE, MIXES, Stage, TrainConfig
from sayso.training.named import Names, names, naming_loss
from sayso.training.reel import needed, reel_of
from sayso.training.stream import Drafts, Stream, grid_of
from sayso.training.tasks import BY_NAME, SEEN, ZOOM, Desk, Image, Layout, Painting, Reel, Shot, Task, View, Words, Zoomed, fill
from sayso.world import compositor, looks
from sayso.world.atlas import Atlas
from sayso.world.grounds import Grounds, Known, characters, grounds, posed
from sayso.world.sampler import WorldSpec
from sayso.world.scene import Scene

SQUARE_ONLY = {"views", "walk"}  # made ahead in squares; on an oblong step their part goes to the main task


@dataclass(frozen=True, eq=False)
class Script:
    """One text of a group: `ids` int64 [B, U] padded, `lengths` int64 [B], `learnt` bool [B, U], True on pieces to be written."""

    ids: np.ndarray
    lengths: np.ndarray
    learnt: np.ndarray


@dataclass(frozen=True, eq=False)
class Group:
    """Samples of one layout: per text of it a script, per picture B of them, per painted picture its grounds, and per sketched one B
    sketches."""

    layout: Layout
    scripts: tuple[Script, ...]
    pictures: tuple[tuple[Image, ...], ...]
    grounds: tuple[Grounds, ...] = ()
    sketches: tuple[np.ndarray, ...] = ()

    def __len__(self) -> int:
        return len(self.scripts[0].ids if self.scripts else self.pictures[0])


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
    trained = {name for name, share in config.tasks if share > 0}
    return sorted({"draw", "transparent"} | {a for name in trained - {"draw"} for a in BY_NAME[name].abilities})


def thinks(config: TrainConfig) -> bool:
    """Whether the weights of this run are told of more than captions: the things that plans speak of, and motions."""
    return not plain(config)


def trained_looks(config: TrainConfig) -> list[str]:
    """Names of the looks that the weights of this run draw when asked to."""
    return list(looks.NAMES) if any(name == "look" and share > 0 for name, share in config.tasks) else []


def stream_of(config: TrainConfig, pieces: Pieces, workers: int) -> Stream:
    """The stream that the run's tasks call for."""
    return (Stream if plain(config) else MixedStream)(config, pieces, workers)


def sizes(config: TrainConfig, batch: int) -> tuple[int, dict[str, int]]:
    """(samples of the draw task, samples of every other task with a share) of a step.

    At least two of each; the main task has what the others leave, so that they sum to the batch where that is large enough.
    """
    total = sum(share for _, share in config.tasks)
    counts = {name: max(2, round(batch * share / total)) for name, share in config.tasks if share > 0}
    main = main_task(config)
    own = counts.pop(main, 0)
    counts[main] = max(min(own, 2), batch - sum(counts.values()))
    return counts.pop("draw", 0), counts


def main_task(config: TrainConfig) -> str:
    """The task that takes what others leave: drawing from captions where that is trained, else that of the largest share."""
    shares = {name: share for name, share in config.tasks if share > 0 and name not in SQUARE_ONLY}
    return "draw" if "draw" in shares or not shares else max(shares, key=lambda name: shares[name])


def texts_of(layout: Layout) -> list[list[Words] | Shot]:
    """The layout with neighbouring words put together to texts."""
    out: list[list[Words] | Shot] = []
    for block in layout:
        if isinstance(block, Words) and out and isinstance(out[-1], list):
            out[-1].append(block)
        else:
            out.append([block] if isinstance(block, Words) else block)
    return out


def _script(blocks: list[Words], lines: list[list[list[int]]], pad: int) -> Script:
    """One text of B samples; `lines`: per sample the ids of each block. Widths are multiples of eight, to have few shapes."""
    lengths = np.array([sum(map(len, line)) for line in lines], dtype=np.int64)
    ids = np.full((len(lines), -(-int(lengths.max()) // 8) * 8), pad, dtype=np.int64)
    learnt = np.zeros(ids.shape, dtype=bool)
    for b, line in enumerate(lines):
        at = 0
        for block, part in zip(blocks, line, strict=True):
            ids[b, at : at + len(part)] = part
            learnt[b, at + 1 : at + len(part)] = block.learnt  # all but the mark it begins with
            at += len(part)
    return Script(ids, lengths, learnt)


def draft_group(
    task: Task, seed: int, step: int, world: WorldSpec, pieces: Pieces, count: int, size: tuple[int, int], patch: int, reel: Reel | None
) -> Group:
    """`count` samples."""
    rng = random.Random(f"{seed}/{step}/{task.name}")
    texts: list[list[list[int]]] = []
    shots: list[list[Image | Painting | View]] = []

    def fits(text: str, width: int) -> bool:
        return len(pieces.encode(text)) <= width

    for _ in range(count):
        desk = Desk(rng, world, size, "zh" if rng.random() < CHINESE else "en", reel)
        made = fill(task, desk, fits)
        texts.append([pieces.encode(c) for c in made if isinstance(c, str)])
        shots.append([c for c in made if not isinstance(c, str)])
    scripts, at = [], 0
    for blocks in texts_of(task.layout):
        if isinstance(blocks, list):
            scripts.append(_script(blocks, [lines[at : at + len(blocks)] for lines in texts], pieces.pad))
            at += len(blocks)
    columns = list(zip((block for block in task.layout if isinstance(block, Shot)), zip(*shots, strict=True), strict=True))
    pictures = [tuple(p.image if isinstance(p, Painting | View) else p for p in column) for _, column in columns]
    shape = size[1] // patch, size[0] // patch
    sketches = tuple(np.stack([p.sketch for p in column]) for block, column in columns if block.sketched)
    ground = tuple(_grounds(column, world, shape) for block, column in columns if block.painted)
    return Group(task.layout, tuple(scripts), tuple(pictures), ground, sketches)


def _grounds(column: Sequence[object], world: WorldSpec, shape: tuple[int, int]) -> Grounds:
    """What the model is told of the plans or of the poses of pictures."""
    known, poses = Known(world.concepts, characters()), [p.motion for p in column if isinstance(p, View)]
    return posed(poses, known, *shape) if poses else grounds([p.plan for p in column if isinstance(p, Painting)], known, *shape)


def draft(
    config: TrainConfig, stage: Stage, step: int, world: WorldSpec, pieces: Pieces, shape: tuple[int, int], reel: Reel | None
) -> Mixed:
    """One step as data. `shape`: (rows, columns) of patches."""
    rows, columns = shape
    mix = MIXES[config.mix]
    size = (64 * columns // min(shape), 64 * rows // min(shape))
    design = replace(world, aspects=((size, 1.0),), snap=min(shape) if mix.snap else 0)
    drawn, others = sizes(config, stage.batch)
    if rows != columns:
        spare = sum(others.pop(name, 0) for name in SQUARE_ONLY)
        if (main := main_task(config)) == "draw":
            drawn += spare
        else:
            others[main] += spare
    pixels = (columns * config.patch, rows * config.patch)
    groups = tuple(
        draft_group(BY_NAME[name], config.seed, step, design, pieces, n, pixels, config.patch, reel) for name, n in others.items()
    )
    return Mixed(stream.draft(config.seed, step, design, mix, pieces, drawn) if drawn else [], together(groups, pieces.pad))


SHELVES = (0.0, 0.45, 0.75, 0.92, 1.0)  # shares of the texts, sorted by length, at which a group of another width begins


def together(groups: Sequence[Group], pad: int) -> tuple[Group, ...]:
    """The groups, with all that are nothing but one text each put into a few groups by length."""
    texts = [g for g in groups if len(g.scripts) == 1 and not g.pictures]
    lines = [(s.ids[b, :n], s.learnt[b, :n]) for g in texts for s in g.scripts for b, n in enumerate(s.lengths)]
    lines.sort(key=lambda line: len(line[0]))
    edges = [round(share * len(lines)) for share in SHELVES]
    shelves = [lines[a:b] for a, b in itertools.pairwise(edges) if b > a]
    packed = []
    for shelf in shelves:
        width = -(-len(shelf[-1][0]) // 16) * 16
        ids, learnt = np.full((len(shelf), width), pad, dtype=np.int64), np.zeros((len(shelf), width), dtype=bool)
        for b, (line, mine) in enumerate(shelf):
            ids[b, : len(line)], learnt[b, : len(line)] = line, mine
        lengths = np.array([len(line) for line, _ in shelf], dtype=np.int64)
        packed.append(Group((Words(width, learnt=True),), (Script(ids, lengths, learnt),), ()))
    return (*(g for g in groups if g not in texts), *packed)


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
    """A group on the device. `scripts`: ids int64 [B, U], lengths int64 [B], learnt bool [B, U] of each text; `patches` float32
    [B, T, C] and `weights` float32 [B, T] (mean 1) per picture; `coordinates` [T, 2] of patches in `shape` (rows, columns);
    `grounds` of each painted picture; `names` in a picture that is only seen; `sketches` float32 [B, T, C] of each sketched picture."""

    layout: Layout
    scripts: list[tuple[Tensor, Tensor, Tensor]]
    patches: list[Tensor]
    weights: list[Tensor]
    coordinates: Tensor
    shape: tuple[int, int]
    grounds: list[Ground]
    names: Names | None
    sketches: list[Tensor]


def ready(group: Group, atlas: Atlas, world: WorldSpec, patch: int, rows: int, columns: int, foreground: float) -> Ready:
    """Draws a group's scenes on the atlas' device."""
    device = atlas.device
    patches: list[Tensor] = []
    weights: list[Tensor] = []
    seen = None
    for pictures in group.pictures:
        tokens, cover = _patches(pictures, atlas, patch, rows, columns)
        weight = 1 + foreground * cover
        patches.append(tokens)
        weights.append(weight / weight.mean())
        if group.layout[0] == SEEN:
            seen = names(pictures, Known(world.concepts, characters()), rows, columns).to(device)
    scripts = [(torch.from_numpy(s.ids).to(device), torch.from_numpy(s.lengths).to(device), torch.from_numpy(s.learnt).to(device))
               for s in group.scripts]
    told = [ground_of(made).to(device) for made in group.grounds]
    sketches = [patchify(encode(pixels), patch).to(device) for pixels in group.sketches]
    where = patch_coordinates(rows, columns).to(device)
    return Ready(group.layout, scripts, patches, weights, where, (rows, columns), told, seen, sketches)


def _patches(pictures: tuple[Image, ...], atlas: Atlas, patch: int, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Patches [B, T, C] and the share of each that is item or lettering [B, T]; arrays count as half of both."""
    device = atlas.device
    rgba = torch.zeros(len(pictures), 4, rows * patch, columns * patch, device=device)
    front = torch.full((len(pictures), rows * columns), 0.5, device=device)
    for kind, scale in ((Scene, 1), (Zoomed, ZOOM)):
        mine = [(i, p) for i, p in enumerate(pictures) if isinstance(p, kind)]
        if mine:
            at = torch.tensor([i for i, _ in mine], device=device)
            packed = compositor.pack([p.scene if isinstance(p, Zoomed) else p for _, p in mine], atlas)
            drawn = compositor.compose(packed, atlas, scale * rows * patch, scale * columns * patch)
            both = torch.cat((drawn.rgba * 2 - 1, drawn.foreground), 1)
            if kind is Zoomed:
                parts = zip(both, mine, strict=True)
                both = torch.stack([_cut(x, p, rows * patch, columns * patch) for x, (_, p) in parts])  # type: ignore[arg-type]
            rgba[at] = both[:, :4]
            front[at] = both[:, 4].view(len(mine), rows, patch, columns, patch).mean((2, 4)).flatten(1)
    arrays = [(i, p) for i, p in enumerate(pictures) if isinstance(p, np.ndarray)]
    if arrays:
        rgba[torch.tensor([i for i, _ in arrays], device=device)] = encode(np.stack([p for _, p in arrays])).to(device)
    return patchify(rgba, patch), front


def _cut(drawn: Tensor, part: Zoomed, height: int, width: int) -> Tensor:
    """The part of a scene [·, ZOOM · H, ZOOM · W] that is shown."""
    top, left = round(part.top * drawn.shape[1]), round(part.left * drawn.shape[2])
    return drawn[:, top : top + height, left : left + width]


def text_loss(model: UnifiedModel, rows: Tensor, ids: Tensor, learnt: Tensor) -> Tensor:
    """Mean cross-entropy of the pieces that are learnt, each after those before it; understand rows [B, U, C]."""
    mine = learnt[:, 1:]
    return F.cross_entropy(model.logits(rows[:, :-1][mine]).float(), ids[:, 1:][mine])


def _times(count: int, generator: torch.Generator, device: torch.device, shift: float, blind: float) -> Tensor:
    """Times [B], moved towards noise by `shift`, and a share `blind` of them at pure noise."""
    t = flow.sample_times(count, generator, device)
    t = shift * t / (1 + (shift - 1) * t)
    t[torch.rand(count, generator=generator, device=device) < blind] = 1.0
    return t


def group_loss(
    model: UnifiedModel,
    group: Ready,
    config: TrainConfig,
    generator: torch.Generator,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor, Tensor]:
    """(loss, its picture part, its text part) of one group: blocks in order, each seeing those before through the cache."""
    device = group.coordinates.device
    B = len(group.patches[0] if group.patches else group.scripts[0][0])
    start = torch.zeros(B, device=device)
    cache: Cache | None = None
    scripts, shots = iter(group.scripts), zip(group.patches, group.weights, strict=True)
    grounds_left, sketches = iter(group.grounds), iter(group.sketches)
    drawn, written, named = [], [], []
    for block in texts_of(group.layout):
        if isinstance(block, list):
            ids, lengths, learnt = next(scripts)
            out = model.read(ids, lengths, cache, start, dtype)
            if any(words.learnt for words in block):
                written.append(text_loss(model, out.understand, ids, learnt))
            cache, start = out.cache, start + lengths
            continue
        x, weight = next(shots)
        ground = next(grounds_left) if block.painted else None
        if block.sketched:
            at, now = torch.full((B,), SKETCHED, device=device), torch.ones(B, device=device)
            x_hat = model.predict(next(sketches).to(dtype), at, group.coordinates, start, cache, None, ground)
            drawn.append(flow.velocity_loss(x_hat.float(), x, now, weight, config.t_min))
        elif block.drawn:
            t = _times(B, generator, device, config.paint_shift, config.blind)
            z = flow.mix(x, torch.randn(x.shape, generator=generator, device=device), t)
            x_hat = model.predict(z.to(dtype), t, group.coordinates, start, cache, None, ground)
            drawn.append(flow.velocity_loss(x_hat.float(), x, t, weight, config.t_min))
        if block.shown:
            if block == SEEN:
                assert model.naming is not None and group.names is not None
                rows = model.glance(unpatchify(x, config.patch, *group.shape).to(dtype), group.coordinates)
                named.append(naming_loss(model.naming(rows), group.names))
            else:
                cache = model.show(x.to(dtype), group.coordinates, start, cache).cache
        start = start + 1
    zero = torch.zeros((), device=device)
    picture = torch.stack(drawn).mean() if drawn else zero
    text = torch.stack(written).mean() if written else zero
    dense = torch.stack(named).mean() if named else zero
    return picture + config.text_weight * text + config.dense_read * dense, picture.detach(), text.detach()


WORDS_HELD = 0.35  # share of the room for words that is filled on average


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
                rows.append((WORDS_HELD * block.width, 1))
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
