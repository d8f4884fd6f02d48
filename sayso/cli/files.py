"""Files that are whole or not there: names that are free, and writing that a full disk or Ctrl-C cannot tear."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from types import TracebackType
from typing import Self

from sayso.errors import CannotWrite

REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and draw again",
    errno.EDQUOT: "your disk quota is used up; free some space and draw again",
    errno.EFBIG: "the file would be larger than allowed here; ask for a smaller --size",
    errno.EACCES: "you may not write there; choose another folder with -o",
    errno.EPERM: "you may not write there; choose another folder with -o",
    errno.EROFS: "that disk is read-only; choose another folder with -o",
    errno.ENOENT: "the folder does not exist; create it or choose another with -o",
    errno.ENOTDIR: "a part of that path is a file; choose another folder with -o",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one with -o",
}


def cannot_write(path: Path, error: OSError) -> CannotWrite:
    """The error for a person, with a remedy for the usual causes."""
    return CannotWrite(f'cannot write "{path}": {REMEDIES.get(error.errno or 0, error.strerror or "unknown cause")}')


def numbered(path: Path, count: int) -> list[Path]:
    """a.png for one picture; a-1.png, a-2.png … for several."""
    return [path] if count == 1 else [path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(1, count + 1)]


def names(chosen: Path, count: int, force: bool) -> list[Path]:
    """The files that a person named; raises CannotWrite when one exists and `force` is off, or is a folder or no name."""
    paths = numbered(chosen, count)
    for path in paths:
        try:
            os.lstat(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise cannot_write(path, error) from error
        if os.path.isdir(path):
            raise CannotWrite(f'"{path}" is a folder; choose another name with -o')
        if not force:
            raise CannotWrite(f'"{path}" exists already; choose another name with -o or overwrite it with --force')
    return paths


def free_names(folder: Path, stem: str, count: int) -> list[Path]:
    """The first of stem.png, stem-2.png, stem-3.png … of which nothing exists yet."""
    turn = 1
    while True:
        paths = numbered(folder / f"{stem}{'' if turn == 1 else f'-{turn}'}.png", count)
        if not any(os.path.lexists(path) for path in paths):
            return paths
        turn += 1


def probe(folder: Path) -> None:
    """Raises CannotWrite unless a file can be made in the folder; leaves nothing there."""
    trial = folder / f".sayso-{secrets.token_hex(8)}.part"
    try:
        os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(trial)
    except OSError as error:
        raise cannot_write(folder, error) from error


class Batch:
    """Several files that appear together or not at all: each is written beside its place, then all are moved there.

    Used as a context manager; leaving it without `publish`, by an error or Ctrl-C, leaves nothing behind.
    """

    def __init__(self, force: bool):
        self.force = force
        self.waiting: list[tuple[Path, Path]] = []  # (part, final)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for part, _ in self.waiting:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def add(self, path: Path, data: bytes) -> None:
        """Writes the bytes to disk beside `path`; raises CannotWrite."""
        part = path.with_name(f".sayso-{secrets.token_hex(8)}.part")
        self.waiting.append((part, path))
        try:
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise cannot_write(path, error) from error

    def publish(self) -> list[Path]:
        """Moves every file to its place; raises CannotWrite, and takes back new files, when one cannot be moved."""
        placed: list[Path] = []
        try:
            for part, path in self.waiting:
                if self.force:
                    os.replace(part, path)
                else:
                    _place_new(part, path)
                    placed.append(path)
        except BaseException as error:
            for path in placed:
                path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise cannot_write(path, error) from error
            raise
        return [path for _, path in self.waiting]


def _place_new(part: Path, path: Path) -> None:
    """Moves `part` to `path` but never over a file that came to be there meanwhile."""
    try:
        os.link(part, path)  # fails when the name is taken, unlike a rename
        part.unlink()
    except FileExistsError:
        raise CannotWrite(f'"{path}" came to be while drawing; choose another name with -o or overwrite it with --force') from None
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise
        os.replace(part, path)
