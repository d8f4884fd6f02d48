"""The house keeps its own rules: what the README says, how files are built, and what importing does."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import sayso
from sayso.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted(path for room in ("sayso", "scripts", "tests", "runs") for path in (ROOT / room).rglob("*")
                 if path.suffix in (".py", ".sh") and "__pycache__" not in path.parts)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_readme_matches_the_disk_and_the_table_of_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert script("readme_tree").renewed(readme) == readme, "run: make readme"
    assert all(f"`sayso {command.name}`" in readme for command in COMMANDS)


def test_descriptions_in_the_tree_are_cut_between_words() -> None:
    shorten = script("readme_tree").shorten
    assert shorten("A short line.") == "A short line"
    assert shorten("One clause that is long enough to be said twice, " * 3) == "One clause that is long enough to be said twice"
    assert len(shorten("word " * 40)) <= 92 and shorten("word " * 40).endswith("word")


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_a_file_is_one_sitting(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 600, f"{len(lines)} lines; split it"
    assert [i for i, line in enumerate(lines, 1) if len(line) > 140] == [], "lines longer than 140 characters"
    if path.suffix == ".py":
        tree = ast.parse("\n".join(lines))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        assert [f"{node.name}: {node.end_lineno - node.lineno + 1}" for node in functions
                if node.end_lineno is not None and node.end_lineno - node.lineno >= 60] == [], "functions of 60 lines and more"


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name != "test_house.py"], ids=short)
def test_nothing_is_left_for_later(path: Path) -> None:
    found = re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b|NotImplementedError|assert True\b", path.read_text(encoding="utf-8"))
    assert found == []


def test_importing_prints_nothing_and_makes_nothing(tmp_path: Path) -> None:
    modules = sorted(short(path)[:-3].replace("/", ".").removesuffix(".__init__") for path in (ROOT / "sayso").rglob("*.py"))
    home = tmp_path / "home"
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    code = f"import importlib\nfor name in {modules!r}: importlib.import_module(name)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert list(tmp_path.rglob("*")) == [home]


def test_one_version() -> None:
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\] - (?:unreleased|\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None and newest[1] == sayso.__version__
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "sayso.__version__"}


def test_everything_we_ask_for_is_pinned() -> None:
    pinned = {re.sub(r"[-_.]+", "-", line.split("==")[0]).lower(): line.split("==")[1]
              for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line and not line.startswith("#")}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"], *(name for extra in extras.values() for name in extra)]
    names = {re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[; ]", line)[0]).lower() for line in wanted}
    assert names - pinned.keys() == set()
    assert pinned["torch"] == "2.13.0" and set(extras) == {"train", "serve", "big", "dev"}


def test_every_package_folder_is_installed() -> None:
    folders = {path.parent for path in (ROOT / "sayso").rglob("*.py")}
    assert [short(folder) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_the_papers_are_there() -> None:
    assert "Apache License" in (ROOT / "LICENSE").read_text() and "END OF TERMS AND CONDITIONS" in (ROOT / "LICENSE").read_text()
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/LOG.md", "docs/gpu-queue.md"):
        assert len((ROOT / name).read_text(encoding="utf-8")) > 200, name


def test_links_in_the_papers_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{short(page)}: {target}"


def test_ci_does_what_the_makefile_offers() -> None:
    run = (ROOT / ".ci" / "run").read_text()
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)$", run, re.MULTILINE)
    assert {"check", "test"} <= set(targets) and targets[-1] == "test"
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
