"""Files by the SHA-256 of what is in them: whole or not there, on disk or in S3."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from sayso.errors import CannotWrite, SaysoError
from sayso.storage.errors import NotFound, StorageFull

NAME = re.compile(r"[0-9a-f]{64}")
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Damaged(SaysoError):
    """A stored file is not what it was when it was stored."""


class Blobs(Protocol):
    def put(self, data: bytes) -> str:
        """Keeps the bytes durably; returns their SHA-256 in hex. Raises StorageFull or CannotWrite; nothing half-written stays."""
        ...

    def get(self, name: str) -> bytes:
        """Raises NotFound or Damaged."""
        ...

    def has(self, name: str) -> bool: ...

    def delete(self, name: str) -> None:
        """Nothing happens when it is not there."""
        ...

    def names(self, older: float) -> Iterator[str]:
        """Those not touched for `older` seconds; leftovers of writing that old are removed on the way."""
        ...

    def free(self) -> int | None:
        """Bytes free; None where there is no such number."""
        ...


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _checked(name: str, data: bytes) -> bytes:
    if digest(data) != name:
        raise Damaged(f"the stored file {name[:12]}… is damaged; restore it from a backup")
    return data


class Disk:
    """Blobs in a folder: ab/abcdef…; what is being written lies in .new until it is whole and synced."""

    def __init__(self, root: Path):
        self.root, self.new = root, root / ".new"

    def _path(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise NotFound("file", name)
        return self.root / name[:2] / name

    def put(self, data: bytes) -> str:
        name = digest(data)
        path = self._path(name)
        part = self.new / secrets.token_hex(16)
        try:
            self.new.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(exist_ok=True)
            try:
                with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(part, path)
            finally:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
            _sync_folder(path.parent)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise StorageFull("the disk for pictures is full; free some space and try again") from error
            raise CannotWrite(f'the folder "{self.root}" cannot be written ({error.strerror}); check its rights') from error
        return name

    def get(self, name: str) -> bytes:
        try:
            with open(os.open(self._path(name), os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                return _checked(name, file.read())
        except FileNotFoundError:
            raise NotFound("file", name) from None

    def has(self, name: str) -> bool:
        return self._path(name).is_file()

    def delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def names(self, older: float) -> Iterator[str]:
        before = time.time() - older
        for folder in sorted(self.root.iterdir()) if self.root.exists() else []:
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                with contextlib.suppress(FileNotFoundError):
                    if path.stat().st_mtime > before:
                        continue
                    if folder == self.new:
                        path.unlink(missing_ok=True)
                    elif NAME.fullmatch(path.name):
                        yield path.name

    def free(self) -> int | None:
        folder = self.root
        while not folder.exists():
            folder = folder.parent
        return shutil.disk_usage(folder).free


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Alone:
    """Who uses a data folder: a lock on a file in it, shared by all processes there, that tells the first from the rest."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(folder / ".in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.first = True
        except OSError:
            self.first = False
            self.share()

    def share(self) -> None:
        """Lets others in; call it when what only the first may do is done."""
        fcntl.flock(self._handle, fcntl.LOCK_SH)

    def close(self) -> None:
        os.close(self._handle)
