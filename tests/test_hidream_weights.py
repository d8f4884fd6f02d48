"""HiDream's weights: single files, damage, LoRA of every naming, offload, fewer bits, and the table of engines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Ran
from hidream_tiny import CONFIG, Loaded, ask, drew, make_folder, near, noise_picture, random_model, released
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from sayso.engines import checkpoints, registry
from sayso.engines.hidream import engine, placing, settings, variants, weights
from sayso.engines.hidream.encoders import Words
from sayso.engines.machine import Machine
from sayso.errors import BadWeights, CannotDo, SaysoError, Unknown
from sayso.models import sparse_names
from sayso.models.sparse_dit import SparseDiT, SparseSpec
from sayso.types import Ability


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("hidream") / "model")


@pytest.fixture(scope="module")
def loaded(folder: Path) -> Loaded:
    return Loaded(folder)


def write(path: Path, tensors: dict[str, Tensor]) -> Path:
    save_file(tensors, path)
    return path


def transformer(folder: Path) -> dict[str, Tensor]:
    return {name: t for file in sorted((folder / "transformer").glob("*.safetensors")) for name, t in load_file(file).items()}


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model.", "diffusion_model.", "transformer."])
def test_single_files_of_other_tools(folder: Path, tmp_path: Path, prefix: str) -> None:
    """A bare file with the description beside it, named outright or lying in a folder with the other parts."""
    tensors = transformer(folder)
    shutil.copy(folder / "transformer" / "config.json", tmp_path)
    path = write(tmp_path / "one.safetensors", {prefix + name: t for name, t in tensors.items()})
    model = weights.load_transformer(path, torch.device("cpu"), torch.float32)
    assert all(torch.equal(released(model)[name], t) for name, t in tensors.items())
    made = engine.load(path, "cpu", variant="hidream-i1-dev", components=folder, dtype="float32")
    assert len(drew(made.respond(ask(steps=1, width=128, height=128)))) == 1


def changed(tensors: dict[str, Tensor], how: str) -> dict[str, Tensor]:
    name = "double_stream_blocks.0.block.attn1.to_q.weight"
    if how == "missing":
        return {key: t for key, t in tensors.items() if key != name}
    if how == "extra":
        return {**tensors, "double_stream_blocks.9.block.attn1.to_q.weight": torch.zeros(2, 2)}
    if how == "shape":
        return {**tensors, name: torch.zeros(3, 3)}
    return {**tensors, name: torch.zeros(tensors[name].shape, dtype=torch.int64)}


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("missing", "lacks double_stream"),
        ("extra", "unknown tensor double_stream_blocks.9"),
        ("shape", "has shape"),
        ("type", "stored as I64"),
        ("cut", "should have"),
        ("noise", "damaged"),
        ("pickle", "pickles can carry code"),
        ("nothing", "no safetensors file"),
        ("config", "does not describe"),
    ],
)
def test_bad_weights_are_refused_in_a_sentence(folder: Path, tmp_path: Path, how: str, says: str) -> None:
    bad = tmp_path / "model"
    shutil.copytree(folder, bad)
    inside = bad / "transformer"
    for file in inside.glob("*.safetensors"):
        file.unlink()
    if how in ("missing", "extra", "shape", "type"):
        write(inside / "model.safetensors", changed(transformer(folder), how))
    elif how == "pickle":
        (inside / "model.bin").write_bytes(b"\x80\x04")
    elif how != "nothing":
        whole = write(inside / "model.safetensors", transformer(folder))
        if how == "cut":
            whole.write_bytes(whole.read_bytes()[:-100])
        elif how == "noise":
            whole.write_bytes(b"\xff" * 200)
        else:
            (inside / "config.json").write_text(json.dumps({**CONFIG, "axes_dims_rope": [8, 4, 2]}))
    with pytest.raises(BadWeights, match=says) as error:
        engine.load(bad, "cpu", dtype="float32")
    assert "\n" not in str(error.value) and len(str(error.value)) < 600


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ("llama", "accept it at meta-llama"),
        ("text_encoder", "is missing"),
        ("tokenizer_3", "is missing"),
        ("vae", "is missing"),
        ("transformer", "holds no transformer"),
    ],
)
def test_missing_parts_are_named(folder: Path, tmp_path: Path, gone: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAYSO_LLAMA", raising=False)
    shutil.copytree(folder, tmp_path / "model")
    shutil.rmtree(tmp_path / "model" / gone)
    with pytest.raises(BadWeights, match=says):
        engine.load(tmp_path / "model", "cpu", dtype="float32")


def test_llama_may_lie_elsewhere(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(folder, tmp_path / "model")
    shutil.move(tmp_path / "model" / "llama", tmp_path / "reader")
    monkeypatch.setenv("SAYSO_LLAMA", str(tmp_path / "reader"))
    assert engine.load(tmp_path / "model", "cpu", dtype="float32").name == "hidream-i1-full"


def test_incomplete_readers_are_not_filled_with_noise(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    file = tmp_path / "model" / "text_encoder_3" / "model.safetensors"
    save_file({name: t for name, t in load_file(file).items() if "DenseReluDense.wo" not in name}, file, metadata={"format": "pt"})
    with pytest.raises(BadWeights, match="incomplete"):
        engine.load(tmp_path / "model", "cpu", dtype="float32")


# LoRA

TARGETS = {"double_stream_blocks.0.block.attn1.to_k_t": (32, 32), "single_stream_blocks.0.block.ff_i.experts.2.w3": (256, 32),
           "final_layer.linear": (64, 32)}


def lora_file(path: Path, style: str) -> Path:
    """One small LoRA in the naming of one tool."""
    torch.manual_seed(5)
    ends = {"peft": (".lora_A.default.weight", ".lora_B.default.weight"), "comfy": (".lora_A.weight", ".lora_B.weight"),
            "kohya": (".lora_down.weight", ".lora_up.weight")}[style]
    tensors: dict[str, Tensor] = {}
    for module, (out, inner) in TARGETS.items():
        key = {"peft": module, "comfy": f"diffusion_model.{module}", "kohya": "lora_unet_" + module.replace(".", "_")}[style]
        tensors[key + ends[0]], tensors[key + ends[1]] = torch.randn(3, inner) / 5, torch.randn(out, 3) / 5
        if style == "kohya":
            tensors[key + ".alpha"] = torch.tensor(3.0)
    return write(path, tensors)


@pytest.mark.parametrize("style", ["peft", "comfy", "kohya"])
def test_loras_of_every_naming(tmp_path: Path, style: str) -> None:
    model = random_model(SparseSpec.from_config(CONFIG))
    before = {name: t.clone() for name, t in released(model).items()}
    path = lora_file(tmp_path / "lora.safetensors", style)
    wardrobe = weights.Wardrobe(model, torch.device("cpu"))
    wardrobe.wear(((path, 0.5),))
    down, up = (t for name, t in sorted(load_file(path).items()) if "final" in name and "alpha" not in name)
    near(released(model)["final_layer.linear.weight"], before["final_layer.linear.weight"] + 0.5 * up @ down, 1e-6)
    assert {name.removesuffix(".weight") for name, t in released(model).items() if not torch.equal(t, before[name])} == set(TARGETS)
    wardrobe.wear(())
    assert all(torch.equal(t, before[name]) for name, t in released(model).items())


def test_a_lora_is_of_one_request(loaded: Loaded, tmp_path: Path) -> None:
    """Worn for one request, gone in the next; strength counts; two add up."""
    made, path = loaded("hidream-i1-dev"), lora_file(tmp_path / "l.safetensors", "comfy")
    def run(**options: Any) -> np.ndarray:
        return drew(made.respond(ask(width=128, height=128, steps=2, options=options)))[0]

    plain, with_it = run(), run(loras=str(path))
    assert (plain != with_it).any() and np.array_equal(run(), plain)
    assert np.array_equal(run(loras=f"{path}:0.0"), plain)
    assert np.abs(run(loras=f"{path}:0.5,{path}:0.5").astype(int) - with_it).max() <= 1


def test_weights_that_are_not_numbers_give_no_picture(loaded: Loaded, tmp_path: Path) -> None:
    made, name = loaded("hidream-i1-dev"), "single_stream_blocks.0.block.attn1.to_q"
    save_file(
        {f"{name}.lora_A.weight": torch.full((2, 32), float("nan")), f"{name}.lora_B.weight": torch.ones(32, 2)}, tmp_path / "n.safetensors"
    )
    with pytest.raises(BadWeights, match="not finite"):
        drew(made.respond(ask(width=128, height=128, steps=1, options={"loras": [str(tmp_path / "n.safetensors")]})))
    assert drew(made.respond(ask(width=128, height=128, steps=1)))[0].shape == (128, 128, 4)  # the LoRA is off again


def test_a_lora_of_another_model_is_refused(loaded: Loaded, tmp_path: Path) -> None:
    for tensors, says in (
        ({"unet.mid.lora_A.weight": torch.zeros(1, 2)}, "does not have"),
        ({"noise": torch.zeros(1)}, "does not have"),
        ({"final_layer.linear.lora_A.weight": torch.zeros(1, 32)}, "one half"),
        ({"final_layer.linear.lora_A.weight": torch.zeros(1, 3), "final_layer.linear.lora_B.weight": torch.zeros(64, 1)}, "by"),
    ):
        path = write(tmp_path / f"{len(says)}{len(tensors)}.safetensors", tensors)
        with pytest.raises(BadWeights, match=says):
            loaded("hidream-i1-dev").respond(ask(options={"loras": [str(path)]}))


def test_e1_is_i1_with_its_lora_until_the_polish(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "lora").mkdir()
    lora_file(tmp_path / "model" / "lora" / "HiDream-E1-Full.safetensors", "peft")
    made = engine.load(tmp_path / "model", "cpu", variant="hidream-e1", dtype="float32")
    worn: list[bool] = []

    def watched(step: Any) -> Any:
        def run(*given: Any) -> Tensor:
            worn.append(bool(made.wardrobe.worn))
            return step(*given)

        return run

    made.step, made.refining_step = watched(made.step), watched(made.refining_step)
    drew(made.respond(ask("make it blue", noise_picture(), steps=10)))
    assert worn == [True] * 7 + [False] * 3


# Places and bits


def test_what_fits_where() -> None:
    assert placing.choose(140.0) == placing.Placing(None, "none")
    assert placing.choose(50.0) == placing.Placing(None, "text")
    assert placing.choose(40.0, fp8=True).bits == "fp8" and placing.choose(32.0).bits == "int8"
    assert placing.choose(25.0) == placing.Placing("int4", "text")
    assert placing.choose(20.0, exact=True) == placing.Placing(None, "blocks")
    assert placing.gigabytes(placing.Placing("int8", "text"), wide=True) > placing.gigabytes(placing.Placing("int8", "text"))
    for kind in (None, "fp8", "int8", "int4"):
        amounts = [placing.gigabytes(placing.Placing(kind, offload)) for offload in placing.OFFLOADS]
        assert amounts == sorted(amounts, reverse=True)


def test_matrices_stay_in_bfloat16_under_rows_in_float32(folder: Path, tmp_path: Path) -> None:
    """Half the memory, and the same picture to the bit as from weights that were spread to float32 when they were loaded."""
    made = []
    for kind in (torch.bfloat16, torch.float32):
        shutil.copytree(folder, tmp_path / str(kind))
        for file in (tmp_path / str(kind) / "transformer").glob("*.safetensors"):
            write(file, {name: t.to(torch.bfloat16).to(kind) for name, t in load_file(file).items()})
        made.append(engine.load(tmp_path / str(kind), "cpu", variant="hidream-i1-dev", dtype="float32"))
    narrow, wide = (one.parts.model for one in made)
    assert {p.dtype for p in wide.parameters()} == {torch.float32} and narrow.patch_in.weight.dtype == torch.float32
    assert {narrow.single_blocks[0].experts.up.weight.dtype, narrow.before.llama.dtype} == {torch.bfloat16}
    lora = str(lora_file(tmp_path / "l.safetensors", "comfy"))
    one, other = (drew(a.respond(ask(width=128, height=128, steps=2)))[0] for a in made)
    assert np.array_equal(one, other)
    worn = [drew(a.respond(ask(width=128, height=128, steps=2, options={"loras": lora})))[0].astype(int) for a in made]
    assert (worn[0] != one).any() and np.abs(worn[0] - worn[1]).mean() < 1  # a LoRA is merged into what is kept


@pytest.mark.parametrize("offload", ["text", "blocks"])
def test_offload_changes_nothing(folder: Path, loaded: Loaded, offload: str) -> None:
    made = engine.load(folder, "cpu", variant="hidream-i1-full", dtype="float32", offload=offload)
    expected = drew(loaded("hidream-i1-full").respond(ask(width=128, height=128, steps=2)))[0]
    assert all(reader.model is None for reader in made.parts.encoders.readers)
    assert np.array_equal(drew(made.respond(ask(width=128, height=128, steps=2)))[0], expected)
    assert all(reader.model is None for reader in made.parts.encoders.readers)


@torch.no_grad()
def test_visiting_blocks_go_home() -> None:
    model = random_model(SparseSpec.from_config(CONFIG))
    homes = {name: p.data_ptr() for name, p in model.named_parameters()}
    away: list[set[str]] = []

    def look(*_: object) -> None:
        away.append({name.split(".")[0] for name, p in model.named_parameters() if p.data_ptr() != homes[name]})

    model.single_blocks[0].experts.register_forward_hook(look)
    model.before.heads[0].register_forward_hook(look)
    placing.place(model, placing.Placing(None, "blocks"), torch.device("cpu"))
    x = Words(torch.randn(1, 3, 24), torch.randn(2, 1, 3, 32), torch.randn(1, 36))
    model(torch.randn(1, 16, 4, 4), torch.tensor([3.0]), *x, 64)
    assert away == [{"before"}, {"single_blocks"}]
    assert {name: p.data_ptr() for name, p in model.named_parameters()} == homes


@pytest.mark.parametrize(("bits", "off"), [("int8", 4.0), ("fp8", 12.0), ("int4", 30.0)])
def test_fewer_bits_draw_nearly_the_same(folder: Path, loaded: Loaded, bits: str, off: float) -> None:
    made = engine.load(folder, "cpu", variant="hidream-i1-dev", dtype="float32", bits=bits)
    exact, low = (drew(one.respond(ask(width=128, height=128, steps=2)))[0].astype(float) for one in (loaded("hidream-i1-dev"), made))
    assert 0 < np.abs(exact - low).mean() < off
    assert not isinstance(made.parts.model.double_blocks[0].experts.gate, engine.lowbits.LowBits)
    with pytest.raises(CannotDo, match="few bits"):
        made.respond(ask(options={"loras": [str(next((folder / "transformer").glob("*.safetensors")))]}))


@pytest.mark.parametrize(("given", "says"), [({"bits": "int3"}, "int3"), ({"offload": "disk"}, "disk"), ({"dtype": "float16"}, "float16"),
                                             ({"variant": "hidream-i1-ful"}, "hidream-i1-full")])
def test_unknown_settings_are_refused(folder: Path, given: dict[str, Any], says: str) -> None:
    with pytest.raises(SaysoError, match=says):
        engine.load(folder, "cpu", **given)


def test_the_table_of_engines_knows_them(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sayso pull` and the command line find them by name; a folder at their place makes them ready."""
    monkeypatch.setenv("SAYSO_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    row = registry.info("hidream-i1-dev")
    assert "sayso pull" in (row.missing() or "") and registry.info("hidream-e1.1").abilities == {Ability.EDIT}
    assert (
        row.tune is not None
        and row.tune("cpu", folder, {"dtype": "float32", "quantise": "int8", "compile": "off"}).name == "hidream-i1-dev"
    )
    for wrong, says in (({"quantise": "int2"}, "int2"), ({"compile": "maybe"}, "maybe"), ({"dtyp": "float32"}, "dtype")):
        with pytest.raises(SaysoError, match=says):
            row.tune("cpu", folder, wrong)
    assert variants.VARIANTS.keys() == {name for name in checkpoints.TABLE if name.startswith("hidream")}
    snapshot = tmp_path / "cache" / "models--HiDream-ai--HiDream-I1-Full" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    assert checkpoints.folder("hidream-i1-full", None) == snapshot
    with pytest.raises(BadWeights):  # what I1 brings is not all of E1.1
        checkpoints.folder("hidream-e1.1", None)
    with pytest.raises(Unknown):
        variants.named("hidream-i2")


def test_names_of_this_model_only() -> None:
    spec = SparseSpec.from_config(CONFIG)
    names = list(sparse_names.slots(spec))
    assert sparse_names.bare(["model.diffusion_model." + name for name in names]) == {"model.diffusion_model." + n: n for n in names}
    assert sparse_names.bare(["x", "y"]) == {"x": "x", "y": "y"}
    assert isinstance(weights.empty(replace(spec, single=2, llama_layers=(0, 1, 1)), torch.device("cpu"), torch.bfloat16), SparseDiT)


@pytest.mark.parametrize(
    "machine", [Machine(32 << 30, None, 0, (0, 0), 1e12, 1e10), Machine(200 << 30, "a card", 139 << 30, (9, 0), 8e14, 25e9)]
)
def test_what_fits_is_told(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> None:
    monkeypatch.setattr("sayso.engines.machine.look", lambda: machine)
    monkeypatch.setattr("sayso.engines.machine.quick_dtype", lambda device: torch.bfloat16)
    rows = {fit.way: fit for fit in settings.ways(variants.DEV)}
    assert len(rows) == 12 and all((fit.seconds is not None) == fit.fits and fit.why for fit in rows.values())
    assert rows[""].fits == rows["quantise=fp8"].fits == rows["offload=blocks"].fits == (machine.card is not None)
    assert rows["quantise=int4 offload=text"].fits
    monkeypatch.setattr("sayso.engines.machine.quick_dtype", lambda device: torch.float32)  # readers take twice as much on processors
    wide = {fit.way: fit for fit in settings.ways(variants.DEV)}
    assert wide["quantise=int4 offload=text"].fits == (machine.card is not None)


def test_the_command_line_draws_and_edits_with_it(
    sayso: Callable[..., Ran], tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From weights to files; options reach the engine; damaged or missing weights get one sentence and the code 3."""
    monkeypatch.setenv("SAYSO_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    dev = ("--engine", "hidream-i1-dev", "--weights", str(folder))
    absent = sayso("draw", "a red fox", "--engine", "hidream-i1-dev", "-o", "a.png")
    assert absent.code == 3 and "sayso pull hidream-i1-dev" in absent.err
    ran = sayso("draw", "a red fox", *dev, "-o", "a.png", "--size", "160x96", "--steps", "2", "--as-released", "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["engine"] == "hidream-i1-dev" and (tmp_path / "a.png").stat().st_size > 1000
    edit = sayso("edit", "make it blue", "a.png", "--engine", "hidream-e1.1", "--weights", str(folder), "-o", "b.png", "--steps", "3",
                 "--option", "refine=0.4", "--option", "dtype=float32")
    assert edit.code == 0, edit.err
    assert Image.open(tmp_path / "b.png").size == (160, 96)
    for words, code, says in ((("--size", "1024x64"), 2, "too oblong"), (("--option", "refine=1"), 2, "unknown option"),
                              (("--option", "llama=nowhere"), 3, "accept it at meta-llama")):
        wrong = sayso("draw", "a red fox", *dev, "-o", "c.png", *words)
        assert wrong.code == code and says in wrong.err and len(wrong.err.strip().splitlines()) == 1, wrong.err
    shutil.copytree(folder, tmp_path / "cut")
    file = next((tmp_path / "cut" / "transformer").glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:-8])
    cut = sayso("draw", "a red fox", "--engine", "hidream-i1-dev", "--weights", "cut", "-o", "c.png")
    assert cut.code == 3 and "should have" in cut.err and not (tmp_path / "c.png").exists()
