"""Shared by all tests: the command line in this process, and the reason why lettering tests are skipped."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from tests.server_kit import Served

settings.register_profile("sayso", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("sayso")


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@pytest.fixture(scope="session", autouse=True)
def home() -> Iterator[Path]:
    """Keys, logs and whatever else belongs to a person lie in a folder of the test run, in programs that tests start too."""
    before = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SAYSO_TRUST_") or name == "SAYSO_HOME"}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SAYSO_HOME"] = folder
        yield Path(folder)
    os.environ.pop("SAYSO_HOME", None)
    os.environ.update(before)


@pytest.fixture
def sayso(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs the command line in this process, in an empty folder (`tmp_path`)."""
    from sayso.cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TERM", "dumb")

    def run(*words: str) -> Ran:
        code = main(words)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def tesseract() -> str:
    """The path of Tesseract with English and Chinese; skips the test where it cannot be had."""
    path = shutil.which("tesseract")
    if path is None:
        pytest.skip("Tesseract is not installed")
    known = subprocess.run([path, "--list-langs"], capture_output=True, text=True, check=False).stdout.split()
    if missing := {"eng", "chi_sim"} - set(known):
        pytest.skip(f"Tesseract lacks the languages {sorted(missing)}")
    return path


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One running server for all tests that leave it as they found it."""
    from tests.server_kit import Unmarked, serving

    with serving(tmp_path_factory.mktemp("served"), Unmarked()) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL that runs for this session, with {} for the database; skips the test where it cannot be had."""
    from tests import postgres_kit

    with postgres_kit.running() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data.sqlite'}"
    import secrets

    from sqlalchemy import create_engine, text

    url: str = request.getfixturevalue("postgres")
    name = f"t{secrets.token_hex(6)}"
    engine = create_engine(url.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.format(name)
