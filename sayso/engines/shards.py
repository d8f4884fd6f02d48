"""Foreign checkpoints in safetensors files: judged by their headers before any memory is taken, then streamed tensor by tensor.

The format: eight bytes with the header's length, a JSON header (name → type, shape, offsets), then the tensors' bytes.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sayso.errors import BadWeights

SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
LONGEST = 100_000_000  # bytes of a header
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")


@dataclass(frozen=True)
class Entry:
    """One tensor in a file. `begin`, `end`: byte offsets in the file."""

    path: Path
    name: str
    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


def header(path: Path) -> dict[str, Entry]:
    """Name → entry, without reading a tensor. Raises BadWeights unless the file is whole and says what it holds."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if not 2 <= length <= min(LONGEST, size - 8):
                raise ValueError("the header's length is out of range")
            found = json.loads(file.read(length))
        entries = {name: _entry(path, name, row, 8 + length) for name, row in found.items() if name != "__metadata__"}
        _check_cover(entries, 8 + length, size)
    except FileNotFoundError:
        raise BadWeights(f"no weights at {path}; fetch them with `sayso pull` or give another folder with --weights") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error) as error:
        raise BadWeights(f"{path} is truncated or damaged ({error}); fetch the file again") from error
    return entries


def _entry(path: Path, name: str, row: Mapping[str, object], base: int) -> Entry:
    kind, shape, offsets = row["dtype"], row["shape"], row["data_offsets"]
    if kind not in SIZES:
        raise ValueError(f"{name} has the unknown type {kind}")
    if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError(f"{name} has no proper shape")
    begin, end = offsets  # type: ignore[misc]
    if not 0 <= begin <= end or end - begin != math.prod(shape) * SIZES[kind]:  # type: ignore[has-type]
        raise ValueError(f"{name} does not fill its place")
    return Entry(path, name, str(kind), tuple(shape), base + begin, base + end)  # type: ignore[has-type]


def _check_cover(entries: Mapping[str, Entry], at: int, size: int) -> None:
    """The tensors lie end to end and reach the end of the file."""
    for entry in sorted(entries.values(), key=lambda e: (e.begin, e.end)):
        if entry.begin != at:
            raise ValueError(f"{entry.name} does not begin where the tensor before it ends")
        at = entry.end
    if at != size:
        raise ValueError(f"it has {size:,} bytes and its header speaks of {at:,}")


def find(folder: Path, names: tuple[str, ...]) -> dict[str, Entry]:
    """The tensors of the first of `names` that exists: one file, or many by way of NAME.index.json.

    Raises BadWeights, also where only pickled weights lie: those can run code when they are read, and never are.
    """
    if not folder.is_dir():
        raise BadWeights(f"there is no folder {folder}; fetch the weights with `sayso pull` or give another folder with --weights")
    for name in names:
        if (folder / name).is_file():
            return header(folder / name)
        if (folder / f"{name}.index.json").is_file():
            return _of_index(folder, folder / f"{name}.index.json")
    pickled = sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)
    if pickled:
        raise BadWeights(f"{folder} holds pickled weights ({pickled[0]}), which can run code and are never read; fetch safetensors files")
    raise BadWeights(f"{folder} lacks {names[0]}; fetch the weights with `sayso pull` or give another folder with --weights")


def _of_index(folder: Path, index: Path) -> dict[str, Entry]:
    try:
        placed = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files = sorted(set(placed.values()))
        if not files or any(Path(file).name != file for file in files):
            raise ValueError("it names files in other folders")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadWeights(f"{index} is damaged ({error}); fetch the file again") from error
    entries: dict[str, Entry] = {}
    for file in files:
        entries |= header(folder / file)
    if missing := sorted(placed.keys() - entries.keys()):
        raise BadWeights(f"{folder} lacks {missing[0]}, which {index.name} speaks of; fetch the files again")
    return entries


def match(entries: Mapping[str, Entry], rename: Callable[[str], str | None], wanted: Mapping[str, tuple[int, ...]]) -> dict[str, Entry]:
    """Our name → entry, exactly the wanted names in exactly their shapes. Raises BadWeights naming the first odd tensor."""
    matched: dict[str, Entry] = {}
    for theirs, entry in entries.items():
        ours = rename(theirs)
        if ours is None or ours not in wanted or ours in matched:
            raise BadWeights(f"{entry.path} has an unknown tensor {theirs}; it belongs to another architecture")
        if entry.shape != wanted[ours]:
            raise BadWeights(f"{entry.path}: {theirs} has shape {list(entry.shape)}, not {list(wanted[ours])}; "
                             "it belongs to another architecture")
        matched[ours] = entry
    if missing := [name for name in wanted if name not in matched]:
        where = next(iter(entries.values())).path if entries else "the file"
        raise BadWeights(f"{where} lacks the tensor for {missing[0]} and {len(missing) - 1} more; fetch the file again")
    return matched


def spans(entries: Mapping[str, Entry]) -> Iterator[tuple[str, Entry]]:
    """Our name and entry in the order of the bytes on disk, so that reading is one sweep."""
    yield from sorted(entries.items(), key=lambda item: (str(item[1].path), item[1].begin))
