"""Tensors from a checkpoint into a model that was built without memory: one at a time, so that no more than one is held twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from sayso.engines import shards
from sayso.engines.shards import Entry
from sayso.errors import BadWeights

KINDS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F8_E4M3": torch.float8_e4m3fn,
         "F8_E5M2": torch.float8_e5m2, "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
         "U8": torch.uint8, "BOOL": torch.bool}


def tensors(entries: Mapping[str, Entry]) -> Iterator[tuple[str, Tensor]]:
    """Our name and the tensor, in the order on disk, in the host's memory. Raises BadWeights when a file ends early."""
    path, file = None, None
    try:
        for name, entry in shards.spans(entries):
            if entry.path != path:
                if file is not None:
                    file.close()
                path, file = entry.path, entry.path.open("rb")
            assert file is not None
            raw = torch.empty(entry.end - entry.begin, dtype=torch.uint8)
            file.seek(entry.begin)
            if file.readinto(raw.numpy().data) != len(raw):
                raise BadWeights(f"{entry.path} ends inside {entry.name}; fetch the file again")
            yield name, raw.view(KINDS[entry.kind]).view(entry.shape)
    except OSError as error:
        raise BadWeights(f"{path} cannot be read ({error.strerror}); check the disk") from error
    finally:
        if file is not None:
            file.close()


def place(model: nn.Module, name: str, tensor: Tensor) -> None:
    """Puts one tensor where the parameter `name` of a model on the meta device is."""
    owner, _, leaf = name.rpartition(".")
    module = model.get_submodule(owner)
    assert leaf in module._parameters, name
    module._parameters[leaf] = nn.Parameter(tensor, requires_grad=False)


def fill(model: nn.Module, entries: Mapping[str, Entry], put: Callable[[str, Tensor], None] | None = None) -> None:
    """Streams all entries into the model; `put` is called for each name and tensor in place of plain `place`."""
    for name, tensor in tensors(entries):
        if put is None:
            place(model, name, tensor)
        else:
            put(name, tensor)
