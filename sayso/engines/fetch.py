"""Fetching a published checkpoint: what there is and how large, room on the disk, bytes that go on where they stopped, hashes.

A file appears under its name only when it is whole and its hash is right; until then it is NAME.part. The hub's client
library knows where to ask, how to prove who one is, and how to follow to where the bytes are.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sayso.engines import machine
from sayso.engines.checkpoints import MANIFEST, Published, Source
from sayso.errors import BadWeights, CannotWrite, SaysoError

PIECE = 1 << 20
ROOM = 1 << 30  # bytes to leave free on the disk
TRIES = 5  # times that a broken connection is taken up again, for each file
Tell = Callable[[str, int, int], None]  # file, bytes there, bytes in all


@dataclass(frozen=True)
class Remote:
    """One file of a repository at one state of it. `sha256`: "" where the hub does not tell, as for small files."""

    source: Source
    revision: str
    name: str
    size: int
    sha256: str

    @property
    def place(self) -> str:
        """Where it goes under the checkpoint's folder."""
        return f"{self.source.folder}/{self.name}" if self.source.folder else self.name


class Hub(Protocol):
    """Where checkpoints are published."""

    def files(self, source: Source) -> list[Remote]: ...

    def read(self, file: Remote, start: int) -> Iterator[bytes]:
        """Its bytes from `start` on. Raises ConnectionError when the connection breaks."""
        ...


class HuggingFace:
    """The hub through its own client library. Raises SaysoError in clear words where it cannot be asked."""

    def __init__(self) -> None:
        try:
            import huggingface_hub
        except ImportError:
            raise SaysoError('fetching weights needs the library huggingface_hub; install it with: pip install "sayso[big]"') from None
        self.hub = huggingface_hub

    def files(self, source: Source) -> list[Remote]:
        from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

        try:
            found = self.hub.HfApi().model_info(source.repository, files_metadata=True)
        except GatedRepoError:
            raise self._gated(source) from None
        except RepositoryNotFoundError:
            raise SaysoError(f"{source.repository} is not there or is closed to you; log in with `hf auth login`") from None
        except (OfflineModeIsEnabled, OSError, HfHubHTTPError) as error:
            raise SaysoError(f"{source.repository} cannot be asked for ({_short(error)}); check the connection, or fetch the files "
                             "elsewhere and give their folder with --weights") from error
        except Exception as error:  # the library's transport has errors of its own kind
            raise SaysoError(f"{source.repository} cannot be asked for ({_short(error)}); check the connection") from error
        out: list[Remote] = []
        for row in found.siblings or []:
            sha = "" if row.lfs is None else str(row.lfs.sha256)
            out.append(Remote(source, str(found.sha), row.rfilename, int(row.size or 0), sha))
        return out

    def read(self, file: Remote, start: int) -> Iterator[bytes]:
        url = self.hub.hf_hub_url(file.source.repository, file.name, revision=file.revision)
        headers = {**self.hub.utils.build_hf_headers(), "Range": f"bytes={start}-", "Accept-Encoding": "identity"}
        try:
            with self.hub.utils.get_session().stream("GET", url, headers=headers, follow_redirects=True) as answer:
                if answer.status_code in (401, 403):
                    raise self._gated(file.source)
                if answer.status_code not in (200, 206):
                    raise ConnectionError(f"it answered {answer.status_code}")
                skip = start if answer.status_code == 200 else 0  # a server without ranges begins anew
                for piece in answer.iter_bytes(PIECE):
                    if skip >= len(piece):
                        skip -= len(piece)
                        continue
                    yield piece[skip:]
                    skip = 0
        except SaysoError:
            raise
        except Exception as error:
            raise ConnectionError(_short(error)) from error

    def _gated(self, source: Source) -> SaysoError:
        return SaysoError(f"{source.repository} asks for consent to its licence; give it on the model's page, "
                          "then log in with `hf auth login` and pull again")


def _short(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:160]


def plan(hub: Hub, row: Published) -> list[Remote]:
    """Every file of a checkpoint. Raises SaysoError when a repository has none of what is needed, or names that lead elsewhere."""
    out: list[Remote] = []
    for source in row.sources:
        files = [f for f in hub.files(source) if any(fnmatch.fnmatch(f.name, pattern) for pattern in source.files)]
        if not files:
            raise SaysoError(f"{source.repository} holds none of the files that are needed; it may have been moved")
        if strange := [f.name for f in files if os.path.isabs(f.name) or ".." in Path(f.name).parts or "\\" in f.name]:
            raise BadWeights(f"{source.repository} has a file named {strange[0]!r}, which leads out of its folder; nothing is fetched")
        out += [f for f in files if f.place not in {other.place for other in out}]
    return out


