"""The training loop of the pocket model.

One step: one batch of the stream in its text buckets, gradients summed over the buckets, one update. Any moment is a
checkpoint: the state on disk resumes to the same losses that an unbroken run has.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sayso.engines import checkpoint
from sayso.engines.ground import spec_of
from sayso.engines.machine import quick_dtype
from sayso.engines.sampling import Sampling, draw
from sayso.errors import BadInput, BadWeights, SaysoError
from sayso.evals.sheet import sheet
from sayso.models import flow
from sayso.models.codecs.pixels import decode
from sayso.models.grounding import GroundSpec
from sayso.models.specs import CanvasSpec, pocket
from sayso.models.tokens import Pieces
from sayso.models.unified import UnifiedModel
from sayso.training import mixed, report, state
from sayso.training.config import MIXES, TEXT_LIMIT, Stage, TrainConfig, rate
from sayso.training.dense import DenseHead
from sayso.training.mixed import Mixed
from sayso.training.optim import Mean, Optimiser
from sayso.training.stream import Batch, Drafts, bucket_sizes, compose, grid_of, world_of
from sayso.world import shorthand
from sayso.world.atlas import Atlas
from sayso.world.grounds import Known, characters


@dataclass
class Run:
    """A run in memory. `step`: updates done; `seen`: pictures trained on; `seconds`: time spent training.

    `before`: what the weights it began from had behind them (steps, pictures, hours).
    """

    folder: Path
    config: TrainConfig
    pieces: Pieces
    model: UnifiedModel
    optimiser: Optimiser
    mean: Mean
    head: DenseHead
    step: int = 0
    seen: int = 0
    seconds: float = 0.0
    before: dict[str, float] = field(default_factory=dict)

    @property
    def stage(self) -> Stage:
        return next((s for s in self.config.stages if self.seen < s.until * self.config.pictures), self.config.stages[-1])

    @property
    def canvas(self) -> CanvasSpec:
        return CanvasSpec(self.config.patch, self.stage.tokens)

    def save(self) -> None:
        progress = {"step": self.step, "seen": self.seen, "seconds": self.seconds, "before": self.before}
        state.save_state(self.folder, self.config, self.pieces, self.model, self.head, self.optimiser, self.mean, progress)
        world = world_of(self.config)
        history = {
            "depth": self.config.depth,
            "steps": self.before.get("steps", 0) + self.step,
            "pictures": self.before.get("pictures", 0) + self.seen,
            "hours": round(self.before.get("hours", 0) + self.seconds / 3600, 2),
            "device": _device_name(self.model.embed.weight.device),
        }
        state.export(
            self.folder / state.MODEL,
            self.model.spec,
            self.canvas,
            self.pieces,
            self.mean.state(),
            world.concepts,
            world.styles,
            history,
            mixed.abilities(self.config),
            mixed.trained_looks(self.config),
            characters=characters() if self.model.grounding is not None else "",
            captions=any(name == "draw" and share > 0 for name, share in self.config.tasks),
        )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"


def begin(folder: Path, config: TrainConfig, pieces: Pieces, device: torch.device) -> Run:
    """A fresh run. Raises BadInput where the folder already holds one."""
    if (folder / state.STATE).exists():
        raise BadInput(f"{folder} already holds a run; resume it with --resume or choose another --out")
    if mixed.thinks(config):
        pieces = pieces.with_marks(shorthand.MARKS)
    model = UnifiedModel(pocket(config.depth, pieces.size, config.patch), grounds=grounds_of(config))
    model.initialise(torch.Generator().manual_seed(config.seed))
    return _assembled(folder, config, pieces, model.to(device))


def _assembled(folder: Path, config: TrainConfig, pieces: Pieces, model: UnifiedModel) -> Run:
    """A run at its beginning around a model."""
    head = DenseHead(model.spec.width, world_of(config)).to(model.embed.weight.device)
    return Run(folder, config, pieces, model, Optimiser(model, head), Mean(model), head)


def known_of(config: TrainConfig) -> Known:
    """What plans of this run may speak of."""
    return Known(world_of(config).concepts, characters())


def grounds_of(config: TrainConfig) -> GroundSpec | None:
    """The shape of what the run's model is told of plans; None where its tasks know none."""
    return spec_of(known_of(config)) if mixed.thinks(config) else None


