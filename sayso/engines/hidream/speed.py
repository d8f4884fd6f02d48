"""How long a step of HiDream takes: ours, the slow twin's and that of diffusers, on the same weights and inputs in one run.

Rounds of the implementations alternate and the best of each counts, so that a busy moment of the machine falls on all alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sayso.engines import machine
from sayso.engines.hidream import loop, placing, schedules, weights
from sayso.engines.hidream.encoders import Words
from sayso.errors import BadInput, CannotDo
from sayso.models import sparse_names, sparse_plain
from sayso.models.sparse_dit import HIDREAM, SparseDiT, SparseSpec, padding

TINY = SparseSpec(channels=16, patch=2, double=1, single=1, heads=2, head_width=32, t5_width=32, llama_width=32, pooled_width=32, experts=4,
                  active=2, rope_axes=(16, 8, 8), llama_layers=(0, 1), resolution=(16, 16))
MID = SparseSpec(
    channels=16,
    patch=2,
    double=2,
    single=4,
    heads=10,
    head_width=64,
    t5_width=1024,
    llama_width=1024,
    pooled_width=512,
    experts=4,
    active=2,
    rope_axes=(32, 16, 16),
    llama_layers=(0, 1, 2, 3, 3, 3),
    resolution=(64, 64),
)
SIZES = {"tiny": TINY, "mid": MID, "full": HIDREAM}
WORDS = {"tiny": 8, "mid": 128, "full": 128}  # tokens of a prompt


class Case(NamedTuple):
    """`rows` × `columns` patches of the picture in `batch` guidance rows. `steps`: of a whole picture."""

    name: str
    batch: int
    rows: int
    columns: int
    max_tokens: int
    source: bool
    steps: int


def cases(spec: SparseSpec) -> list[Case]:
    """What the released models are used for, at the size of the spec."""
    side = spec.resolution[0] // spec.patch
    rows, columns = max(1, round(side * 0.8125)), max(1, int(side * 1.21875))
    whole, twice = spec.max_tokens, 2 * spec.max_tokens
    return [
        Case("draw, square, guided (Full)", 2, side, side, whole, False, 50),
        Case("draw, square (Dev)", 1, side, side, whole, False, 28),
        Case("draw, oblong, guided (Full)", 2, rows, columns, whole, False, 50),
        Case("edit, oblong, guided (E1.1)", 3, rows, columns, twice, True, 19),
        Case("polish, oblong, guided (E1.1)", 2, rows, columns, twice, False, 9),
    ]


def random_model(spec: SparseSpec, device: torch.device, dtype: torch.dtype, kept: torch.dtype) -> SparseDiT:
    """Filled with noise of the usual sizes, made on the device. `dtype`: of the rows; `kept`: of the matrices."""
    model = weights.empty(spec, device, dtype, kept)
    generator = torch.Generator(device).manual_seed(0)
    for name, p in model.named_parameters():
        if name.endswith("norm.weight"):
            p.fill_(1.0)
        else:
            p.normal_(0, 0.02 if p.dim() == 1 else p.shape[-1] ** -0.5, generator=generator)
    return model


def theirs(model: SparseDiT, dtype: torch.dtype) -> Any:
    """The transformer of diffusers with copies of the same weights, in `dtype`. Raises CannotDo when the library is missing."""
    try:
        from diffusers import HiDreamImageTransformer2DModel
    except ImportError:
        raise CannotDo('--against diffusers needs diffusers; install it with: pip install "sayso[big]"') from None
    spec = model.spec
    with torch.device("meta"):
        other: Any = HiDreamImageTransformer2DModel(
            patch_size=spec.patch,
            in_channels=spec.channels,
            out_channels=spec.channels,
            num_layers=spec.double,
            num_single_layers=spec.single,
            attention_head_dim=spec.head_width,
            num_attention_heads=spec.heads,
            caption_channels=[spec.t5_width, spec.llama_width],
            text_emb_dim=spec.pooled_width,
            num_routed_experts=spec.experts,
            num_activated_experts=spec.active,
            axes_dims_rope=list(spec.rope_axes),
            max_resolution=list(spec.resolution),
            llama_layers=list(spec.llama_layers),
        )
    parts = {name: t.to(dtype).contiguous() for name, t in sparse_names.released(model, spec).items()}
    other.load_state_dict(parts, strict=True, assign=True)
    return other.eval().requires_grad_(False)


@dataclass(frozen=True)
class Inputs:
    """Everything a step reads. `z`, `source` [B, c, H, W]."""

    z: Tensor
    source: Tensor | None
    words: Words


def inputs(spec: SparseSpec, case: Case, words: int, device: torch.device, dtype: torch.dtype) -> Inputs:
    g = torch.Generator().manual_seed(1)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=g).to(device, dtype)

    z = noise(case.batch, spec.channels, case.rows * spec.patch, case.columns * spec.patch)
    llama = noise(max(spec.llama_layers) + 1, case.batch, words, spec.llama_width)
    read = Words(noise(case.batch, words, spec.t5_width), llama, noise(case.batch, spec.pooled_width))
    return Inputs(z, noise(*z.shape) if case.source else None, read)


def tera(spec: SparseSpec, case: Case, words: int) -> float:
    """Multiplications and additions of our step in units of 10¹², matrix products and attention only."""
    c, pads = spec.width, padding(case.rows, case.columns * (1 + case.source), case.max_tokens)
    picture = case.rows * case.columns * (1 + case.source) + (pads > 0)
    moe = 3 * c * (spec.active * spec.hidden + spec.shared_hidden) + c * spec.experts
    total = 0
    for i in range(spec.blocks):
        last = i == spec.blocks - 1
        lasting, out = picture + 2 * words, case.rows * case.columns if last else picture + 2 * words
        keys = lasting + words
        total += 2 * c * c * keys + 2 * c * c * out + 2 * out * keys * c
        total += (picture * moe + 2 * words * 3 * c * spec.hidden) if i < spec.double else out * moe
    total += 2 * c * spec.patch_width * picture
    return 2 * total * case.batch / 1e12


def best(runs: dict[str, Callable[[], Any]], rounds: int, device: torch.device) -> dict[str, float]:
    """Least seconds of each, after one round that is not counted."""
    least = dict.fromkeys(runs, float("inf"))
    for counted in range(-1, rounds):
        for name, run in runs.items():
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            start = time.perf_counter()
            run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if counted >= 0:
                least[name] = min(least[name], time.perf_counter() - start)
    return least


@torch.no_grad()
def measure(model: SparseDiT, case: Case, words: int, against: tuple[str, ...], compiled: bool, rounds: int, other: Any) -> dict[str, Any]:
    """One row of the table: seconds of preparation, of a step of each, and how far the results lie apart."""
    device, dtype = model.patch_in.weight.device, model.patch_in.weight.dtype
    given = inputs(model.spec, case, words, device, dtype)
    plan = replace(schedules.official(4, 3.0), timesteps=(999.0, 700.0, 500.0, 300.0))
    size = given.z.shape[2], given.z.shape[3]
    ready = loop.prepare(model, given.words, plan, size, case.max_tokens, given.source)
    whole = given.z if given.source is None else torch.cat((given.z, given.source), dim=-1)
    times = torch.full((case.batch,), 500.0, device=device)
    rest = (times, given.words.t5, given.words.llama, given.words.pooled)
    told = [part if other is None else part.to(other.dtype) for part in (whole, *rest[1:])]

    def diffusers() -> Tensor:
        other.max_seq = case.max_tokens
        return -other(told[0], timesteps=times, encoder_hidden_states_t5=told[1], encoder_hidden_states_llama3=told[2],
                      pooled_embeds=told[3], return_dict=False)[0][..., : given.z.shape[3]]

    runs: dict[str, Callable[[], Any]] = {"ours": lambda: loop.predicted(model.step, model, ready, given.z, 2)}
    if compiled:
        step = loop.compiled(model)
        runs["compiled"] = lambda: loop.predicted(step, model, ready, given.z, 2)
    if "plain" in against:
        runs["plain"] = lambda: sparse_plain.velocity(model, whole, *rest, case.max_tokens)[..., : given.z.shape[3]]
    if "diffusers" in against:
        runs["diffusers"] = diffusers
    ours = runs["ours"]().float()
    apart = {name: float((run().float() - ours).norm() / ours.norm()) for name, run in runs.items() if name != "ours"}
    prepared = best({"prepare": lambda: loop.prepare(model, given.words, plan, size, case.max_tokens, given.source)}, 1, device)["prepare"]
    work = tera(model.spec, case, words)
    seconds = best(runs, rounds, device)
    return {"case": case.name, "rows": case.batch, "patches": case.rows * case.columns * (1 + case.source), "steps": case.steps,
            "padding": padding(case.rows, case.columns * (1 + case.source), case.max_tokens), "prepare": prepared, "seconds": seconds,
            "apart": apart, "tflop": work, "tflops": work / min(seconds["ours"], seconds.get("compiled", seconds["ours"]))}


def run(size: str, device: torch.device, dtype: torch.dtype, against: tuple[str, ...], compiled: bool, rounds: int, only: str | None,
        path: Path | None, where: placing.Placing, tell: Callable[[str], Any] = lambda words: None) -> dict[str, Any]:
    """All cases of a size. `path`: a transformer to measure instead of random weights; `only`: cases whose names hold this;
    `where`: how our weights are stored. `tell` hears which case begins and how long the rest will take.

    The weights of all are in `dtype`. Where the device has no quick product in bfloat16, our rows are in float32, as when a picture
    is drawn; a compiled step is in bfloat16 alone. Raises BadInput when no case is left, BadWeights or CannotDo.
    """
    rows_in = dtype if compiled else torch.promote_types(dtype, machine.quick_dtype(device))
    model = random_model(SIZES[size], device, rows_in, dtype) if path is None else weights.load_transformer(path, device, rows_in)
    chosen = [case for case in cases(model.spec) if only is None or only in case.name]
    if not chosen:
        raise BadInput(f'no case holds "{only}"; the cases are: ' + "; ".join(case.name for case in cases(model.spec)))
    other = theirs(model, dtype) if "diffusers" in against else None
    parameters = sum(p.numel() for p in model.parameters())
    placing.place(model, where, device)
    work, rows, begun = [tera(model.spec, case, WORDS[size]) for case in chosen], [], time.perf_counter()
    for i, case in enumerate(chosen):
        left = (time.perf_counter() - begun) / sum(work[:i]) * sum(work[i:]) if i else 0.0
        tell(
            f"{str(dtype).removeprefix('torch.')}, case {i + 1} of {len(chosen)}: {case.name}" + (f"; about {left:.0f} s left" if i else "")
        )
        rows.append(measure(model, case, WORDS[size], against, compiled, rounds, other))
    return {
        "size": size,
        "parameters": parameters,
        "dtype": str(dtype).removeprefix("torch.")
        + (f", our rows in {str(rows_in).removeprefix('torch.')}" if rows_in != dtype else "")
        + (f", ours in {where.bits}" if where.bits else "")
        + (", our blocks visiting" if where.offload == "blocks" else ""),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU",
        "threads": torch.get_num_threads(),
        "compiled": compiled,
        "torch": torch.__version__,
        "words": WORDS[size],
        "memory": torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else None,
        "rows": rows,
    }
