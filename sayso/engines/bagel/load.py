"""BAGEL into memory: what is needed is compared with what is free first, then tensors stream in one by one.

Load options: how numbers are stored (`dtype`, `quantise`), where layers lie (`offload`), how passes are started (`graph`,
`compile`). Each is a switch of its own; two that exclude each other are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from sayso.engines import machine, stream
from sayso.engines.bagel import files, text
from sayso.engines.bagel.engine import BagelEngine, Passes
from sayso.engines.bagel.glue import Glue
from sayso.engines.bagel.settings import LOAD_OPTIONS
from sayso.engines.offload import Visiting
from sayso.errors import BadInput, CannotDo, SaysoError, Unknown
from sayso.models import lowbits
from sayso.models.codecs.vae import Autoencoder
from sayso.models.specs import AutoencoderSpec, UnifiedSpec
from sayso.models.unified import UnifiedModel

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True)
class How:
    """The load options, read and found to go together."""

    device: torch.device
    dtype: torch.dtype
    quantise: lowbits.Kind | None
    offload: bool
    graph: bool
    compile: bool
    kept: torch.dtype | None = None  # of the layers' matrices, where it is not `dtype`


def read_options(device: str | None, options: Mapping[str, object]) -> How:
    """Raises Unknown, BadInput for values, CannotDo for what this machine or the combination does not allow."""
    for name in options:
        if name not in LOAD_OPTIONS:
            raise Unknown("option of bagel", name, tuple(LOAD_OPTIONS))
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if chosen.startswith("cuda") and not torch.cuda.is_available():
        raise CannotDo(f"there is no GPU for --device {chosen}; use cpu")
    if chosen == "mps":
        raise CannotDo("bagel runs on NVIDIA cards and on CPUs, not on mps; use cpu")
    place = torch.device(chosen)
    kind = _one_of("dtype", options.get("dtype", "auto"), ("auto", *DTYPES))
    small = _one_of("quantise", options.get("quantise", "none"), ("none", *lowbits.KINDS))
    offload, graph, compiled = (_one_of(name, options.get(name, "off"), ("on", "off")) == "on" for name in ("offload", "graph", "compile"))
    if graph and place.type != "cuda":
        raise CannotDo("steps can be replayed from a graph on NVIDIA cards only; leave graph off")
    if graph and offload:
        raise CannotDo("a graph needs its weights in one place; choose either graph or offload")
    if small == "fp8" and place.type == "cuda" and torch.cuda.get_device_capability(place) < (8, 9):
        raise CannotDo("this card does not multiply in FP8; choose quantise=int8")
    return How(
        place,
        machine.quick_dtype(place) if kind == "auto" else DTYPES[kind],
        None if small == "none" else cast(lowbits.Kind, small),
        offload,
        graph,
        compiled,
    )


def _one_of(name: str, value: object, known: tuple[str, ...]) -> str:
    word = {"true": "on", "false": "off"}.get(str(value).lower(), str(value))
    if word not in known:
        raise BadInput(f'{name} "{value}" is unknown; choose {", ".join(known)}')
    return word


def weight_bytes(
    spec: UnifiedSpec, autoencoder: AutoencoderSpec, dtype: torch.dtype, small: str | None, kept: torch.dtype | None = None
) -> tuple[float, float]:
    """Bytes of the layers, and of everything else. `small`, `kept`: how the layers' matrices are stored, None = in `dtype`."""
    wide = 8.0 * dtype.itemsize
    matrix = lowbits.BITS[small] if small else wide if kept is None else 8.0 * kept.itemsize
    with torch.device("meta"):
        model, coder = UnifiedModel(spec), Autoencoder(autoencoder)
    layers = rest = 0.0
    for name, tensor in model.named_parameters():
        bits = matrix if _smaller(name, tensor.shape) else wide
        if name.startswith("layers."):
            layers += tensor.numel() * bits / 8
        else:
            rest += tensor.numel() * bits / 8
    return layers, rest + sum(p.numel() for p in coder.parameters()) * dtype.itemsize


def working_bytes(spec: UnifiedSpec, autoencoder: AutoencoderSpec, dtype: torch.dtype) -> float:
    """Bytes beside the weights for one picture of the largest size: rows of two branches, keys and values, and the decoder's planes."""
    assert spec.table_side is not None
    patches = spec.table_side**2
    rows = 2 * patches * (3 * spec.hidden + 8 * spec.width)
    cached = spec.layers * 2 * spec.kv_heads * spec.head_width * (2 * patches + 4096)
    planes = 4 * autoencoder.channels * (16 * spec.table_side) ** 2
    return (rows + cached + planes) * dtype.itemsize


def check_memory(spec: UnifiedSpec, autoencoder: AutoencoderSpec, how: How) -> None:
    """Raises SaysoError, with what would fit, unless weights and work fit where they are to lie."""
    layers, rest = weight_bytes(spec, autoencoder, how.dtype, how.quantise, how.kept)
    work = working_bytes(spec, autoencoder, how.dtype)
    visiting = 2 * layers / spec.layers
    there = rest + work + (visiting if how.offload else layers)
    free = machine.device_memory(how.device)
    advice = "try quantise=int8 or int4, or offload=on, or see sayso engines --fit"
    if there > free:
        raise SaysoError(f"bagel needs {there / machine.GIB:.1f} GiB on {how.device} and {free / machine.GIB:.1f} GiB are free; {advice}")
    if how.offload and layers > machine.host_memory():
        raise SaysoError(f"bagel's layers need {layers / machine.GIB:.1f} GiB of the host's memory and "
                         f"{machine.host_memory() / machine.GIB:.1f} GiB are free; try quantise=int8 or int4")


