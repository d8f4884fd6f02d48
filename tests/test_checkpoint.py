"""Weights on disk: bit for bit, strict, whole or not at all, and every kind of damage told in one sentence."""

from __future__ import annotations

import errno
import json
import os
import random
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sayso.engines import checkpoint
from sayso.engines.header import facts
from sayso.errors import BadWeights, CannotWrite

FACTS: dict[str, Any] = {"n": 1, "name": "狐狸", "pieces": '{"a": "\\""}', "spec": {"rope_axes": [8, 12], "bottleneck": None, "eps": 1e-6}}


def some_tensors() -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(0)
    return {
        "layers.0.weight": torch.randn(5, 3, generator=g),
        "layers.0.bias": torch.randn(5, generator=g).bfloat16(),
        "step": torch.tensor(7.0),
        "ids": torch.arange(4),
        "mask": torch.tensor([True, False]),
        "empty": torch.zeros(0, 3),
        "odd": torch.tensor([float("nan"), float("inf"), -0.0]),
        "turned": torch.arange(6.0).view(2, 3).T,  # not contiguous
    }


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    checkpoint.save(path, some_tensors(), FACTS)
    return path


def bits(t: Tensor) -> bytes:
    return t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def test_a_round_trip_is_bit_for_bit(saved: Path) -> None:
    tensors, found = checkpoint.load(saved)
    before = some_tensors()
    assert tensors.keys() == before.keys()
    for name, t in before.items():
        assert (tensors[name].dtype, tensors[name].shape, bits(tensors[name])) == (t.dtype, t.shape, bits(t)), name
    assert {k: found[k] for k in FACTS} == FACTS
    assert facts(saved) == found
    assert checkpoint.digest(tensors) == found["sha256"] == checkpoint.save(saved.with_name("again"), tensors, FACTS)
    assert saved.with_name("again").read_bytes() == saved.read_bytes()


def test_the_hash_knows_names_shapes_types_and_bits() -> None:
    zero = {"a": torch.zeros(2, 3)}
    others = ({"b": torch.zeros(2, 3)}, {"a": torch.zeros(3, 2)}, {"a": torch.zeros(2, 3).int()}, {"a": -torch.zeros(2, 3)},
              {"a": torch.zeros(2, 3), "b": torch.zeros(0)})
    assert len({checkpoint.digest(t) for t in (zero, *others)}) == 6


def test_a_finished_file_is_as_readable_as_any_other(saved: Path) -> None:
    plain = saved.with_name("plain")
    plain.touch()
    assert saved.stat().st_mode == plain.stat().st_mode


def split(path: Path) -> tuple[bytes, bytes]:
    """Header and tensor bytes."""
    raw = path.read_bytes()
    (size,) = struct.unpack("<Q", raw[:8])
    return raw[8 : 8 + size], raw[8 + size :]


def test_one_flipped_bit_anywhere_in_the_tensors_is_noticed(saved: Path) -> None:
    raw = bytearray(saved.read_bytes())
    _, body = split(saved)
    for i in range(len(raw) - len(body), len(raw)):
        raw[i] ^= 1 << i % 8
        saved.write_bytes(raw)
        with pytest.raises(BadWeights, match="fetch the file again"):
            checkpoint.load(saved)
        raw[i] ^= 1 << i % 8
    saved.write_bytes(raw)
    checkpoint.load(saved)


def test_a_changed_fact_is_noticed_without_reading_the_weights(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes().replace("狐狸".encode(), "狗熊".encode(), 1))
    with pytest.raises(BadWeights, match="hash"):
        facts(saved)


