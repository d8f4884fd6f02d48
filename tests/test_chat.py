"""`sayso chat` and `sayso keys` as a person uses them, without a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Ran


@pytest.fixture
def chat(sayso: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    monkeypatch.setenv("SAYSO_TRUST_FOLDER", str(tmp_path / "trust"))
    monkeypatch.setenv("SAYSO_ENGINES", "fake")

    def run(*lines: str, words: tuple[str, ...] = ()) -> Ran:
        monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines) + "\n"))
        return sayso("chat", "--engine", "fake", "--data", str(tmp_path / "data"), "--show", "none", *words)

    return run


def test_a_conversation_in_the_terminal(chat: Callable[..., Ran], tmp_path: Path) -> None:
    ran = chat("/size 96x64", "Please draw a red fox", "/size auto", "make it blue", "/save blue.png", "/again", "/back", "add a hat", "/save hat.jpg",
               "/attach blue.png", "what is in it?")
    assert ran.code == 0, ran.err
    pictures = [line for line in ran.lines if line.startswith("ig_")]
    assert len(pictures) == 4 and all("  96x64  seed " in line for line in pictures)
    assert "drawing: a red fox" in ran.err and "drawing: make the fox blue" in ran.err
    assert ran.lines[-1].startswith("4 words; pictures: 96x64")
    assert Image.open(tmp_path / "blue.png").size == (96, 64) and Image.open(tmp_path / "hat.jpg").format == "JPEG"
    again = chat("/list", "/find hat", words=("--conversation", "last"))
    assert "you: add a hat" in again.lines and "you: make it blue" not in again.lines  # that branch was left
    assert again.lines[-2].endswith("Please draw a red fox") and again.lines[-1].endswith("add a hat")


def test_what_goes_wrong_is_said_and_the_chat_goes_on(chat: Callable[..., Ran], tmp_path: Path) -> None:
    (tmp_path / "no.png").write_text("hello")
    ran = chat("/dance", "/attach no.png", "/attach absent.png", "/again", "/back", "/save x.png", "/size 5", "/style oil", "/open conv_none", "a fox")
    assert ran.code == 0 and len([line for line in ran.lines if line.startswith("ig_")]) == 1
    for why in ('unknown command "/dance"', "not a picture", "cannot be read", "nothing to do again", "0 answers", "no picture yet", 'size "5"',
                'unknown style "oil"', 'no conversation "conv_none"'):
        assert why in ran.err, why
    assert chat("/dance").code == 1


def test_keys(sayso: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAYSO_TRUST_FOLDER", str(tmp_path / "trust"))
    data = ("--data", str(tmp_path / "data"))
    made = sayso("keys", "create", "laptop", "--quota", "5", *data)
    assert made.code == 0 and made.out.startswith("sk-sayso-") and len(made.lines) == 1
    name = made.err.split(":")[0]
    listed = sayso("keys", "list", *data)
    assert listed.lines == [f"{name}  {made.out[:13]}…  valid     laptop"] and made.out.strip() not in listed.out
    assert sayso("keys", "revoke", name, *data).code == 0
    assert "revoked" in sayso("keys", "list", *data).out
    for words, why in ((("revoke", "key_none"), "no key"), (("create",), "name the key"), (("list", "x"), "leave it out")):
        ran = sayso("keys", *words, *data)
        assert ran.code == 2 and why in ran.err
