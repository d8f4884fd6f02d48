"""`sayso train` from outside: what it leaves, that a killed run resumes to the bit, and bad input."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import Ran
from PIL import Image

from sayso.engines import checkpoint
from sayso.engines.ground import spec_of
from sayso.engines.header import facts
from sayso.errors import BadWeights
from sayso.models import tokens
from sayso.models.specs import UnifiedSpec
from sayso.models.unified import UnifiedModel
from sayso.training import loop, report, state
from sayso.training.config import TrainConfig, planned
from sayso.training.corpus import learn, texts
from sayso.training.optim import Mean
from sayso.training.report import FIELDS, Log, plot
from sayso.training.run import _config, add_arguments, shares
from sayso.world import art, shorthand
from sayso.world.grounds import Known, characters

ROOT = Path(__file__).resolve().parent.parent

# The real command; only the tokenizer's corpus is cut from 12,000 scenes to 60, which saves nine seconds a run, and a
# step may be made slower, so that a run is alive when it is to be killed.
DRIVER = """
import os, sys, time
from sayso.cli.main import main
from sayso.training import corpus, loop
if __name__ == "__main__":
    whole, step = corpus.learn, loop.train_step
    corpus.learn = lambda size: whole(size, scenes=60)
    def slow(*args):
        time.sleep(float(os.environ.get("SLOWLY", "0")))
        return step(*args)
    loop.train_step = slow
    sys.exit(main(sys.argv[1:]))
"""
TASKS = "paint=0.4,think=0.2,glance=0.2,rethink=0.2"  # of the usual menu, those for which nothing is drawn ahead
TINY = ("--pictures", "320", "--depth", "2", "--core", "12", "--batch", "16", "--device", "cpu", "--no-compile", "--save-every", "0",
        "--tasks", TASKS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("training")
    (made / "driver.py").write_text(DRIVER)
    return made


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **more}


def train(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The whole command, to its end."""
    line = [sys.executable, "driver.py", "train", *words]
    return subprocess.run(line, cwd=folder, env=environment(), capture_output=True, text=True, check=False)


@contextlib.contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process group of its own, with a fifth of a second a step; gone with its group at the end."""
    line = [sys.executable, "driver.py", "train", *words]
    process = subprocess.Popen(line, cwd=folder, env=environment(SLOWLY="0.2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(what: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def steps_saved(run: Path) -> int:
    """Steps in the state on disk, −1 before the first one."""
    with contextlib.suppress(BadWeights):
        return int(facts(run / state.STATE)["step"])
    return -1


@pytest.fixture(scope="module")
def unbroken(folder: Path) -> Path:
    ran = train(folder, *TINY, "--out", "unbroken", "--sample-every", "10")
    assert ran.returncode == 0, ran.stderr
    assert "done: 320 pictures, weights in unbroken/model.safetensors" in ran.stdout
    assert "depth 2: width 64, 2 layers, 1 heads" in ran.stderr
    return folder / "unbroken"


def test_a_run_leaves_its_files(unbroken: Path) -> None:
    names = {path.name for path in unbroken.iterdir()}
    assert names - {"loss.png"} == {"log.csv", "model.safetensors", "state.safetensors", "samples-000010.png", "samples-000020.png"}
    sheet = Image.open(unbroken / "samples-000020.png")
    assert sheet.size == (12 * 96 + 11 * 4, 4 * 96 + 3 * 4)  # pairs of exact and painted pictures, four pixels between them
    with (unbroken / "log.csv").open(newline="") as f:
        assert tuple(csv.DictReader(f).fieldnames or ()) == FIELDS


def test_the_weights_say_what_they_are(unbroken: Path) -> None:
    tensors, found = checkpoint.load(unbroken / "model.safetensors")
    assert {t.dtype for t in tensors.values()} == {torch.bfloat16}
    with torch.device("meta"):
        model = UnifiedModel(UnifiedSpec.from_dict(found["spec"]), grounds=spec_of(Known(tuple(found["concepts"]), found["characters"])))
    checkpoint.fill(model, tensors, unbroken)
    assert found["abilities"] == ["draw", "edit", "think", "transparent"] and found["characters"] == characters()
    assert tokens.Pieces(found["pieces"]).size == model.spec.vocab
    assert found["canvas"] == {"patch": 8, "tokens": 64} and len(found["concepts"]) == 12
    assert {k: found["history"][k] for k in ("depth", "steps", "pictures")} == {"depth": 2, "steps": 20, "pictures": 320}
    # the drawing weights are the running mean of the state, rounded
    mean = state.parts(checkpoint.load(unbroken / state.STATE)[0], "mean")
    assert all(torch.equal(mean[k].bfloat16(), t) for k, t in tensors.items()) and mean.keys() == tensors.keys()


def same_run(a: Path, b: Path) -> None:
    """Weights, mean and optimiser of two runs agree to the last bit."""
    (ours, said), (theirs, other) = checkpoint.load(a / state.STATE), checkpoint.load(b / state.STATE)
    assert [k for k in ours if not torch.equal(ours[k], theirs[k])] == [] and ours.keys() == theirs.keys()
    for facts_of in (said, other):
        del facts_of["seconds"], facts_of["facts_sha256"]  # the clock is not repeatable
    assert said == other
    assert checkpoint.digest(checkpoint.load(a / state.MODEL)[0]) == checkpoint.digest(checkpoint.load(b / state.MODEL)[0])


def stat_of(pid: str) -> tuple[str, int]:
    """(state, parent) of a process from /proc; ("Z", 0) where there is none."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return "Z", 0
    return words[0], int(words[1])