THINGS, MEASURES = "grounding.things.weight", "grounding.measures.weight"
NAMED = ("naming.out.weight", "naming.out.bias")  # their first rows are those of THINGS


def grown(tensors: dict[str, Tensor], facts: dict[str, Any], fresh: UnifiedModel, concepts: Sequence[str]) -> dict[str, Tensor]:
    """Weights of a file for a model that may have more pieces, know other things, or be the first to be told of plans.

    What the file lacks is as in the fresh model; things keep their rows by name, and new measures count for nothing yet.
    Weights of another width stay as they are.
    """
    out = {name: tensor.float() for name, tensor in tensors.items()}
    new = {name: tensor.detach().clone() for name, tensor in fresh.state_dict().items()}
    if any(name.startswith("eye.") and (name not in new or new[name].shape != tensor.shape) for name, tensor in out.items()):
        out = {name: tensor for name, tensor in out.items() if not name.startswith("eye.")}  # an eye of another build starts anew
    if out["embed.weight"].shape[1] != fresh.spec.width:
        return out
    if (old := out["embed.weight"]).shape[0] < new["embed.weight"].shape[0]:
        out["embed.weight"] = torch.cat((old, new["embed.weight"][len(old) :]))
    if fresh.grounding is not None:
        if THINGS in out:
            was = {name: i for i, name in enumerate((*facts["concepts"], *facts["characters"]), 2)}
            rows = [(0, 0), (1, 1), *((was[name], i) for i, name in enumerate((*concepts, *characters()), 2) if name in was)]
            out[THINGS] = _taken(out[THINGS], new[THINGS], rows)
            for name in NAMED:
                if name in out:
                    things = _taken(out[name], new[name][: len(new[THINGS])], rows)
                    out[name] = torch.cat((things, out[name][len(was) + 2 :]))
            out[MEASURES] = F.pad(out[MEASURES], (0, new[MEASURES].shape[1] - out[MEASURES].shape[1]))
        later = ("grounding.", "eye.", "naming.")
        out |= {name: tensor for name, tensor in new.items() if name.startswith(later) and name not in out}
    return out


def _taken(old: Tensor, new: Tensor, rows: Sequence[tuple[int, int]]) -> Tensor:
    """The new table with rows of the old one: (row there, row here)."""
    out = new.clone()
    for before, after in rows:
        out[after] = old[before]
    return out


def begin_from(folder: Path, config: TrainConfig, weights: Path, device: torch.device) -> Run:
    """A fresh run whose weights and tokenizer come from a model's file. Raises BadWeights where it is of another shape."""
    tensors, facts = checkpoint.load(weights)
    run = begin(folder, config, Pieces(facts["pieces"]), torch.device("cpu"))
    with torch.device("meta"):
        model = UnifiedModel(run.model.spec, grounds=grounds_of(config))
    checkpoint.fill(model, grown(tensors, facts, run.model, world_of(config).concepts), weights)
    run = _assembled(folder, config, run.pieces, model.to(device).requires_grad_(True))
    run.before = {name: facts.get("history", {}).get(name, 0) for name in ("steps", "pictures", "hours")}
    return run


