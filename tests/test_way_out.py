"""No picture leaves unsealed: every place that writes a picture file is listed with its reason, and every way out is walked."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Ran

from sayso.cli.main import COMMANDS
from sayso.engines import fake, registry
from sayso.trust import provenance
from sayso.trust.seal import Sealer
from sayso.trust.settings import PREFIX, Settings
from sayso.types import Ability, Ask, Drew, Event, Picture

ROOT = Path(__file__).resolve().parent.parent
WRITERS = {  # modules that may turn pixels into a file, and why no seal is passed by
    "sayso/trust/formats.py": "the encoder that sealing uses",
    "sayso/trust/provenance.py": "a parent without its metadata, inside a manifest",
    "sayso/trust/watermark.py": "the mark's own test, thrown away",
    "sayso/trust/eyes.py": "a picture handed to Tesseract",
    "sayso/trust/reasoner.py": "a picture handed to the model that reads the policy",
    "sayso/studio/tools/encode.py": "the plain sealer of tests, and uploads on their way in",
    "sayso/server/uploads.py": "an upload, encoded anew on its way in",
    "sayso/engines/openai.py": "pictures on their way to the remote engine",
    "sayso/cli/show.py": "the picture in the terminal, never a file",
    "sayso/world/judge/lettering.py": "a picture handed to Tesseract",
    "sayso/evals/marked.py": "harms of the robustness table, thrown away",
    "sayso/evals/world.py": "sheets of an evaluation",
    "sayso/training/loop.py": "sheets of a training run",
    "sayso/training/finish_run.py": "sheets of a training run",
    "sayso/training/finish.py": "a checkpoint, no picture",
    "sayso/training/report.py": "plots of a training run",
}
DRAWING = {"draw", "edit"}  # commands that give a picture to a person
ANSWERING = {"ask"}  # commands that let an engine speak and write no file


def writes_pictures(path: Path) -> bool:
    """Whether a module saves an image: `.save(` with a format or from an image, `savefig`, `imwrite`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(isinstance(node, ast.Import | ast.ImportFrom) and ("PIL" in ast.dump(node) or "matplotlib" in ast.dump(node))
               for node in ast.walk(tree)) and "picture.save" not in path.read_text(encoding="utf-8"):
        return False
    calls = [node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return bool({"save", "savefig", "imwrite"} & set(calls))


def test_every_place_that_writes_a_picture_is_known() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "sayso").rglob("*.py") if writes_pictures(path)}
    assert found - WRITERS.keys() == set(), "seal what is given out, or list the module with its reason"


def test_every_command_that_draws_is_walked_here() -> None:
    source = {command.name: (ROOT / (command.module.replace(".", "/") + ".py")).read_text(encoding="utf-8") for command in COMMANDS}
    measured = ("eval ", "bench ")  # these measure an engine and give its pictures to nobody
    engaged = {name for name, text in source.items()
               if ("respond(" in text or "draw.make(" in text) and not name.startswith(measured)}
    assert engaged == DRAWING | ANSWERING, "a command lets an engine work; walk it here, or seal it"
    assert not any(word in source[name] for name in ANSWERING for word in ("write_bytes", "Batch", ".save("))


def test_an_edit_is_sealed_with_what_it_was_made_from(
    sayso: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Editor(fake.FakeEngine):
        def respond(self, ask: Ask) -> Iterator[Event]:
            yield Drew(0, Picture(np.full((128, 128, 4), 200, np.uint8)), 0)

    row = replace(registry.info("fake"), abilities=frozenset({*Ability}), load=lambda device: Editor())
    assert sayso("draw", "a red fox", "--engine", "fake", "-o", "before.png").code == 0
    monkeypatch.setattr(registry, "info", lambda name: row)
    ran = sayso("edit", "make it blue", "before.png", "--engine", "fake", "-o", "after.png")
    assert ran.code == 0, ran.err
    read = provenance.read((tmp_path / "after.png").read_bytes(), Sealer().identity)
    assert read.ours and read.steps[0].actions[:2] == ("c2pa.opened", "c2pa.edited") and read.steps[1].relation == "parentOf"
    ran = sayso("edit", "undress her", "before.png", "--engine", "fake", "-o", "no.png")
    assert ran.code == 2 and "cannot be inspected here" in ran.err and not (tmp_path / "no.png").exists()


@pytest.mark.parametrize("words", [
    ("-o", "a.png"), ("-o", "a.jpg"), ("-o", "a.webp"), ("-o", "a.avif"), ("-o", "a.gif"), (), ("-n", "3"), ("--background", "transparent"),
    ("--no-finish",), ("--json",), ("--size", "64x64"), ("--show", "blocks"), ("-o", "a.png", "--force"),
], ids=" ".join)
def test_whatever_draw_writes_is_sealed(sayso: Callable[..., Ran], tmp_path: Path, words: tuple[str, ...]) -> None:
    assert sayso("draw", "a red fox", "--engine", "fake", *words).code == 0
    files = list(tmp_path.iterdir())
    assert files
    for path in files:
        read = provenance.read(path.read_bytes(), Sealer().identity)
        assert (read.state, read.ours) == ("trusted", True), path.name


def test_a_sealer_that_fails_lets_nothing_out(sayso: Callable[..., Ran], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Sealer, *args: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr(Sealer, "seal", broken)
    assert sayso("draw", "a red fox", "--engine", "fake", "-n", "2").code == 1 and list(tmp_path.iterdir()) == []


def test_every_setting_is_in_the_papers() -> None:
    papers = (ROOT / "docs" / "trust.md").read_text(encoding="utf-8")
    assert [field.name for field in fields(Settings) if f"`{PREFIX}{field.name.upper()}`" not in papers] == []
