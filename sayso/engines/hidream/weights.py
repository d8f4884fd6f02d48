"""HiDream's transformer from disk: a folder or a single file, checked by its headers before any memory is taken, then streamed.

Only safetensors are read, which cannot carry code. Names of other tools differ by a prefix. A LoRA is merged into the weights
that it changes, and what it changed can be put back bit by bit.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sayso.errors import BadWeights
from sayso.models import sparse_names
from sayso.models.linear import Linear
from sayso.models.sparse_dit import HIDREAM, Before, Grouped, SparseDiT, SparseSpec

TYPES = {"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"}
MAX_HEADER = 100_000_000


@dataclass(frozen=True)
class Entry:
    """One tensor on disk."""

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: str


def headers(path: Path) -> dict[str, Entry]:
    """Tensors of a safetensors file by name, from its header alone. Raises BadWeights when it is cut off or damaged."""
    try:
        size = path.stat().st_size
        with path.open("rb") as f:
            (length,) = struct.unpack("<Q", f.read(8))
            if not 2 <= length <= MAX_HEADER or 8 + length > size:
                raise ValueError("its header is cut off")
            table = json.loads(f.read(length))
        end = max((entry["data_offsets"][1] for name, entry in table.items() if name != "__metadata__"), default=0)
        if 8 + length + end != size:
            raise ValueError(f"it has {size:,} bytes and should have {8 + length + end:,}")
        return {name: Entry(path, name, tuple(e["shape"]), e["dtype"]) for name, e in table.items() if name != "__metadata__"}
    except FileNotFoundError:
        raise BadWeights(f"no weights at {path}; name another folder or fetch the model") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise BadWeights(f"{path} is not a safetensors file or is damaged ({error}); fetch it again") from error


def found(path: Path) -> dict[str, Entry]:
    """All tensors of a file or of the safetensors files of a folder, under their released names. Raises BadWeights."""
    if path.is_dir():
        files = sorted(path.glob("*.safetensors"))
        if not files:
            other = next((p.name for p in path.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".ckpt", ".gguf")), None)
            why = f"{other} is of a kind that is not read (pickles can carry code)" if other else "it holds no safetensors file"
            raise BadWeights(f"{path} cannot be loaded: {why}; fetch the safetensors files of the model")
    elif path.suffix == ".safetensors":
        files = [path]
    else:
        raise BadWeights(f"{path} is not a folder or a .safetensors file; only those are read")
    entries: dict[str, Entry] = {}
    for file in files:
        part = headers(file)
        if twice := entries.keys() & part.keys():
            raise BadWeights(f"{min(twice)} is in two files of {path}; keep one set of files there")
        entries |= part
    return {new: entries[old] for old, new in sparse_names.bare(list(entries)).items()}


def signs() -> list[str]:
    """Names of which a single file of HiDream's transformer has one."""
    return [prefix + sparse_names.SIGN for prefix in sparse_names.PREFIXES]


def read_spec(path: Path) -> SparseSpec:
    """The architecture that a folder's config.json describes; the released one for a single file. Raises BadWeights."""
    config = path / "config.json" if path.is_dir() else path.with_name("config.json")
    if not config.exists():
        return HIDREAM
    try:
        described = json.loads(config.read_text(encoding="utf-8"))
        return SparseSpec.from_config(described) if "num_routed_experts" in described else HIDREAM
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadWeights(f"{config} does not describe a model of this kind ({error}); fetch the file again") from error


def check(entries: dict[str, Entry], spec: SparseSpec, path: Path) -> None:
    """Raises BadWeights naming the first tensor that is missing, too many, of another shape or of a type that is not read."""
    wanted = sparse_names.slots(spec)
    for name, slot in wanted.items():
        if name not in entries:
            raise BadWeights(f"{path} lacks {name}; it is incomplete or belongs to another architecture")
        entry = entries[name]
        if entry.shape != slot.shape:
            raise BadWeights(f"{path}: {name} has shape {entry.shape}, not {slot.shape}; it belongs to another architecture")
        if entry.dtype not in TYPES:
            raise BadWeights(f"{path}: {name} is stored as {entry.dtype}, which is not read; take the bf16 files")
    if extra := sorted(entries.keys() - wanted.keys()):
        raise BadWeights(f"{path} has an unknown tensor {extra[0]}; it belongs to another architecture")