def children(pid: int) -> list[str]:
    return [path.name for path in Path("/proc").glob("[0-9]*") if stat_of(path.name)[1] == pid]


def test_a_run_that_is_killed_and_stopped_ends_as_an_unbroken_one(folder: Path, unbroken: Path) -> None:
    """kill -9 at some moment, then Ctrl-C, which reaches the whole group: what is resumed ends in the same bits.

    No worker outlives its run, and Ctrl-C shows one sentence and no traceback.
    """
    run = folder / "broken"
    resume = ("--resume", "--out", "broken", "--device", "cpu", "--no-compile", "--save-every", "0")
    with running(folder, *TINY, "--out", "broken") as process:
        wait_for(lambda: steps_saved(run) >= 4)
        workers = children(process.pid)
        process.kill()
        process.wait()
        assert workers or not Path("/proc/self/stat").exists()
        wait_for(lambda: all(stat_of(pid)[0] == "Z" for pid in workers), 20)
    killed_at = steps_saved(run)
    assert 4 <= killed_at < 20
    (run / "state.safetensorsabc.part").write_bytes(b"half a state")  # what a kill within a save leaves

    with running(folder, *resume) as process:
        wait_for(lambda: steps_saved(run) >= killed_at + 3)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0 and "stopped; go on with --resume" in out
    assert "Traceback" not in err and f"step {killed_at}" in err
    assert [path.name for path in run.glob("*.part")] == []
    stopped_at = steps_saved(run)
    assert killed_at + 3 <= stopped_at < 20

    ran = train(folder, *resume)
    assert ran.returncode == 0 and f"step {stopped_at}" in ran.stderr, ran.stderr
    same_run(run, unbroken)


# ---------------------------------------------------------------------------------------------------------------------
# bad input


def test_the_rate_is_a_factor_on_both_learning_rates() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    usual, gentle = (_config(parser.parse_args(list(words)), gpu=False) for words in ((), ("--rate", "0.3")))
    assert gentle == replace(usual, muon_rate=0.3 * usual.muon_rate, adam_rate=0.3 * usual.adam_rate)


