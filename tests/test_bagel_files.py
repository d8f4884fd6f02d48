"""BAGEL's files: every tensor accounted for, odd ones refused before memory is taken, streamed with little memory, tokenizers."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import bagel_tiny
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from sayso.engines import checkpoints, shards, stream
from sayso.engines.bagel import files, fit, load, text
from sayso.engines.bagel.glue import PICTURE_MARKS, TEXT_MARKS
from sayso.engines.machine import Machine
from sayso.errors import BadInput, BadWeights, CannotDo, SaysoError, Unknown
from sayso.models import names
from sayso.models.codecs.vae import Autoencoder
from sayso.models.specs import BAGEL_7B, FLUX_AUTOENCODER
from sayso.models.unified import UnifiedModel
from sayso.types import Ask, Drew, Message, Text

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bagel_tiny.write(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "bagel"))


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any tensor that is read from a file is a failure."""
    def read(*_: object) -> None:
        pytest.fail("a tensor was read from a checkpoint that is to be refused")

    monkeypatch.setattr(stream, "tensors", read)


def test_every_tensor_of_the_release_has_its_place() -> None:
    parity = bagel_tiny.parity()
    if parity is None:
        pytest.skip("the list of the release's tensors lies outside the repository")
    released = json.loads((parity / "official_7b_parameters.json").read_text())
    with torch.device("meta"):
        model, coder = UnifiedModel(BAGEL_7B), Autoencoder(FLUX_AUTOENCODER)
    for file, ours, rename, count in (("ema.safetensors", model, names.bagel, 1223),
                                      ("ae.safetensors", coder, names.flux_autoencoder, 244)):
        theirs = {rename(name): tuple(shape) for name, shape in released[file].items()}
        assert len(released[file]) == len(theirs) == count and theirs == files.shapes(ours)
    assert sum(p.numel() for p in model.parameters()) == 14_607_260_128


def test_strange_names_have_no_place() -> None:
    for name in ("language_model.model.layers.0", "visual.proj.weight", "language_model.layers.0.mlp.up_proj.weight"):
        assert names.bagel(name) is None, name
    for name in ("encoder.conv_in.scale", "quant_conv.weight", "decoder.up.x.block.0.conv1.weight"):
        assert names.flux_autoencoder(name) is None, name


def test_architectures_come_from_the_files(whole: Path) -> None:
    found = files.examine(whole)
    assert (found.spec.table_side, found.spec.vision.table_side if found.spec.vision else 0) == (12, 10)
    assert found.spec.marks == (292, 293) and found.autoencoder.multipliers == (1, 1, 1, 1) and found.autoencoder.channels == 32
    assert len(found.tensors) == len(bagel_tiny.shapes()) and len(found.codec) == len(bagel_tiny.coder_shapes())


def rewrite(path: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def header_says(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert data.count(old) >= 1 and len(old) == len(new)
    path.write_bytes(data.replace(old, new, 1))


def pickled(folder: Path) -> None:
    (folder / "ema.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": 1}))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut in the data": (lambda f: cut(f / "ema.safetensors", 20_000), "truncated or damaged"),
    "cut in the header": (lambda f: cut(f / "ema.safetensors", 300), "truncated or damaged"),
    "empty": (lambda f: cut(f / "ae.safetensors", 0), "truncated or damaged"),
    "too long": (lambda f: lengthen(f / "ema.safetensors"), "truncated or damaged"),
    "header of nonsense": (lambda f: header_says(f / "ema.safetensors", b'"dtype"', b'"dtyqe"'), "truncated or damaged"),
    "unknown type": (lambda f: header_says(f / "ema.safetensors", b'"F32"', b'"Q32"'), "unknown type"),
    "a tensor is missing": (lambda f: rewrite(f / "ema.safetensors", lambda t: t.pop("time_embedder.mlp.0.bias")), "lacks the tensor"),
    "a tensor too many": (lambda f: rewrite(f / "ema.safetensors", lambda t: t.update(strange=torch.zeros(1))), "unknown tensor strange"),
    "another shape": (lambda f: rewrite(f / "ema.safetensors", lambda t: t.update({"vae2llm.bias": torch.zeros(5)})),
                      r"vae2llm.bias has shape \[5\]"),
    "a table that is no square": (
        lambda f: rewrite(f / "ema.safetensors", lambda t: t.update({"latent_pos_embed.pos_embed": torch.zeros(10, 32)})), "no square"),
    "autoencoder of another kind": (lambda f: rewrite(f / "ae.safetensors", lambda t: t.pop("decoder.conv_in.bias")), "lacks the tensor"),
    "weights are missing": (lambda f: (f / "ema.safetensors").unlink(), "lacks ema.safetensors"),
    "autoencoder is missing": (lambda f: (f / "ae.safetensors").unlink(), "lacks ae.safetensors"),
    "configuration is missing": (lambda f: (f / "llm_config.json").unlink(), "lacks llm_config.json"),
    "configuration of nonsense": (lambda f: (f / "vit_config.json").write_text("[1]"), "damaged"),
    "configuration of another size": (lambda f: (f / "llm_config.json").write_text('{"hidden_size": -3}'), "does not describe"),
    "pickled": (pickled, "pickled weights"),
}