def pull(hub: Hub, row: Published, folder: Path, tell: Tell) -> list[Remote]:
    """Fetches what is not there yet. Raises CannotWrite without room, BadWeights for a wrong hash, SaysoError when offline."""
    files = plan(hub, row)
    waiting = [file for file in files if not _there(folder, file)]
    missing = sum(file.size - _begun(folder, file) for file in waiting)
    free = machine.disk_free(folder)
    if missing + ROOM > free:
        raise CannotWrite(f"{missing / 1e9:.1f} GB are still to come and {free / 1e9:.1f} GB are free at {folder}; "
                          "free some space or move the folder with SAYSO_MODELS")
    done: dict[str, dict[str, object]] = {}
    for file in files:
        sha = _fetch(hub, folder, file, tell) if file in waiting else _hash(folder / file.place)
        if file.sha256 and sha != file.sha256:
            (folder / file.place).unlink(missing_ok=True)
            raise BadWeights(f"{file.name} does not have the hash that was published and was removed; pull again")
        done[file.place] = {"size": file.size, "sha256": sha, "repository": file.source.repository, "revision": file.revision}
    _write(folder / MANIFEST, json.dumps({"checkpoint": row.name, "files": done}, indent=1).encode())
    return files


def verify(folder: Path, tell: Tell) -> int:
    """Reads every file that `pull` recorded; the number of files. Raises BadWeights naming the first that is not as it was."""
    try:
        rows = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadWeights(f"{folder} has no list of what was fetched ({_short(error)}); pull again") from error
    for name, row in rows.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != row["size"]:
            raise BadWeights(f"{path} is missing or has another size; pull again")
        if _hash(path) != row["sha256"]:
            raise BadWeights(f"{path} has changed since it was fetched; remove it and pull again")
        tell(name, row["size"], row["size"])
    return len(rows)


def _there(folder: Path, file: Remote) -> bool:
    path = folder / file.place
    return path.is_file() and path.stat().st_size == file.size


def _begun(folder: Path, file: Remote) -> int:
    part = folder / f"{file.place}.part"
    return part.stat().st_size if part.is_file() else 0


def _hash(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()


def _fetch(hub: Hub, folder: Path, file: Remote, tell: Tell) -> str:
    """One file, going on behind what is there of it; its hash."""
    part = folder / f"{file.place}.part"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        if _begun(folder, file) > file.size:
            part.unlink()
        for turn in range(TRIES):
            try:
                _go_on(hub, file, part, tell)
            except ConnectionError as error:
                if turn == TRIES - 1:
                    raise SaysoError(f"{file.name} stopped after {_begun(folder, file) / 1e9:.2f} of {file.size / 1e9:.2f} GB ({error}); "
                                     "pull again, it goes on from there") from error
            if _begun(folder, file) == file.size:
                break
        if _begun(folder, file) != file.size:
            raise SaysoError(f"{file.name} ended after {_begun(folder, file):,} of {file.size:,} bytes; pull again, it goes on from there")
        sha = _hash(part)
        if file.sha256 and sha != file.sha256:
            part.unlink()
            raise BadWeights(f"{file.name} does not have the hash that was published and was removed; pull again")
        os.replace(part, folder / file.place)
    except OSError as error:
        raise CannotWrite(f"cannot write to {part.parent} ({error.strerror or error}); free some space or choose another folder") from error
    return sha


def _go_on(hub: Hub, file: Remote, part: Path, tell: Tell) -> None:
    with part.open("ab") as out:
        there = out.tell()
        tell(file.name, there, file.size)
        if there == file.size:
            return
        for piece in hub.read(file, there):
            if there + len(piece) > file.size:
                raise BadWeights(f"{file.name} has more bytes than were announced; remove {part} and pull again")
            out.write(piece)
            there += len(piece)
            tell(file.name, there, file.size)
        out.flush()
        os.fsync(out.fileno())


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise CannotWrite(f"cannot write {path} ({error.strerror}); free some space or choose another folder") from error
