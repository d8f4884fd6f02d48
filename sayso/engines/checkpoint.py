"""Weights on disk: one safetensors file with everything needed to use it in its header, checked by a hash.

Loading is strict: the model is built without memory, every tensor must be there in the right shape and none may be left.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sayso.engines import header as headers
from sayso.engines.header import facts_digest
from sayso.errors import BadWeights, CannotWrite


def digest(tensors: dict[str, Tensor]) -> str:
    """SHA-256 over names, shapes, types and bytes, in the order of the names."""
    h = hashlib.sha256()
    for name in sorted(tensors):
        t = tensors[name].detach().contiguous().cpu()
        h.update(f"{name} {tuple(t.shape)} {t.dtype}\n".encode())
        h.update(t.reshape(-1).view(torch.uint8).numpy().data)
    return h.hexdigest()


def save(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> str:
    """Writes tensors with `facts` (JSON-able) in the header; whole or not at all. Returns the hash."""
    tensors = {k: t.detach().cpu().contiguous() for k, t in tensors.items()}
    sha = digest(tensors)
    facts = json.loads(json.dumps(facts))  # as it will be read back
    header = {"sayso": json.dumps({**facts, "sha256": sha, "facts_sha256": facts_digest(facts)}, ensure_ascii=False)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        os.close(handle)
    except OSError as error:
        raise CannotWrite(f"cannot write to {path.parent} ({error.strerror}); choose another folder") from error
    try:
        save_file(tensors, temporary, metadata=header)
        with open(temporary, "rb+") as f:
            os.fsync(f.fileno())
        os.umask(mask := os.umask(0o077))
        os.chmod(temporary, 0o666 & ~mask)  # a temporary file is private, the finished one need not be
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        raise CannotWrite(f"cannot write {path} ({error}); free some space or choose another folder") from error
    finally:
        Path(temporary).unlink(missing_ok=True)
    return sha


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts. Raises BadWeights when the file is truncated or a single byte of a tensor differs."""
    found = headers.facts(path)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise BadWeights(f"{path} is truncated or damaged ({error}); fetch the file again") from error
    if digest(tensors) != found.get("sha256"):
        raise BadWeights(f"{path} is damaged: its hash is not the one it was saved with; fetch the file again")
    return tensors, found


def fill(model: nn.Module, tensors: dict[str, Tensor], path: Path) -> None:
    """Puts tensors into a model built on the meta device. Raises BadWeights naming the first odd key."""
    wanted = {k: tuple(t.shape) for k, t in model.state_dict().items()}
    for name, shape in wanted.items():
        if name not in tensors:
            raise BadWeights(f"{path} lacks {name}; it belongs to another architecture")
        if tuple(tensors[name].shape) != shape:
            raise BadWeights(f"{path}: {name} has shape {tuple(tensors[name].shape)}, not {shape}; it belongs to another architecture")
    for name in tensors:
        if name not in wanted:
            raise BadWeights(f"{path} has an unknown tensor {name}; it belongs to another architecture")
    model.load_state_dict(tensors, strict=True, assign=True)