@pytest.mark.parametrize(("words", "sentence"), [
    (("--depth", "3"), "--depth 3 is odd"),
    (("--depth", "0"), "--depth 0 is out of range; choose 2 to 48"),
    (("--batch", "8"), "--batch 8 is out of range"),
    (("--pictures", "1"), "--pictures 1 is out of range"),
    (("--core", "100000"), "--core 100000 is out of range"),
    (("--workers", "0"), "--workers 0 is out of range"),
    (("--seed", "99999999999999999999"), "--seed 99999999999999999999 is out of range"),
    (("--rate", "0"), "--rate 0.0 is out of range; choose 0.001 to 10"),
    (("--sample-every", "0"), "--sample-every 0 is out of range"),
    (("--save-every", "-1"), "--save-every -1.0 is out of range"),
    (("--minutes", "nan"), "--minutes nan is out of range"),
    (("--stages", "64,1024"), "--stages"),
    (("--patch", "7"), "--patch"),
    (("--batch", "16"), "a step of 16 pictures is too small for 14 tasks; choose a larger --batch or fewer --tasks"),
    (("--tasks", "paint=0.5,thnik=0.5"), 'did you mean "think"'),
    (("--tasks", "paint"), '--tasks "paint" needs a share above 0'),
    (("--device", "tpu"), "--device"),
    (("--depht", "4"), 'did you mean "--depth"'),
    (("--resume", "--out", "none"), "there is no run in none to resume"),
])
def test_bad_input_is_one_sentence_and_leaves_nothing(
    sayso: Callable[..., Ran], tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    ran = sayso("train", *words)
    assert ran.code == 2 and sentence in ran.err and ran.err.count("\n") == 1 and ran.out == ""
    assert list(tmp_path.iterdir()) == []


def test_the_folder_must_be_free_and_writable(sayso: Callable[..., Ran], unbroken: Path, tmp_path: Path) -> None:
    ran = sayso("train", "--out", str(unbroken))
    assert ran.code == 2 and "already holds a run" in ran.err
    for words in ("--depth 16", "--batch 16", "--core 16", "--seed 16", "--mix simple", "--patch 8", "--tasks all"):
        option, value = words.split()
        ran = sayso("train", "--resume", "--out", str(unbroken), option, value)
        assert ran.code == 2 and f"{option} belongs to a new run" in ran.err
    (tmp_path / "file").touch()
    ran = sayso("train", "--out", "file/x")
    assert ran.code == 4 and "choose another --out" in ran.err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_said_so(sayso: Callable[..., Ran]) -> None:
    ran = sayso("train", "--device", "cuda")
    assert ran.code == 2 and "--device cpu" in ran.err


def planning(core: int, depth: int = 2) -> TrainConfig:
    """A run that thinks in plans."""
    return replace(planned(depth, 8, core, "world", 320, "64", 16, 0, False), tasks=shares(TASKS))


def test_a_run_begins_from_the_weights_of_another(unbroken: Path, tmp_path: Path) -> None:
    config, weights = planning(12), unbroken / state.MODEL
    run = loop.begin_from(tmp_path, config, weights, torch.device("cpu"))
    tensors, known = checkpoint.load(weights)
    assert run.step == 0 and run.pieces.definition == known["pieces"]
    assert all(torch.equal(value.detach(), tensors[name].float()) for name, value in run.model.named_parameters())
    assert all(p.requires_grad for p in run.model.parameters())
    with pytest.raises(BadWeights, match="architecture"):
        loop.begin_from(tmp_path, planning(12, depth=4), weights, torch.device("cpu"))


def exported(folder: Path, config: TrainConfig, pieces: tokens.Pieces) -> tuple[loop.Run, Path]:
    """A fresh run with random weights everywhere, and its model file."""
    folder.mkdir()
    run = loop.begin(folder, config, pieces, torch.device("cpu"))
    generator = torch.Generator().manual_seed(1)
    for p in run.model.parameters():
        torch.nn.init.normal_(p, std=0.1, generator=generator)
    run.mean = Mean(run.model)
    run.save()
    return run, folder / state.MODEL


def test_weights_from_before_plans_start_a_run_that_plans(tmp_path: Path) -> None:
    """All that they had stays; marks and what is told of plans begin as in a fresh model."""
    pieces = learn(400, scenes=20)
    old, weights = exported(tmp_path / "old", planned(2, 8, 20, "world", 320, "64", 16, 0, False), pieces)
    assert old.model.grounding is None
    run = loop.begin_from(tmp_path / "new", planning(20), weights, torch.device("cpu"))
    fresh = loop.begin(tmp_path / "fresh", planning(20), pieces, torch.device("cpu")).model.state_dict()
    got, had = run.model.state_dict(), {name: p.bfloat16().float() for name, p in old.model.state_dict().items()}
    assert run.pieces.size == pieces.size + shorthand.COUNT == len(got["embed.weight"])
    assert torch.equal(got["embed.weight"][: pieces.size], had.pop("embed.weight"))
    assert torch.equal(got["embed.weight"][pieces.size :], fresh["embed.weight"][pieces.size :])
    assert all(torch.equal(got[name], value) for name, value in had.items())
    told = [name for name in got if name.startswith(("grounding.", "eye.", "naming.", "motions."))]
    assert told and all(torch.equal(got[name], fresh[name]) for name in told)
    assert len(got) == len(had) + 1 + len(told) and all(p.requires_grad for p in run.model.parameters())


@pytest.mark.parametrize(("before", "after"), [(20, 30), (30, 20)])
def test_things_keep_their_rows_by_name(tmp_path: Path, before: int, after: int) -> None:
    old, weights = exported(tmp_path / "old", planning(before), learn(400, scenes=20))
    run = loop.begin_from(tmp_path / "new", planning(after), weights, torch.device("cpu"))
    fresh = loop.begin(tmp_path / "fresh", planning(after), old.pieces, torch.device("cpu")).model.state_dict()
    models = ((old.model.bfloat16().float().state_dict(), before), (run.model.state_dict(), after), (fresh, after))
    for table in (loop.THINGS, *loop.NAMED):
        rows = [dict(zip(("nothing", "stranger", *art.CORE[:core], *characters()), model[table], strict=False)) for model, core in models]
        for name, row in rows[1].items():
            assert torch.equal(row, rows[0].get(name, rows[2][name])), (table, name)
    for table in loop.NAMED:  # what is said beside the names follows them
        rest = [model[table][2 + core + len(characters()) :] for model, core in models[:2]]
        assert len(rest[0]) and torch.equal(*rest)
    assert run.pieces.definition == old.pieces.definition
    others = {name: value for name, value in run.model.state_dict().items() if name not in (loop.THINGS, *loop.NAMED)}
    assert all(torch.equal(value, old.model.state_dict()[name]) for name, value in others.items())


def test_a_damaged_state_is_not_resumed(sayso: Callable[..., Ran], unbroken: Path, tmp_path: Path) -> None:
    raw = bytearray((unbroken / state.STATE).read_bytes())
    raw[-100] ^= 1
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / state.STATE).write_bytes(raw)
    ran = sayso("train", "--resume", "--out", "run", "--device", "cpu")
    assert ran.code == 3 and "is damaged" in ran.err
    (tmp_path / "run" / state.STATE).write_bytes((unbroken / state.MODEL).read_bytes())  # weights for drawing are no state
    ran = sayso("train", "--resume", "--out", "run", "--device", "cpu")
    assert ran.code == 3 and "not the state of a training run" in ran.err