@pytest.mark.usefixtures("no_memory")
@pytest.mark.parametrize("name", DAMAGE)
def test_odd_checkpoints_are_refused_before_memory_is_taken(folder: Path, name: str) -> None:
    damage, words = DAMAGE[name]
    damage(folder)
    with pytest.raises(BadWeights, match=words):
        load.load("cpu", folder, {"dtype": "float32"})


@pytest.mark.usefixtures("no_memory")
def test_too_little_memory_is_said_before_it_is_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load.machine, "device_memory", lambda device: 1000)
    with pytest.raises(SaysoError, match=r"needs .* GiB on cpu and 0.0 GiB are free; try quantise"):
        load.load("cpu", folder, {})


@pytest.mark.parametrize(("device", "options", "error", "words"), [
    ("cpu", {"graph": "on"}, CannotDo, "NVIDIA"), ("mps", {}, CannotDo, "mps"), ("cpu", {"quantise": "int3"}, BadInput, "int3"),
    ("cpu", {"dtype": "float8"}, BadInput, "float8"), ("cpu", {"quantize": "int8"}, Unknown, "quantise"),
    ("cpu", {"offload": "yes"}, BadInput, "yes"),
])
def test_load_options(whole: Path, device: str, options: dict[str, object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        load.load(device, whole, options)


def test_a_sharded_checkpoint_is_the_same(folder: Path) -> None:
    tensors = load_file(folder / "ema.safetensors")
    placed = {name: f"part-{i % 3}.safetensors" for i, name in enumerate(tensors)}
    for file in set(placed.values()):
        save_file({name: t for name, t in tensors.items() if placed[name] == file}, folder / file)
    before = {name: t.clone() for name, t in load.load("cpu", folder, {"dtype": "float32"}).model.state_dict().items()}
    (folder / "ema.safetensors").unlink()
    (folder / "ema.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    after = load.load("cpu", folder, {"dtype": "float32"}).model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    (folder / "part-1.safetensors").unlink()
    with pytest.raises(BadWeights, match="part-1"):
        load.load("cpu", folder, {})
    (folder / "ema.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../ae.safetensors"}}))
    with pytest.raises(BadWeights, match="other folders"):
        load.load("cpu", folder, {})


def test_streaming_holds_one_tensor_at_a_time(tmp_path: Path) -> None:
    """24 tensors of 16 MB, read by a process of its own that keeps none: it grows by far less than the 384 MB of the file."""
    path = tmp_path / "large.safetensors"
    save_file({f"t{i}": torch.zeros(4_000_000) for i in range(24)}, path)
    code = ("import resource, sys, pathlib\nfrom sayso.engines import shards, stream\n"
            "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "entries = shards.header(pathlib.Path(sys.argv[1])); before = peak()\n"
            "assert sum(t.numel() for _, t in stream.tensors(entries)) == 96_000_000\nprint((peak() - before) // 1024)")
    ran = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 96, ran.stdout


def test_a_file_that_ends_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(100)}, path)
    entries = shards.header(path)
    cut(path, 200)
    with pytest.raises(BadWeights, match="ends inside a"):
        dict(stream.tensors(entries))


# ---------------------------------------------------------------------------------------------------------------------
# tokenizers


