"""A PostgreSQL of its own for the tests: Debian's programs, an empty cluster in a temporary folder, a socket, no port."""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


def _user() -> str | None:
    """Whose processes they are: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL does not run as root and there is no user postgres")


def _die_with_us() -> None:
    """In the new process: an immediate shutdown when the tests themselves are killed (Linux's PR_SET_PDEATHSIG)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


@contextmanager
def running() -> Iterator[str]:
    """The SQLAlchemy URL of the cluster, with {} where the name of a database goes. Skips where there is no PostgreSQL."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="sayso-pg-"))
    server = None
    try:
        if user is not None:
            shutil.chown(folder, user)
        data, quiet = folder / "data", {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "cwd": folder, "user": user}
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-A", "trust", "-U", "sayso", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"],
            check=False,
            **quiet,
        )  # type: ignore[call-overload]
        if made.returncode != 0:
            pytest.skip(f"PostgreSQL's initdb failed here: {made.stderr.decode(errors='replace')[-200:]}")
        words = [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]
        server = subprocess.Popen(words, preexec_fn=_die_with_us, **quiet)  # type: ignore[call-overload]  # noqa: PLW1509
        for _ in range(200):
            asked = [programs / "pg_isready", "-h", folder, "-U", "sayso"]
            ready = subprocess.run(asked, check=False, **quiet)  # type: ignore[call-overload]
            if ready.returncode == 0:
                break
            time.sleep(0.05)
        yield f"postgresql+psycopg://sayso@/{{}}?host={folder}"
    finally:
        if server is not None:
            server.terminate()
            server.communicate(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)
