"""The command line, run with the test-card engine: what it accepts, refuses, writes and leaves behind."""

from __future__ import annotations

import base64
import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Ran
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sayso.cli import files, options, show
from sayso.cli.main import COMMANDS
from sayso.engines import fake, registry
from sayso.errors import BadInput, BadWeights, CannotWrite
from sayso.types import Ask, Drew, Event, Failed, Picture

Sayso = Callable[..., Ran]
DRAW = ("draw", "a red fox", "--engine", "fake", "--size", "64x64")
ROOT = Path(__file__).resolve().parent.parent


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def swap(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """Changes fields of the fake engine's row."""
    row = replace(registry.info("fake"), **changes)  # type: ignore[arg-type]
    monkeypatch.setattr(registry, "info", lambda name: row)


class Stub:
    """An engine that yields what it is given, or raises it."""

    name, abilities = "stub", fake.FakeEngine.abilities

    def __init__(self, *events: Event | BaseException):
        self.events = events

    def respond(self, ask: Ask) -> Iterator[Event]:
        for event in self.events:
            if isinstance(event, BaseException):
                raise event
            yield event


CARD = Drew(0, Picture(np.full((64, 64, 4), 200, np.uint8), {"engine": "stub"}), 0)


# what is written

def test_draw_prints_the_path_last_and_writes_the_engines_pixels(sayso: Sayso, tmp_path: Path) -> None:
    ran = sayso(*DRAW, "-o", "a.png", "--seed", "5", "--style", "line", "--background", "白色")
    assert (ran.code, ran.lines) == (0, ["a.png"])
    from sayso.types import Message, Text

    ask = Ask((Message("user", (Text("a red fox"),)),), width=64, height=64, seed=5, style="line", background="白色")
    wanted = next(event for event in fake.load().respond(ask) if isinstance(event, Drew)).picture.pixels
    shown = np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"))
    assert np.abs(shown.astype(int) - wanted).max() <= 6  # the mark, and nothing else
    assert left(tmp_path) == ["a.png"]


def test_remarks_go_to_standard_error(sayso: Sayso) -> None:
    ran = sayso(*DRAW, "-o", "a.png")
    assert "note: this is a test card" in ran.err and "note" not in ran.out


def test_same_seed_same_picture(sayso: Sayso, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        sayso(*DRAW, "--seed", "9", "-o", name)
    sayso(*DRAW, "--seed", "10", "-o", "c.png")
    a, b, c = (np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png", "c.png"))
    assert np.array_equal(a, b) and not np.array_equal(a, c)


def test_default_names_never_overwrite(sayso: Sayso, tmp_path: Path) -> None:
    names = [sayso(*DRAW).lines[-1] for _ in range(3)]
    assert names == ["a-red-fox-0.png", "a-red-fox-0-2.png", "a-red-fox-0-3.png"]
    assert sayso(*DRAW, "-n", "2").lines == ["a-red-fox-0-2-1.png", "a-red-fox-0-2-2.png"]  # a-red-fox-0-2.png is taken
    assert len(left(tmp_path)) == 5


def test_a_folder_as_output(sayso: Sayso, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    ran = sayso("draw", "一只红色的狐狸，扁平风格", "--engine", "fake", "-o", "out")
    assert ran.lines == ["out/一只红色的狐狸-扁平风格-0.png"] and (tmp_path / ran.lines[0]).is_file()


def test_several_pictures_are_numbered_and_seeded(sayso: Sayso, tmp_path: Path) -> None:
    ran = sayso(*DRAW, "-n", "3", "-o", "a.png", "--seed", "7", "--json")
    told = json.loads(ran.out)
    assert told["files"] == ["a-1.png", "a-2.png", "a-3.png"] == left(tmp_path)
    assert (told["seed"], told["seeds"], told["engine"]) == (7, [7, 8, 9], "fake")
    assert told["seconds"] >= 0 and told["remarks"] == ['this is a test card of the engine "fake", not a drawing']


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.jpg", "a.JPEG", "a.avif"])
def test_files_say_that_a_model_made_them_but_not_the_prompt(sayso: Sayso, tmp_path: Path, name: str) -> None:
    assert sayso(*DRAW, "-o", name, "--seed", "3").code == 0
    data = (tmp_path / name).read_bytes()
    with Image.open(tmp_path / name) as image:
        packet = str(image.info["XML:com.adobe.xmp" if name == "a.png" else "xmp"])
        assert image.size == (64, 64)
    assert b"trainedAlgorithmicMedia" in data and b"fox" not in data
    assert "trainedAlgorithmicMedia" in packet and "fake" in packet
    if name == "a.png":
        with Image.open(tmp_path / name) as image:
            assert image.info["Seed"] == "3" and image.info["Engine"] == "fake" and image.info["Software"].startswith("sayso ")


def test_transparency_is_kept_where_the_format_can(sayso: Sayso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "a.webp"):
        sayso(*DRAW, "-o", name, "--background", "transparent")
        assert np.asarray(Image.open(tmp_path / name).convert("RGBA"))[0, 0, 3] == 0
    ran = sayso(*DRAW, "-o", "a.jpg", "--background", "transparent")
    assert ran.code == 2 and "JPEG" in ran.err and not (tmp_path / "a.jpg").exists()
    clear = Drew(0, Picture(np.zeros((64, 64, 4), np.uint8)), 0)
    swap(monkeypatch, load=lambda device: Stub(clear))
    ran = sayso(*DRAW, "-o", "b.jpg")
    assert "laid on white" in ran.err and np.asarray(Image.open(tmp_path / "b.jpg")).min() == 255


def test_what_is_drawn_is_sealed_whatever_the_format(sayso: Sayso, tmp_path: Path) -> None:
    from sayso.trust import provenance
    from sayso.trust.seal import Sealer

    for name in ("a.png", "a.webp", "a.jpg", "a.avif", "a.gif"):
        assert sayso(*DRAW, "-o", name).code == 0
        read = provenance.read((tmp_path / name).read_bytes(), Sealer().identity)
        assert (read.state, read.ours) == ("trusted", True) and read.steps[0].facts["engine"] == "fake"


def test_what_the_policy_forbids_is_refused_before_any_work(sayso: Sayso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(device: str | None) -> Stub:
        raise AssertionError("loaded")

    swap(monkeypatch, load=load)
    ran = sayso("draw", "a n.u.d.e woman on a bed", "--engine", "fake")
    assert ran.code == 2 and "sexual-explicit" in ran.err and "possible instead" in ran.err and left(tmp_path) == []


def test_a_picture_that_cannot_be_sealed_is_not_written(sayso: Sayso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSO_HOME", "/proc/nowhere")
    ran = sayso(*DRAW, "-o", "a.png")
    assert ran.code == CannotWrite.exit_code and "SAYSO_HOME" in ran.err and left(tmp_path) == []


# what is refused

@pytest.mark.parametrize(("words", "said", "code"), [
    (["draw", "", "--engine", "fake"], "the prompt is empty", 2),
    (["draw", " \n ", "--engine", "fake"], "the prompt is empty", 2),
    (["draw", "x" * 4001, "--engine", "fake"], "4,001 characters and the limit is 4,000", 2),
    (["draw", "a \x07 fox", "--engine", "fake"], "control characters", 2),
    (["draw", "a \udcff fox", "--engine", "fake"], "not valid UTF-8", 2),
    ([*DRAW, "--size", "500x512"], "the nearest is 496x512", 2),
    ([*DRAW, "--size", "32"], "the nearest is 64x64", 2),
    ([*DRAW, "--size", "99999x9"], "the nearest is 2048x64", 2),
    ([*DRAW, "--size", "big"], "512x512", 2),
    ([*DRAW, "--seed", "-1"], "from 0 to 9223372036854775807", 2),
    ([*DRAW, "--seed", str(2**63)], "from 0 to 9223372036854775807", 2),
    ([*DRAW, "--steps", "0"], "from 1 to 200", 2),
    ([*DRAW, "--steps", "4.5"], "from 1 to 200", 2),
    ([*DRAW, "-n", "65"], "from 1 to 64", 2),
    ([*DRAW, "--guidance", "nan"], "from 0 to 30", 2),
    ([*DRAW, "--style", "flta"], 'did you mean "flat"', 2),
    ([*DRAW, "--background", "ultramarine"], 'unknown background "ultramarine"', 2),
    ([*DRAW, "--background", "transparant"], 'did you mean "transparent"', 2),
    ([*DRAW, "--background", "#12345"], "#rrggbb", 2),
    ([*DRAW, "--device", "tpu"], "cpu, cuda", 2),
    ([*DRAW, "--device", "cuda"], "CPU only", 2),
    (["draw", "a fox", "--engine", "fkae"], 'did you mean "fake"', 2),
    ([*DRAW, "-o", "a.bmp"], ".png, .webp", 2),
    ([*DRAW, "-o", "a"], "write for example a.png", 2),
    ([*DRAW, "-o", ".png"], "write for example", 2),
    ([*DRAW, "-o", ""], "cannot be used", 2),
    ([*DRAW, "-o", "no/such/a.png"], "the folder does not exist", 4),
    ([*DRAW, "-o", "x" * 300 + ".png"], "too long", 4),
    ([*DRAW, "--stpes", "4"], 'did you mean "--steps"', 2),
    ([*DRAW, "--st", "flat"], 'cannot use "--st"', 2),
    (["draw", "a", "fox"], "in quotes", 2),
    (["draw"], "PROMPT", 2),
    ([*DRAW, "--size"], "expected one argument", 2),
    ([*DRAW, "--json", "--show", "blocks"], "leave one out", 2),
    (["drwa"], 'did you mean "draw"', 2),
    (["eval", "wrold"], 'did you mean "world"', 2),
])
def test_bad_input_gets_one_sentence_and_leaves_nothing(sayso: Sayso, tmp_path: Path, words: list[str], said: str, code: int) -> None:
    ran = sayso(*words)
    assert ran.code == code and ran.out == ""
    assert said in ran.err and ran.err.startswith("sayso: ") and ran.err.count("\n") == 1
    assert left(tmp_path) == []


def test_an_existing_file_is_kept_without_force(sayso: Sayso, tmp_path: Path) -> None:
    (tmp_path / "a-2.png").write_text("mine")
    ran = sayso(*DRAW, "-o", "a.png", "-n", "2")
    assert ran.code == 4 and '"a-2.png" exists already' in ran.err and left(tmp_path) == ["a-2.png"]
    assert (tmp_path / "a-2.png").read_text() == "mine"
    assert sayso(*DRAW, "-o", "a.png", "-n", "2", "--force").code == 0
    assert Image.open(tmp_path / "a-2.png").size == (64, 64)


def test_a_folder_in_the_way_is_refused_even_with_force(sayso: Sayso, tmp_path: Path) -> None:
    (tmp_path / "a-1.png").mkdir()
    assert sayso(*DRAW, "-o", "a.png", "-n", "2", "--force").code == 4
    assert left(tmp_path) == ["a-1.png"]


def test_nothing_is_loaded_before_the_output_is_known_to_be_good(sayso: Sayso, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(device: str | None) -> Stub:
        raise AssertionError("loaded")

    swap(monkeypatch, load=load)
    assert sayso(*DRAW, "-o", "/proc/a.png").code == 4
    assert "loaded" in sayso(*DRAW, "-o", "a.png").err


def test_missing_weights_exit_code(sayso: Sayso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swap(monkeypatch, missing=lambda: "its weights are not here")
    ran = sayso(*DRAW)
    assert ran.code == BadWeights.exit_code and "its weights are not here" in ran.err and left(tmp_path) == []


@pytest.mark.parametrize(("events", "said", "code"), [
    ([Failed("too dark")], "too dark", 1),
    ([], "0 of 1", 1),
    ([CARD, ValueError("odd")], "--debug", 1),
    ([CARD, MemoryError()], "not enough memory", 1),
    ([CARD, BadInput("no such font")], "no such font", 2),
    ([CARD, KeyboardInterrupt()], "stopped", 130),
])
def test_an_engine_that_fails_leaves_nothing(
    sayso: Sayso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: list[Event | BaseException], said: str, code: int
) -> None:
    swap(monkeypatch, load=lambda device: Stub(*events))
    ran = sayso(*DRAW, "-o", "a.png")
    assert (ran.code, ran.out) == (code, "") and said in ran.err and ran.err.count("\n") == 1
    assert left(tmp_path) == []


def test_debug_shows_the_traceback(sayso: Sayso, monkeypatch: pytest.MonkeyPatch) -> None:
    swap(monkeypatch, load=lambda device: Stub(ValueError("odd")))
    with pytest.raises(ValueError, match="odd"):
        sayso(*DRAW, "--debug")


# disks

def test_a_full_disk_leaves_nothing(sayso: Sayso, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fsync(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", fsync)
    ran = sayso(*DRAW, "-o", "a.png", "-n", "3")
    assert ran.code == CannotWrite.exit_code and "the disk is full" in ran.err and left(tmp_path) == []


def test_a_file_that_cannot_grow_leaves_nothing(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    env = os.environ | {"PYTHONPATH": str(ROOT), "SAYSO_HOME": str(tmp_path_factory.mktemp("home"))}
    code = ("import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); from sayso.cli.main import main;"
            f"sys.exit(main({[*DRAW, '-o', 'a.png', '--size', '2048x2048']!r}))")
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 4 and "--size" in ran.stderr and left(tmp_path) == []


def test_a_file_that_comes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="came to be"), files.Batch(force=False) as batch:
        batch.add(tmp_path / "a.png", b"one")
        batch.add(tmp_path / "b.png", b"two")
        (tmp_path / "b.png").write_text("mine")
        batch.publish()
    assert left(tmp_path) == ["b.png"] and (tmp_path / "b.png").read_text() == "mine"


def test_files_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with files.Batch(force=False) as batch:
            batch.add(tmp_path / "a.png", b"one")
            batch.publish()
    finally:
        os.umask(before)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing(tmp_path: Path, number: int, code: int) -> None:
    # A shell's background job starts with Ctrl-C ignored; a person's does not.
    start = ("import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
             "from sayso.cli.main import main; sys.exit(main())")
    words = [sys.executable, "-c", start, *DRAW, "-o", "a.png", "-n", "64", "--steps", "200", "--size", "2048x2048"]
    running = subprocess.Popen(words, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not left(tmp_path) and time.monotonic() < deadline:  # until the first part lies there
        time.sleep(0.02)
    time.sleep(0.2)
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert running.returncode == code and "Traceback" not in said and left(tmp_path) == []


# help, tables and other commands

def test_help_answers_at_once_and_lists_every_command(tmp_path: Path) -> None:
    code = ("import sys; from sayso.cli.main import main; code = main(['--help']);"
            "sys.exit(code or bool({'torch', 'numpy', 'PIL', 'rich'} & set(sys.modules)))")
    start = time.perf_counter()
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
                         text=True, check=False)
    assert ran.returncode == 0 and time.perf_counter() - start < 2  # generous: test machines are shared; 0.03 s alone
    assert all(command.name in ran.stdout and command.summary in ran.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_explains_itself_without_heavy_imports(tmp_path: Path, command: object) -> None:
    words = [*command.name.split(), "--help"]  # type: ignore[attr-defined]
    code = f"import sys; from sayso.cli.main import main; sys.exit(main({words!r}) or bool({{'torch', 'scipy'}} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True,
                         text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert f"usage: sayso {command.name}" in ran.stdout and "--debug" in ran.stdout  # type: ignore[attr-defined]


def test_version_and_bare_words(sayso: Sayso) -> None:
    assert re.fullmatch(r"sayso \d+\.\d+\.\d+\n", sayso("--version").out)
    assert sayso().code == 2 and sayso("--help").code == 0
    assert "eval judge" in sayso("eval", "--help").out and sayso("eval").code == 2


def test_engines(sayso: Sayso, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {name: row if name == "fake" else replace(row, missing=lambda: "it sleeps") for name, row in registry.engines().items()}
    monkeypatch.setattr(registry, "engines", lambda: rows)
    told = {row["name"]: row for row in json.loads(sayso("engines", "--json").out)}
    assert told["pocket"]["default"] and told["pocket"]["missing"] == "it sleeps"
    assert told["fake"]["abilities"] == sorted(a.value for a in fake.ABILITIES) and told["fake"]["missing"] is None
    assert "not usable: it sleeps" in sayso("engines").out


def test_concepts_are_found_in_both_languages(sayso: Sayso, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "狐狸" in sayso("concepts", "fox", "--engine", "fake").out
    assert json.loads(sayso("concepts", "狐狸", "--engine", "fake", "--json").out)[0]["slug"] == "fox"
    swap(monkeypatch, knows=lambda: frozenset({"fox", "dog"}))
    assert {row["slug"] for row in json.loads(sayso("concepts", "--json").out)} == {"fox", "dog"}
    assert len(json.loads(sayso("concepts", "--json", "--all").out)) > 1000
    assert "fox" in sayso("concepts").out and "not known" in sayso("concepts", "cactus").out
    ran = sayso("concepts", "cactsu")
    assert ran.code == 2 and 'did you mean "cactus"' in ran.err
    assert sayso("concepts", "fox", "--json", "--thumbnails").code == 2


def test_thumbnails_show_the_concept_in_each_style(sayso: Sayso) -> None:
    out = sayso("concepts", "fox", "--engine", "fake", "--limit", "1", "--thumbnails", "--show", "blocks").out
    assert out.count("▀") > 100 and "\x1b[38;2;" in out


# pure parts

@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_the_nearest_size_is_valid_and_nearest(width: int, height: int) -> None:
    near = (options.nearest(width), options.nearest(height))
    assert options.size(f"{near[0]}x{near[1]}") == near
    valid = range(options.SMALLEST, options.LARGEST + 1, options.MULTIPLE)
    assert abs(near[0] - width) == min(abs(side - width) for side in valid)


@given(st.text(max_size=200))
def test_slugs_are_safe_file_names(text: str) -> None:
    name = options.slug(text)
    assert 1 <= len(name) <= 40 and not set(name) & set("/\\\0. ") and not name.startswith("-")


def test_seeds() -> None:
    assert options.seed("9223372036854775807") == 2**63 - 1 and 0 <= options.seed("random") < 2**63


@pytest.mark.parametrize(("env", "terminal", "way"), [
    ({"TERM": "xterm-kitty"}, True, "kitty"), ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, True, "kitty"),
    ({"TERM": "xterm-kitty", "TMUX": "x"}, True, "blocks"), ({"TERM": "foot"}, True, "sixel"), ({"TERM": "xterm-256color"}, True, "blocks"),
    ({"TERM": "dumb"}, True, "none"), ({}, True, "none"), ({"TERM": "xterm-kitty"}, False, "none"),
    ({"TERM": "xterm", "NO_COLOR": "1"}, True, "none"),
])
def test_terminals_are_told_apart(env: dict[str, str], terminal: bool, way: str) -> None:
    assert show.detect(env, terminal) == way


def test_half_blocks_give_both_colours_and_leave_holes() -> None:
    pixels = np.array([[[255, 0, 0, 255], [0, 0, 0, 0]], [[0, 0, 255, 255], [0, 255, 0, 255]], [[9, 9, 9, 255], [0, 0, 0, 0]]], np.uint8)
    first, second = show.half_blocks(pixels).splitlines()
    assert first == "\x1b[38;2;255;0;0;48;2;0;0;255m▀\x1b[0;38;2;0;255;0m▄\x1b[0m"
    assert second == "\x1b[0;38;2;9;9;9m▀\x1b[0m \x1b[0m"


def test_kitty_carries_the_picture_whole() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 4), dtype=np.uint8)
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", show.kitty(pixels))
    assert len(pieces) > 1 and all(len(data) <= show.PIECE for _, data in pieces)
    assert [head.endswith("m=1") for head, _ in pieces] == [True] * (len(pieces) - 1) + [False]
    import io

    image = Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in pieces))))
    assert np.array_equal(np.asarray(image), pixels)


def read_sixel(text: str) -> np.ndarray:
    """A small reader written from the format: a Sixel picture → uint8 [H, W, 4]."""
    found = re.fullmatch(r'\x1bP0;1q"1;1;(\d+);(\d+)(.*)\x1b\\\n', text, re.DOTALL)
    assert found is not None
    out = np.zeros((int(found[2]), int(found[1]), 4), np.uint8)
    palette: dict[int, tuple[int, ...]] = {}
    colour = x = top = 0
    for define, use, count, char, move in re.findall(r"#(\d+;2;\d+;\d+;\d+)|#(\d+)|(?:!(\d+))?([?-~])|([$-])", found[3]):
        if define:
            number, _, *rgb = map(int, define.split(";"))
            palette[number] = (*(round(v * 2.55) for v in rgb), 255)
        elif use:
            colour = int(use)
        elif char:
            for _ in range(int(count or 1)):
                for bit in (bit for bit in range(6) if (ord(char) - 63) >> bit & 1):
                    out[top + bit, x] = palette[colour]
                x += 1
        else:
            x, top = 0, top + 6 * (move == "-")
    return out


def test_sixel_says_every_pixel() -> None:
    blocks = np.random.default_rng(1).integers(0, 256, (4, 5, 4), dtype=np.uint8)
    blocks[..., 3] = np.where(blocks[..., 3] > 100, 255, 0)
    pixels = blocks.repeat(5, 0).repeat(7, 1)[:-1]  # 19 rows: the last band is not full
    read = read_sixel(show.sixel(pixels))
    assert np.array_equal(read[..., 3], pixels[..., 3])
    seen = pixels[..., 3] == 255
    assert np.abs(read[seen].astype(int) - pixels[seen]).max() <= 4  # colours are in percent


def test_shown_pictures_fit_the_terminal() -> None:
    pixels = np.full((512, 1024, 4), 90, np.uint8)
    lines = show.picture(pixels, "blocks").splitlines()
    assert len(lines) == 12 and all(line.count("▀") + line.count(" ") == show.COLUMNS for line in lines)
    assert show.picture(pixels, "none") == ""