def resume(folder: Path, device: torch.device) -> Run:
    """The run as it was when it last saved. Raises BadWeights."""
    tensors, facts = checkpoint.load(folder / state.STATE)
    for stale in folder.glob("*.part"):  # left by a run that was killed while it saved
        stale.unlink()
    if "config" not in facts:
        raise BadWeights(f"{folder / state.STATE} is not the state of a training run; give the folder that --out named")
    try:
        config, pieces = TrainConfig.from_dict(facts["config"]), Pieces(facts["pieces"])
    except (KeyError, TypeError) as error:
        raise BadWeights(f"{folder / state.STATE} was written by another version ({error}); begin a new run in another --out") from error
    with torch.device("meta"):
        model = UnifiedModel(pocket(config.depth, pieces.size, config.patch), grounds=grounds_of(config))
    checkpoint.fill(model, state.parts(tensors, "model"), folder / state.STATE)
    run = _assembled(folder, config, pieces, model.to(device).requires_grad_(True))
    run.step, run.seen, run.seconds, run.before = facts["step"], facts["seen"], facts["seconds"], facts.get("before", {})
    run.head.load_state_dict(state.parts(tensors, "head"))
    run.mean.load(state.parts(tensors, "mean"))
    run.optimiser.load(state.parts(tensors, "optimiser"))
    return run


def flops_per_picture(run: Run) -> float:
    """Training operations a picture (two a multiplication, backward twice the forward), from the shapes."""
    spec = run.model.spec
    per_row = 2 * spec.layers * (2 * spec.width * spec.head_width * (spec.heads + spec.kv_heads) + 3 * spec.width * spec.hidden)
    mix = MIXES[run.config.mix]
    text = sum(n * width for n, (width, _) in zip(bucket_sizes(mix, run.stage.batch), mix.texts, strict=True)) / run.stage.batch
    if not mixed.plain(run.config):
        return mixed.flops(run.model, run.config, run.stage, text)
    tokens = run.stage.tokens
    attention = 4 * spec.layers * spec.heads * spec.head_width * (text * text / 2 + tokens * (tokens + text))
    return 3 * (per_row * (text + tokens) + attention)


def loss_of(
    model: UnifiedModel, head: DenseHead | None, batch: Batch, noise: torch.Tensor, t: torch.Tensor, config: TrainConfig, dtype: torch.dtype
) -> torch.Tensor:
    """The training loss of one bucket: read the captions, predict the clean patches after them, name them half-way."""
    start = torch.zeros(len(batch.ids), device=batch.ids.device)
    cache = model.read(batch.ids, batch.lengths, None, start, dtype).cache
    z = flow.mix(batch.patches, noise, t)
    out = model.draw(z.to(dtype), t, batch.coordinates, batch.lengths.float(), cache)
    loss = flow.velocity_loss(model.patch_out(out.draw).float(), batch.patches, t, batch.weight, config.t_min)
    if head is not None and batch.labels is not None and config.dense:
        loss = loss + config.dense * head(out.middle, batch.labels)
    return loss


def train_step(run: Run, drafts: Drafts | Mixed, atlas: Atlas, shape: tuple[int, int]) -> torch.Tensor:
    """One update; returns the mean loss as a tensor on the device."""
    config, stage = run.config, run.stage
    device = atlas.device
    generator = torch.Generator(device).manual_seed(config.seed * 1_000_003 + run.step)
    dtype = quick_dtype(device)
    total = torch.zeros((), device=device)
    drawn, groups = (drafts.draw, drafts.groups) if isinstance(drafts, Mixed) else (drafts, ())
    for batch in compose(drawn, atlas, world_of(config), config.patch, *shape, config.foreground) if drawn else ():
        if not len(batch.ids):  # a small part of a mixed step may leave a bucket empty
            continue
        share = len(batch.ids) / stage.batch
        t = flow.sample_times(len(batch.ids), generator, device)
        t = stage.time_shift * t / (1 + (stage.time_shift - 1) * t)
        noise = torch.randn(batch.patches.shape, generator=generator, device=device)
        loss = loss_of(run.model, run.head, batch, noise, t, config, dtype) * share
        loss.backward()
        total += loss.detach()
    for group in groups:
        ready = mixed.ready(group, atlas, world_of(config), config.patch, *shape, config.foreground)
        loss, _, _ = mixed.group_loss(run.model, ready, config, generator, dtype)
        (loss * len(group) / stage.batch).backward()
        total += loss.detach() * len(group) / stage.batch
    factor = rate(config, run.step, run.seen)
    run.optimiser.step(config.muon_rate * factor, config.adam_rate * factor)
    run.step += 1
    run.seen += stage.batch
    run.mean.update(run.model, run.step)
    return total