# ---------------------------------------------------------------------------------------------------------------------
# parts


def row(step: int) -> dict[str, object]:
    return {**dict.fromkeys(FIELDS, 1), "step": step, "loss": 2 / (step + 1), "seen": 16 * step}


def test_the_log_drops_rows_past_the_resumed_step(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = Log(path, 0)
    for step in (10, 20, 30):
        log.add(**row(step))
    log.close()
    with path.open("a") as f:
        f.write("40,640")  # the row that a kill cut short
    log = Log(path, 20)
    log.add(**row(25))
    log.close()
    with path.open(newline="") as f:
        assert [r["step"] for r in csv.DictReader(f)] == ["10", "20", "25"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_plot_is_a_picture_once_there_are_two_rows(tmp_path: Path) -> None:
    log = Log(tmp_path / "log.csv", 0)
    log.add(**row(10))
    plot(tmp_path / "log.csv", tmp_path / "loss.png")
    assert not (tmp_path / "loss.png").exists()
    log.add(**row(20))
    log.close()
    plot(tmp_path / "log.csv", tmp_path / "loss.png")
    assert min(Image.open(tmp_path / "loss.png").size) > 200


def test_a_loss_that_is_no_number_never_replaces_a_sound_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sayso.errors import SaysoError
    from sayso.training.stream import world_of
    from sayso.world import atlas

    config = planned(depth=2, patch=8, core=12, mix="world", pictures=320, stages="64", batch=16, seed=0, aspects=False)
    run = loop.begin(tmp_path, config, learn(400, scenes=20), torch.device("cpu"))
    run.save()
    before = (tmp_path / state.STATE).read_bytes()

    def broken(*args: object) -> torch.Tensor:
        run.step += 1
        return torch.tensor(float("nan"))

    monkeypatch.setattr(loop, "train_step", broken)
    with pytest.raises(SaysoError, match="loss is nan at step 1"):
        loop.train(run, atlas.build(world_of(config), 16, 16), 1, 0.0, 500, lambda: False, lambda *a: None)
    assert (tmp_path / state.STATE).read_bytes() == before


def test_operations_a_picture_are_those_of_its_products() -> None:
    """Against a count of the matrix products themselves: 6 operations a weight and row, and the attention's two products."""
    config = planned(depth=4, patch=8, core=12, mix="world", pictures=320, stages="64", batch=16, seed=0, aspects=False)
    run = loop.begin(Path("nowhere"), config, tokens.train(["a"], 300), torch.device("cpu"))
    weights = sum(p.numel() for n, p in run.model.named_parameters() if n.startswith("layers.0.understand") and n.endswith("proj.weight"))
    text = (8 * 24 + 6 * 40 + 2 * 112) / 16
    attention = 4 * 4 * 128 * (text * text / 2 + 64 * (64 + text))
    assert loop.flops_per_picture(run) == pytest.approx(3 * (2 * 4 * weights * (text + 64) + attention))


def test_the_corpus_repeats_and_speaks_both_languages() -> None:
    lines = list(texts(3, 0))
    assert lines == list(texts(3, 0)) and lines[:7] != list(texts(3, 1))[:7]
    assert any("一个" in line for line in lines) and any(line.startswith("a ") for line in lines)
    assert json.loads(learn(400, scenes=2).definition) == json.loads(learn(400, scenes=2).definition)


def test_a_run_that_draws_from_captions_shows_its_prompts(tmp_path: Path) -> None:
    run = loop.begin(tmp_path, planned(2, 8, 12, "world", 320, "64", 16, 0, False), learn(400, scenes=20), torch.device("cpu"))
    loop.samples(run, tmp_path / "sheet.png")
    assert Image.open(tmp_path / "sheet.png").size == (8 * 128 + 7 * 4, 2 * 128 + 4)  # eight a row


def test_the_shown_prompts_are_within_the_limit() -> None:
    pieces = learn(2000, scenes=60)
    assert len(report.SHOWN) == 16 and max(map(len, pieces.encode_batch(list(report.SHOWN)))) <= 112
