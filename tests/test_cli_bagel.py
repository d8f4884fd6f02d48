"""`sayso draw`, `edit` and `ask` with an engine that has weights and options: end to end on a tiny checkpoint, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import bagel_tiny
import numpy as np
import pytest
from conftest import Ran
from PIL import Image

from sayso.cli import tuning
from sayso.engines.bagel import load
from sayso.errors import CannotDo
from sayso.hooks import EngineInfo
from sayso.types import Ability

Run = Callable[..., Ran]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(bagel_tiny.write(tmp_path_factory.mktemp("bagel")))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(bagel_tiny.picture(60, 80).pixels).save(path)
    return path


def use(weights: str, *more: str) -> tuple[str, ...]:
    return ("--engine", "bagel", "--weights", weights, "--device", "cpu", "--option", "dtype=float32", *more)


SHORT = ("--steps", "2", "--no-show")


def test_drawing(sayso: Run, weights: str, tmp_path: Path) -> None:
    ran = sayso("draw", "5 6 7", *use(weights), *SHORT, "--size", "96x64", "-o", "a.png", "-n", "2", "--option", "shift=2", "--json")
    assert ran.code == 0, ran.err
    assert [Image.open(tmp_path / name).size for name in json.loads(ran.out)["files"]] == [(96, 64)] * 2
    again = sayso("draw", "5 6 7", *use(weights), *SHORT, "--size", "96x64", "-o", "b.png", "--as-released")
    assert again.code == 0 and (tmp_path / "b.png").exists()


def test_editing_one_and_several(sayso: Run, weights: str, photo: Path, tmp_path: Path) -> None:
    ran = sayso("edit", "5 6", str(photo), *use(weights), *SHORT, "-o", "c.png", "--option", "picture-guidance=1.5")
    assert ran.code == 0, ran.err
    assert ran.lines[-1] == "c.png" and Image.open(tmp_path / "c.png").size == (80, 64)  # the resized picture's size
    Image.fromarray(np.zeros((48, 48, 3), np.uint8)).save(tmp_path / "two.jpg")
    more = ("--size", "64", "--think", "--option", "think_pieces=4")
    ran = sayso("edit", "5 6", str(photo), "two.jpg", *use(weights), *SHORT, "-o", "d.png", *more)
    assert ran.code == 0 and Image.open(tmp_path / "d.png").size == (64, 64) and "thought: " in ran.err, ran.err


def test_asking(sayso: Run, weights: str, photo: Path) -> None:
    ran = sayso("ask", "5 6", str(photo), *use(weights), "--option", "answer_pieces=6")
    assert ran.code == 0 and len(ran.out.split()) >= 1 and all(word.isdigit() for word in ran.out.split()), ran.err
    told = json.loads(sayso("ask", "5 6", str(photo), *use(weights), "--option", "answer_pieces=6", "--json").out)
    assert told["answer"] == ran.out.strip() and told["engine"] == "bagel"
    assert sayso("ask", "5 6", *use(weights), "--option", "answer_pieces=3").code == 0


def test_quantised_and_offloaded_from_the_command_line(sayso: Run, weights: str) -> None:
    ran = sayso("draw", "5", *use(weights, "--option", "quantise=int4", "--option", "offload=on"), *SHORT, "--size", "64", "-o", "q.png")
    assert ran.code == 0, ran.err


BAD = [
    (("draw", "5", "--option", "shfit=2"), 2, 'did you mean "shift"?'),
    (("draw", "5", "--option", "shift"), 2, "NAME=VALUE"),
    (("draw", "5", "--option", "shift=2", "--option", "shift=3"), 2, "given twice"),
    (("draw", "5", "--option", "quantise=int3"), 2, "int3"),
    (("draw", "5", "--option", "graph=on"), 2, "NVIDIA"),
    (("draw", "5", "--size", "2048"), 2, "2048x2048"),
    (("draw", "5", "--background", "transparent"), 2, "transparent"),
    (("draw", "words"), 2, "list of ids"),
    (("edit", "5", "none.png"), 2, "no file"),
    (("edit", "5", "."), 2, "folder"),
    (("edit", "5", "text.png"), 2, "not a PNG"),
    (("ask", " "), 2, "empty"),
    (("ask", "5", "--option", "answer_pieces=0"), 2, "answer_pieces"),
]


@pytest.mark.parametrize(("words", "code", "said"), BAD, ids=[" ".join(row[0]) for row in BAD])
def test_bad_input_is_one_sentence_and_leaves_nothing(
    sayso: Run, weights: str, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    more = () if words[0] == "ask" else ("--no-show",)
    ran = sayso(*words, "--engine", "bagel", "--weights", weights, "--device", "cpu", *more)
    assert (ran.code, ran.out) == (code, "") and said in ran.err and len(ran.err.strip().splitlines()) == 1, ran.err
    assert [p.name for p in tmp_path.iterdir()] == ["text.png"]


@pytest.mark.parametrize("words", [("--option", "interval=9-1"), ("--style", "flat"), ("--option", "reuse=some")])
def test_what_can_be_refused_is_refused_before_loading(
    sayso: Run, weights: str, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(load, "load", lambda *_: pytest.fail("the engine was loaded"))
    assert sayso("draw", "5", *use(weights), "--no-show", *words).code == 2


def test_weights_that_are_not_there(sayso: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSO_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    for words in (("draw", "a fox"), ("ask", "why")):
        ran = sayso(*words, "--engine", "bagel")
        assert ran.code == 3 and "sayso pull bagel" in ran.err and len(ran.err.splitlines()) == 1
    ran = sayso("draw", "a fox", "--engine", "bagel", "--weights", str(tmp_path))
    assert ran.code == 3 and str(tmp_path) in ran.err
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_one_sentence(sayso: Run, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load.machine, "device_memory", lambda device: 10**6)
    ran = sayso("draw", "5", *use(weights), *SHORT)
    assert ran.code == 1 and "GiB are free" in ran.err and "quantise=int8" in ran.err and len(ran.err.splitlines()) == 1


def test_engines_without_an_ability_or_options_are_told_so(sayso: Run) -> None:
    for words, said in ((("--option", "shift=2"), "known: pause, plan"), (("--weights", "."), "--weights")):
        ran = sayso("draw", "a", "--engine", "fake", *words)
        assert ran.code == 2 and said in ran.err, ran.err
    blind = EngineInfo("blind", "sees nothing", frozenset({Ability.DRAW}), lambda device: pytest.fail("loaded"), lambda: None)
    with pytest.raises(CannotDo, match="does not answer questions; choose --engine .*bagel"):
        tuning.check_able(blind, Ability.ASK, "answer questions")


def test_engines_fit_and_options(sayso: Run) -> None:
    rows = {row["name"]: row for row in json.loads(sayso("engines", "--fit", "--json").out)}
    fits = rows["bagel"]["fit"]
    assert {row["way"] for row in fits} >= {"", "quantise=int8", "quantise=int4", "offload=on"}
    assert all(row["why"] and (row["seconds"] is None) == (not row["fits"]) for row in fits)
    assert "interval" in rows["bagel"]["options"] and "quantise" in rows["bagel"]["load_options"]
    assert rows["pocket"]["fit"] == []
    shown = sayso("engines", "--options").out
    assert "when loading, quantise: " in shown and "picture_guidance" in shown


def test_the_bench_measures_and_writes_a_table(sayso: Run, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    words = ("bench", "bagel", "--random-weights", "--model", "tiny", "--size", "64x64", "--steps", "4", "--rounds", "1", "--device", "cpu")
    ran = sayso(*words, "--plain", "--lossy", "--json")
    rows = json.loads(ran.out)["rows"]
    assert [row["way"].split(",")[0].split(" (")[0].strip() for row in rows] == [
        "sayso", "sayso reuse=taylor", "sayso reuse=block:0.1", "published schedule", "published schedule"]
    assert rows[0]["seconds"] > 0 and rows[0]["passes"] == 8 and all(row["ratio"] > 0 for row in rows[3:])
    assert sayso(*words, "--write").code == 0 and sayso(*words, "--edit", "--write").code == 0 and sayso(*words, "--write").code == 0
    page = (tmp_path / "docs" / "speed.md").read_text()
    assert page.count("| sayso |") == 2 and page.count(":begin -->") == page.count(":end -->") == 2
    for wrong in (("--steps", "1"), ("--size", "64"), ("--option", "x")):
        assert sayso(*words, *wrong).code == 2
    assert sayso("bench", "bagel", "--device", "cpu").code == 2
