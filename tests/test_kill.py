"""What was accepted is done once and whole, whatever kills the server; the long run is `python -m tests.kill_loop`."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import kill_loop


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB; skips where one may not be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, text=True, check=False)
    if os.geteuid() != 0 or mounted.returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_killed_workers_lose_and_double_nothing(tmp_path: Path) -> None:
    out = kill_loop.run(tmp_path / "data", jobs=30, kills=4, pause=0.05)
    assert out.seen == [] and sum(out.attempts.values()) == 30
    assert max(out.attempts) > 1, "no kill hit a running job"


def test_a_full_disk_in_the_middle_fails_nothing(small_disk: Path) -> None:
    out = kill_loop.run(small_disk / "data", jobs=24, kills=2, pause=0.08, fill=True)
    assert out.seen == [] and sum(out.attempts.values()) == 24
    assert out.fullness < 3, f"{out.fullness} jobs ended while the disk was full"