def fitted(how: How, found: files.Checkpoint) -> How:
    """With the layers' matrices kept in bfloat16 as the checkpoint has them, where float32 is multiplied and does not fit.

    The picture is the same to the bit; writing takes longer, as every word spreads all matrices once.
    """
    stored = {entry.kind for name, entry in found.tensors.items() if _smaller(name, torch.Size(entry.shape))}
    if how.dtype != torch.float32 or how.quantise is not None or stored != {"BF16"}:
        return how
    layers, rest = weight_bytes(found.spec, found.autoencoder, how.dtype, None)
    need = layers + rest + working_bytes(found.spec, found.autoencoder, how.dtype)
    return replace(how, kept=torch.bfloat16) if need > machine.device_memory(how.device) else how


def _smaller(name: str, shape: torch.Size) -> bool:
    """Whether quantisation applies: the linear layers of both experts; embeddings, heads and the eyes keep their type."""
    return name.startswith("layers.") and name.endswith("_proj.weight") and lowbits.fits(shape)


def putter(model: nn.Module, how: How) -> Callable[[str, Tensor], None]:
    """What places a streamed tensor: in its type, made smaller on the device where asked, and where it is to lie."""

    def put(name: str, tensor: Tensor) -> None:
        matrix, stays = _smaller(name, tensor.shape), how.offload and name.startswith("layers.")
        tensor = tensor.to(how.device, how.kept if matrix and how.kept else how.dtype)
        if how.quantise is None or not matrix:
            stream.place(model, name, tensor.cpu() if stays else tensor)
            return
        linear = name.removesuffix(".weight")
        lowbits.swap(model, linear, how.quantise, tensor)
        if stays:
            model.get_submodule(linear).cpu()

    return put


def finish(model: UnifiedModel, coder: Autoencoder, words: text.Words, glue: Glue, how: How, facts: Mapping[str, object]) -> BagelEngine:
    """The engine around two filled models."""
    model.eval().requires_grad_(False)
    coder = coder.to(memory_format=torch.channels_last).eval().requires_grad_(False)  # type: ignore[call-overload]
    if how.offload:
        model.layers = Visiting(model.layers, how.device)
    passes = Passes(how.graph, how.compile)
    return BagelEngine(model, coder, words, glue, how.dtype, passes, facts)


def load(device: str | None = None, weights: Path | None = None, options: Mapping[str, object] | None = None) -> BagelEngine:
    """The engine from a checkpoint's folder. Raises BadWeights, BadInput, CannotDo, or SaysoError where memory is short."""
    how = read_options(device, options or {})
    folder = files.place(weights)
    glue_words = text.of_folder(folder, files.glues.of_folder(folder))
    found = files.examine(folder, glue_words.picture_marks)
    how = fitted(how, found)
    check_memory(found.spec, found.autoencoder, how)
    with torch.device("meta"):
        model, coder = UnifiedModel(found.spec), Autoencoder(found.autoencoder)
    stream.fill(model, found.tensors, putter(model, how))
    stream.fill(coder, found.codec, lambda name, t: stream.place(coder, name, t.to(how.device, how.dtype)))
    facts = {"weights": files.fingerprint(folder), "folder": str(folder)}
    return finish(model, coder, glue_words, found.glue, how, facts)


def random_engine(
    spec: UnifiedSpec, autoencoder: AutoencoderSpec, glue: Glue, device: str | None, options: Mapping[str, object], seed: int = 0
) -> BagelEngine:
    """The same engine with random weights made on the device, to measure speed without a checkpoint."""
    how = read_options(device, options)
    check_memory(spec, autoencoder, how)
    with torch.device("meta"):
        model, coder = UnifiedModel(spec), Autoencoder(autoencoder)
    generator = torch.Generator(how.device).manual_seed(seed)
    put = putter(model, how)
    for name, shape in files.shapes(model).items():
        put(name, _random(shape, generator, how))
    for name, shape in files.shapes(coder).items():
        stream.place(coder, name, _random(shape, generator, how))
    assert glue.marks is not None and glue.picture_marks is not None
    return finish(model, coder, text.Bytes(glue.marks, glue.picture_marks), glue, how, {"weights": "", "folder": ""})


def _random(shape: tuple[int, ...], generator: torch.Generator, how: How) -> Tensor:
    """Matrices of deviation 1/√fan-in, vectors of ones: values stay of order one through all layers."""
    if len(shape) < 2:
        return torch.ones(shape, dtype=how.dtype, device=how.device)
    fan_in = 1
    for side in shape[1:]:
        fan_in *= side
    return torch.empty(shape, dtype=how.dtype, device=how.device).normal_(std=fan_in**-0.5, generator=generator)