def test_every_truncation_is_noticed(saved: Path) -> None:
    raw = saved.read_bytes()
    for length in (0, 3, 7, 8, 9, 100, len(raw) // 2, len(raw) - 200, len(raw) - 1):
        saved.write_bytes(raw[:length])
        with pytest.raises(BadWeights, match=str(saved)):
            checkpoint.load(saved)
    saved.write_bytes(raw + b"\0")
    with pytest.raises(BadWeights):
        checkpoint.load(saved)


@pytest.mark.parametrize("content", [
    b"", b"PK\x03\x04" + bytes(200), b"\x89PNG\r\n\x1a\n" + bytes(200), b"{}", bytes(1000), b"\xff" * 64, b"this is a text file\n" * 9,
    struct.pack("<Q", 99_999_999) + b"{}", struct.pack("<Q", 2**63) + b"{}",
])
def test_files_that_are_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    for read in (facts, checkpoint.load):
        with pytest.raises(BadWeights, match="not a sayso checkpoint or is damaged"):
            read(path)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(BadWeights, match="no weights at .*sayso train"):
        checkpoint.load(tmp_path / "none")
    with pytest.raises(BadWeights, match="not a sayso checkpoint"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("said", ["[" * 100_000, "[1]", "1", "null", '"x"', '{"sha256": 3}', '{"sha256": "\\ud800"}', "{" * 3, ""])
def test_odd_facts(saved: Path, said: str) -> None:
    header, body = split(saved)
    table = json.loads(header)
    table["__metadata__"]["sayso"] = said
    header = json.dumps(table).encode()
    saved.write_bytes(struct.pack("<Q", len(header)) + header + body)
    with pytest.raises(BadWeights):
        checkpoint.load(saved)


@pytest.mark.parametrize("header", [
    b"[" * 50_000, b"[]", b"3", b'{"__metadata__": 3}', b'{"__metadata__": {"sayso": 3}}', b'{"__metadata__": {}}', b"\xff\xfe",
])
def test_odd_headers(saved: Path, header: bytes) -> None:
    saved.write_bytes(struct.pack("<Q", len(header)) + header + split(saved)[1])
    with pytest.raises(BadWeights):
        facts(saved)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_random_damage_gives_the_weights_or_bad_weights(saved: Path, places: list[tuple[float, int]], header_only: bool) -> None:
    checkpoint.save(saved, some_tensors(), FACTS)
    raw = bytearray(saved.read_bytes())
    end = 8 + len(split(saved)[0]) if header_only else len(raw)
    for place, value in places:
        raw[int(place * end)] = value
    saved.write_bytes(raw)
    try:
        tensors, found = checkpoint.load(saved)
    except BadWeights:
        return
    assert {k: found[k] for k in FACTS} == FACTS  # what loads is what was saved
    assert {k: bits(t) for k, t in tensors.items()} == {k: bits(t) for k, t in some_tensors().items()}


def test_types_we_never_write(saved: Path) -> None:
    header, body = split(saved)
    rng = random.Random(0)
    for kind in ("F8_E8M0", "F4", "F6_E2M3", "C64", "U16", "F8_E5M2", "I16", "Q8"):
        table = json.loads(header)
        table[rng.choice(["odd", "step", "ids"])]["dtype"] = kind
        changed = json.dumps(table).encode()
        saved.write_bytes(struct.pack("<Q", len(changed)) + changed + body)
        with pytest.raises(BadWeights):
            checkpoint.load(saved)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(tensors: object, path: str, metadata: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(CannotWrite, match="No space left.*free some space"):
        checkpoint.save(saved, {"a": torch.ones(3)}, {})
    assert saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]

    def interrupted(tensors: object, path: str, metadata: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "save_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.save(saved, {"a": torch.ones(3)}, {})
    assert saved.read_bytes() == before and list(saved.parent.iterdir()) == [saved]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="choose another folder"):
        checkpoint.save(tmp_path / "file" / "x.safetensors", {"a": torch.ones(3)}, {})


def test_filling_is_strict() -> None:
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5))
    whole = {"0.weight": torch.ones(5, 3), "0.bias": torch.ones(5), "1.weight": torch.ones(5), "1.bias": torch.ones(5)}
    path = Path("x.safetensors")
    for changed, message in (
        ({k: t for k, t in whole.items() if k != "1.bias"}, "x.safetensors lacks 1.bias"),
        ({**whole, "0.weight": torch.ones(3, 5)}, r"0.weight has shape \(3, 5\), not \(5, 3\)"),
        ({**whole, "2.weight": torch.ones(1)}, "unknown tensor 2.weight"),
        ({}, "lacks 0.weight"),
    ):
        with pytest.raises(BadWeights, match=message):
            checkpoint.fill(model, changed, path)
    assert all(p.is_meta for p in model.parameters())  # a refused file changes nothing
    checkpoint.fill(model, whole, path)
    assert not any(p.is_meta for p in model.parameters())
    assert model(torch.ones(1, 3)).shape == (1, 5)