@pytest.fixture(scope="module")
def pieces() -> Tokenizer:
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    lines = ["a red fox", "make it night", "一只红色的狐狸"] * 20
    trainer = trainers.BpeTrainer(vocab_size=290, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    inner.train_from_iterator(lines, trainer)
    inner.add_special_tokens([*TEXT_MARKS, *PICTURE_MARKS])
    return inner


def test_the_checkpoints_own_tokenizer(folder: Path, pieces: Tokenizer) -> None:
    glue = {key: value for key, value in bagel_tiny.GLUE.items() if key in ("latent", "vision")}
    (folder / "sayso.json").write_text(json.dumps({"bagel": glue}))
    pieces.save(str(folder / "tokenizer.json"))
    assert pieces.get_vocab_size() <= bagel_tiny.VOCAB
    words = text.Qwen(folder)
    assert words.decode(words.encode("a red fox 狐狸")) == "a red fox 狐狸" and words.marks == tuple(map(pieces.token_to_id, TEXT_MARKS))
    typed = words.encode("fox<|im_end|>")
    assert words.marks[1] not in typed and words.decode(typed) == "fox<|im_end|>"  # a typed mark is plain text
    assert words.encode("fox<|im_end|>", released=True)[-1] == words.marks[1]
    engine = load.load("cpu", folder, {"dtype": "float32"})
    assert engine.model.spec.marks == words.picture_marks
    events = list(engine.respond(Ask((Message("user", (Text("a red fox"),)),), width=48, height=48, steps=2)))
    assert isinstance(events[-1], Drew)


def test_a_tokenizer_in_two_files(tmp_path: Path, pieces: Tokenizer) -> None:
    pieces.model.save(str(tmp_path))
    added = {str(pieces.token_to_id(mark)): {"content": mark, "special": True} for mark in (*TEXT_MARKS, *PICTURE_MARKS)}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": added}))
    words = text.Qwen(tmp_path)
    assert words.marks == (pieces.token_to_id(TEXT_MARKS[0]), pieces.token_to_id(TEXT_MARKS[1]))
    for line in ("a red fox", "it's 12 foxes,  don't", "一只红色的狐狸。\n\n"):
        assert words.decode(words.encode(line)) == line


def test_tokenizers_that_cannot_be_used(tmp_path: Path, pieces: Tokenizer) -> None:
    with pytest.raises(BadWeights, match="lacks vocab.json"):
        text.Qwen(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BadWeights, match="cannot be read"):
        text.Qwen(tmp_path)
    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(BadWeights, match="lacks the mark"):
        text.Qwen(tmp_path)


# ---------------------------------------------------------------------------------------------------------------------
# where and how


def test_where_checkpoints_are_looked_for(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSO_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert "sayso pull bagel" in str(checkpoints.missing("bagel"))
    with pytest.raises(BadWeights, match="no folder"):
        checkpoints.folder("bagel", tmp_path / "none")
    (tmp_path / "models" / "bagel").mkdir(parents=True)
    assert "not complete" in str(checkpoints.missing("bagel"))
    snapshot = tmp_path / "hub" / "models--ByteDance-Seed--BAGEL-7B-MoT" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    assert checkpoints.folder("bagel", None) == snapshot
    (tmp_path / "models" / "bagel" / checkpoints.MANIFEST).write_text(json.dumps({"files": {"ema.safetensors": {"sha256": "12ab"}}}))
    assert checkpoints.folder("bagel", None) == tmp_path / "models" / "bagel" and checkpoints.missing("bagel") is None
    assert checkpoints.recorded(tmp_path / "models" / "bagel") == {"ema.safetensors": "12ab"}
    assert checkpoints.folder("bagel", whole) == whole


def test_what_fits_which_machine() -> None:
    h200 = fit.ways(Machine(120 << 30, "a large card", 139 << 30, (9, 0), 700e12, 25e9))
    assert all(row.fits for row in h200) and 8 < (h200[0].seconds or 0) < 20
    small = {row.way: row for row in fit.ways(Machine(60 << 30, "a card of 24 GB", 23 << 30, (8, 6), 70e12, 12e9))}
    assert not small[""].fits and "23.0 GiB are free" in small[""].why
    assert small["quantise=int8"].fits and small["quantise=int4"].fits and small["offload=on"].fits
    assert not small["quantise=fp8"].fits and "FP8" in small["quantise=fp8"].why
    assert (small["offload=on"].seconds or 0) > (small["quantise=int8"].seconds or 0)
    laptop = fit.ways(Machine(12 << 30, None, 0, (0, 0), 0.3e12, 1e10))
    assert not any(row.fits for row in laptop if "int4" not in row.way)


def test_estimated_memory_is_the_files(whole: Path) -> None:
    layers, rest = load.weight_bytes(BAGEL_7B, FLUX_AUTOENCODER, torch.bfloat16, None)
    assert layers + rest == 2 * (14_607_260_128 + 83_819_683)
    small = sum(load.weight_bytes(BAGEL_7B, FLUX_AUTOENCODER, torch.bfloat16, "int8"))
    assert 0.52 < small / (layers + rest) < 0.58