def tensors(entries: dict[str, Entry]) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor, file by file, one at a time."""
    from safetensors import SafetensorError, safe_open

    for file in sorted({entry.file for entry in entries.values()}):
        try:
            with safe_open(file, framework="pt") as data:
                for name, entry in entries.items():
                    if entry.file == file:
                        yield name, data.get_tensor(entry.name)
        except (SafetensorError, OSError) as error:
            raise BadWeights(f"{file} cannot be read ({error}); fetch it again") from error


def empty(spec: SparseSpec, device: torch.device, dtype: torch.dtype, kept: torch.dtype | None = None) -> SparseDiT:
    """A model whose weights are still to be filled. `dtype`: of the rows; `kept`: of the matrices, when they are kept in another."""
    with torch.device("meta"):
        model = SparseDiT(spec).to(dtype)
        for module in model.modules():
            for name, p in module.named_parameters(recurse=False):
                if kept is not None and isinstance(module, Linear | Grouped | Before) and p.dim() > 1:
                    setattr(module, name, torch.nn.Parameter(p.to(kept)))
    return model.to_empty(device=device).eval().requires_grad_(False)


def _kept(entries: dict[str, Entry]) -> torch.dtype | None:
    """The type that all matrices of a checkpoint have, None where they differ."""
    kinds = {entry.dtype for entry in entries.values() if len(entry.shape) > 1}
    return torch.bfloat16 if kinds == {"BF16"} else None


def load_transformer(path: Path, device: torch.device, dtype: torch.dtype) -> SparseDiT:
    """The model, filled strictly; matrices in bfloat16 stay so under rows in float32, which are half the memory and the same picture.

    Raises BadWeights before any memory is taken when a tensor is missing, odd or cut off.
    """
    entries, spec = found(path), read_spec(path)
    check(entries, spec, path)
    model = empty(spec, device, dtype, _kept(entries))
    parts = sparse_names.released(model, spec)
    for name, tensor in tensors(entries):
        parts[name].copy_(tensor)
    return model


# LoRA

DOWN = (".lora_A.default.weight", ".lora_A.weight", ".lora_down.weight", ".lora.down.weight")
UP = (".lora_B.default.weight", ".lora_B.weight", ".lora_up.weight", ".lora.up.weight")


@dataclass(frozen=True)
class Lora:
    """Low-rank changes by released weight name: (down [r, in], up [out, r], scale); and tensors that take the place of others."""

    changes: dict[str, tuple[Tensor, Tensor, float]]
    replaced: dict[str, Tensor]
    path: Path


def _target(name: str, wanted: dict[str, Any], flat: dict[str, str]) -> str | None:
    """The released module that a LoRA's key speaks of: with a prefix of other tools, or with all dots written as underscores."""
    for prefix in (*sparse_names.PREFIXES, "lora_unet_", "lora_transformer_"):
        module = name.removeprefix(prefix) if name.startswith(prefix) else None
        if module is not None and f"{module}.weight" in wanted:
            return module
        if module is not None and module in flat:
            return flat[module]
    return None


def read_lora(path: Path, spec: SparseSpec) -> Lora:
    """A LoRA file of any of the usual namings. Raises BadWeights naming the first key that this model does not have."""
    wanted = sparse_names.slots(spec)
    flat = {name.removesuffix(".weight").replace(".", "_"): name.removesuffix(".weight") for name in wanted if name.endswith(".weight")}
    downs: dict[str, Tensor] = {}
    ups: dict[str, Tensor] = {}
    alphas: dict[str, float] = {}
    replaced: dict[str, Tensor] = {}
    for key, tensor in tensors(headers(path)):
        for endings, kept in ((DOWN, downs), (UP, ups), ((".alpha",), None)):
            ending = next((e for e in endings if key.endswith(e)), None)
            if ending is None:
                continue
            module = _target(key.removesuffix(ending), wanted, flat)
            if module is None:
                raise BadWeights(f"{path}: {key} changes a layer that HiDream does not have; it belongs to another model")
            if kept is None:
                alphas[module] = float(tensor)
            else:
                kept[module] = tensor
            break
        else:
            name = next((n for n in (key.removeprefix(p) for p in sparse_names.PREFIXES) if n in wanted), None)
            if name is None or tuple(tensor.shape) != wanted[name].shape:
                raise BadWeights(f"{path} has a tensor {key} that HiDream does not have; it belongs to another model")
            replaced[name] = tensor
    return Lora(_paired(downs, ups, alphas, wanted, path), replaced, path)


def _paired(downs: dict[str, Tensor], ups: dict[str, Tensor], alphas: dict[str, float], wanted: dict[str, Any], path: Path
            ) -> dict[str, tuple[Tensor, Tensor, float]]:
    if odd := sorted(downs.keys() ^ ups.keys()):
        raise BadWeights(f"{path} has only one half of the change to {odd[0]}; fetch the file again")
    changes = {}
    for module, down in downs.items():
        up, shape = ups[module], wanted[f"{module}.weight"].shape
        if down.dim() != 2 or up.dim() != 2 or (up.shape[0], down.shape[1]) != shape or up.shape[1] != down.shape[0]:
            found = f"{tuple(up.shape)} by {tuple(down.shape)}"
            raise BadWeights(f"{path}: the change to {module} is {found}, not {shape}; it belongs to another model")
        changes[f"{module}.weight"] = (down, up, alphas.get(module, down.shape[0]) / down.shape[0])
    return changes


@dataclass
class Wardrobe:
    """A model and the LoRAs that it wears. `wear` puts the released weights back first, bit by bit, from copies kept on `keep`."""

    model: SparseDiT
    keep: torch.device
    worn: tuple[tuple[Path, float], ...] = ()
    loras: dict[Path, Lora] = field(default_factory=dict)
    originals: dict[str, Tensor] = field(default_factory=dict)

    def lora(self, path: Path) -> Lora:
        """A LoRA from disk, read once. Raises BadWeights."""
        if path not in self.loras:
            self.loras[path] = read_lora(path, self.model.spec)
        return self.loras[path]

    @torch.no_grad()
    def wear(self, wanted: tuple[tuple[Path, float], ...]) -> None:
        """Merges LoRAs with their strengths: W + Σ strength · scale · up · down. Nothing happens when they are worn already."""
        if wanted == self.worn:
            return
        chosen = [(self.lora(path), strength) for path, strength in wanted]
        parts = sparse_names.released(self.model, self.model.spec)
        for name, kept in self.originals.items():
            parts[name].copy_(kept)
        self.originals.clear()
        self.worn = ()
        for lora, strength in chosen:
            for name in (*lora.changes, *lora.replaced):
                if name not in self.originals:
                    self.originals[name] = parts[name].to(self.keep, copy=True)
            for name, tensor in lora.replaced.items():
                parts[name].copy_(tensor)
            for name, (down, up, scale) in lora.changes.items():
                part = parts[name]
                change = up.to(part.device, torch.float32) @ down.to(part.device, torch.float32)
                part.copy_(part.float() + strength * scale * change)
        self.worn = wanted