def samples(run: Run, out: Path) -> None:
    """A grid of pictures of the fixed prompts, drawn by the running mean of the weights."""
    with torch.device("meta"):
        model = UnifiedModel(run.model.spec, grounds=grounds_of(run.config))
    model.load_state_dict(run.mean.state(), strict=True, assign=True)
    if model.grounding is not None:
        report.painted(model, known_of(run.config), world_of(run.config), run.config.patch, run.stage.tokens).save(out)
        return
    side, dtype = round(run.stage.tokens**0.5), quick_dtype(model.embed.weight.device)
    prompts, how = list(report.SHOWN), Sampling(16, 3.0)
    for x in draw(model, run.pieces, prompts, list(range(len(prompts))), side, side, run.config.patch, how, TEXT_LIMIT, dtype):
        last = x
    sheet(list(decode(last)), 8, 128).save(out)


def compile_layers(run: Run) -> None:
    """Compiles layer by layer, shared by all layers: one short compilation for each shape of the draw task; a run of many
    tasks has some sixty shapes, which a few graphs with open sizes serve together."""
    import torch._dynamo

    torch._dynamo.config.cache_size_limit = 256
    for layer in run.model.layers:
        layer.compile(dynamic=not mixed.plain(run.config) and {name for name, _ in run.config.tasks} != {"paint"})


def _finite(loss: torch.Tensor, step: int) -> float:
    value = float(loss)
    if not math.isfinite(value):
        raise SaysoError(
            f"the loss is {value} at step {step}; the state on disk is older and sound, resume it or begin anew with another --seed"
        )
    return value


def train(
    run: Run,
    atlas: Atlas,
    workers: int,
    save_every: float,
    sample_every: int,
    stop: Callable[[], bool],
    tell: Callable[[Run, float, float, float], None],
) -> None:
    """Runs until the planned pictures are seen or `stop()` says so; saves every `save_every` seconds and at the end.

    `tell(run, loss, pictures a second, operations a second)` is called about once a second.
    """
    log = report.Log(run.folder / "log.csv", run.step)
    stream = mixed.stream_of(run.config, run.pieces, workers)
    try:
        while run.seen < run.config.pictures and not stop():
            stage = run.stage
            saved = told = ended = time.monotonic()
            before, losses = run.seen, []
            for step, drafts in stream.steps(run.step, stage):
                losses.append(train_step(run, drafts, atlas, grid_of(run.config, stage, step)))
                now = time.monotonic()
                run.seconds += now - ended
                if now - told > 1 and run.step % 10 == 0:
                    loss = _finite(torch.stack(losses).mean(), run.step)
                    speed = (run.seen - before) / (now - told)
                    flops = speed * flops_per_picture(run)
                    log.add(
                        step=run.step,
                        seen=run.seen,
                        seconds=round(run.seconds, 1),
                        loss=round(loss, 5),
                        rate=round(rate(run.config, run.step, run.seen), 4),
                        pictures_per_second=round(speed, 1),
                        flops_per_second=f"{flops:.3g}",
                        stage=stage.tokens,
                    )
                    tell(run, loss, speed, flops)
                    told, before, losses = now, run.seen, []
                if run.step % sample_every == 0:
                    samples(run, run.folder / f"samples-{run.step:06d}.png")
                if now - saved > save_every:
                    _finite(losses[-1] if losses else torch.zeros(()), run.step)  # a broken state never replaces a sound one
                    run.save()
                    saved = time.monotonic()
                ended = time.monotonic()
                if run.seen >= run.config.pictures or stop() or run.stage is not stage:
                    break
    finally:
        stream.close()
        log.close()
    run.save()
    samples(run, run.folder / f"samples-{run.step:06d}.png")
    report.plot(run.folder / "log.csv", run.folder / "loss.png")
