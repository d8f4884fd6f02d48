"""Our own pictures: what was given out, under which mark, and what it looked like, so that a copy can be found again.

One SQLite file in the trust folder. It holds hashes and numbers, no pixel and no prompt (only a salted hash of it). Marks and
hashes are also kept in memory, as columns, and brought up to date before each look-up; 200,000 of them are searched in a few
milliseconds, so that an index structure would be one more thing to go wrong.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sayso.errors import CannotWrite, SaysoError
from sayso.trust.fingerprint import ALIKE, QUALITY, Look, distances
from sayso.trust.watermark import Known, symbols

SCHEMA = """
CREATE TABLE IF NOT EXISTS pictures (
  number INTEGER PRIMARY KEY AUTOINCREMENT, mark INTEGER NOT NULL UNIQUE, pixels TEXT NOT NULL, made TEXT NOT NULL, engine TEXT NOT NULL,
  weights TEXT NOT NULL, seed TEXT NOT NULL, action TEXT NOT NULL, kind TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
  prompt TEXT NOT NULL, stamped INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS looks (
  place INTEGER PRIMARY KEY AUTOINCREMENT, mark INTEGER NOT NULL, quality INTEGER NOT NULL, bits BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS forgotten (count INTEGER NOT NULL);
"""


@dataclass(frozen=True)
class Entry:
    """One picture that was given out. `made`: ISO time in UTC. `pixels`: sha256 of its unmarked pixels. `prompt`: salted hash."""

    mark: int
    pixels: str
    made: str
    engine: str
    weights: str
    seed: str
    action: str
    kind: str
    width: int
    height: int
    prompt: str
    stamped: bool = False

    @property
    def id(self) -> str:
        return f"{self.mark:08x}"


@dataclass(frozen=True)
class Alike:
    """A picture of our own that looks like what was asked about. `distance`: bits of 256. `turn`: 0 as it is, 1 to 7 turned or mirrored."""

    entry: Entry
    distance: int
    turn: int


COLUMNS = "mark, pixels, made, engine, weights, seed, action, kind, width, height, prompt, stamped"


class Log:
    """See the module's docstring. Safe for several threads and several processes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._here = threading.local()
        self._seen, self._forgotten = 0, -1
        self._marks = np.zeros(0, np.int64)
        self._columns = np.zeros((4, 0), np.uint64)
        self._owners = np.zeros(0, np.int64)
        self._symbols = np.zeros((0, 4), np.int64)

    def _connect(self) -> sqlite3.Connection:
        """This thread's connection, made anew after a fork."""
        here = self._here
        if getattr(here, "process", None) != os.getpid() or not self.path.exists():
            if not self.path.exists():
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
            base = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            base.execute("PRAGMA journal_mode=WAL")
            base.execute("PRAGMA synchronous=NORMAL")
            base.executescript(SCHEMA)
            here.base, here.process = base, os.getpid()
        return here.base

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            base = self._connect()
            yield base
        except (sqlite3.Error, OSError) as error:
            raise CannotWrite(f'the log of pictures "{self.path}" cannot be used ({error}); move it away or set SAYSO_HOME') from error

    def reserve(self, pixels: str, secret: bytes) -> int:
        """The mark for pixels of this sha256: the same for the same pixels, another for any other picture in the log."""
        with self._open() as base:
            for turn in range(1000):
                word = hmac.new(secret, f"mark {turn} {pixels}".encode(), hashlib.sha256).digest()[:4]
                value = int.from_bytes(word, "big")
                row = base.execute("SELECT pixels FROM pictures WHERE mark = ?", (value,)).fetchone()
                if row is None or row[0] == pixels:
                    return value
        raise SaysoError("no free mark was found for this picture; the log is damaged")

    def add(self, entry: Entry, looks: Sequence[Look]) -> None:
        """Keeps a picture; the same pixels given out again stay one entry."""
        with self._open() as base:
            base.execute("BEGIN IMMEDIATE")
            try:
                self._insert(base, entry, looks)
                base.execute("COMMIT")
            except BaseException:
                if base.in_transaction:
                    base.execute("ROLLBACK")
                raise

    def _insert(self, base: sqlite3.Connection, entry: Entry, looks: Sequence[Look]) -> None:
        new = base.execute(f"INSERT OR IGNORE INTO pictures ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)", (
            entry.mark, entry.pixels, entry.made, entry.engine, entry.weights, entry.seed, entry.action, entry.kind, entry.width,
            entry.height, entry.prompt, int(entry.stamped))).rowcount
        if new:
            rows = [(entry.mark, look.quality, look.bits.tobytes()) for look in looks]
            base.executemany("INSERT INTO looks (mark, quality, bits) VALUES (?,?,?)", rows)

    def forget(self, mark: int) -> bool:
        """Deletes a picture's entry and hashes; returns whether there was one."""
        with self._open() as base:
            base.execute("PRAGMA secure_delete=ON")
            base.execute("BEGIN IMMEDIATE")
            gone = base.execute("DELETE FROM pictures WHERE mark = ?", (mark,)).rowcount
            base.execute("DELETE FROM looks WHERE mark = ?", (mark,))
            base.execute("INSERT INTO forgotten SELECT COUNT(*) + 1 FROM forgotten")
            base.execute("COMMIT")
            base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return bool(gone)

    def entry(self, mark: int) -> Entry | None:
        """The picture of a mark."""
        with self._open() as base:
            row = base.execute(f"SELECT {COLUMNS} FROM pictures WHERE mark = ?", (mark,)).fetchone()
        return None if row is None else Entry(*(*row[:-1], bool(row[-1])))

    def __len__(self) -> int:
        with self._open() as base:
            return int(base.execute("SELECT COUNT(*) FROM pictures").fetchone()[0])

    def _refresh(self) -> None:
        """Brings the columns in memory up to date: new rows are added, and after a deletion all are read anew."""
        with self._open() as base:
            forgotten = int(base.execute("SELECT COUNT(*) FROM forgotten").fetchone()[0])
            if forgotten != self._forgotten:
                self._seen, self._forgotten = 0, forgotten
                self._columns, self._owners = np.zeros((4, 0), np.uint64), np.zeros(0, np.int64)
                self._marks, self._symbols = np.zeros(0, np.int64), np.zeros((0, 4), np.int64)
            rows = base.execute("SELECT place, mark, quality, bits FROM looks WHERE place > ? ORDER BY place", (self._seen,)).fetchall()
        if not rows:
            return
        self._seen = rows[-1][0]
        fresh = np.unique([row[1] for row in rows])
        fresh = fresh[~np.isin(fresh, self._marks)]
        self._marks = np.concatenate([self._marks, fresh])
        self._symbols = np.concatenate([self._symbols, symbols(fresh.tolist())])
        clear = [row for row in rows if row[2] >= QUALITY]
        bits = np.frombuffer(b"".join(row[3] for row in clear), np.uint64).reshape(-1, 4)
        self._columns = np.ascontiguousarray(np.concatenate([self._columns, bits.T], axis=1))
        self._owners = np.concatenate([self._owners, np.array([row[1] for row in clear], np.int64)])

    def known(self) -> Known:
        """All marks that were given out, for reading faint ones."""
        with self._lock:
            self._refresh()
            return Known(self._marks.astype(np.uint64), self._symbols)

    def sides(self) -> list[int]:
        """Shorter sides in pixels of the pictures that were given out, most frequent first."""
        with self._open() as base:
            rows = base.execute("SELECT MIN(width, height), COUNT(*) FROM pictures GROUP BY 1 ORDER BY 2 DESC LIMIT 8").fetchall()
        return [int(row[0]) for row in rows]

    def alike(self, turns: Sequence[Look], within: int = ALIKE, most: int = 5) -> list[Alike]:
        """Pictures of our own within so many bits of any of the eight turns, nearest first; none for a picture with nothing in it."""
        with self._lock:
            self._refresh()
            columns, owners = self._columns, self._owners
        best: dict[int, tuple[int, int]] = {}
        for turn, look in enumerate(turns):
            if look.quality < QUALITY or not owners.size:
                continue
            away = distances(columns, look.bits)
            for place in np.flatnonzero(away <= within):
                mark, distance = int(owners[place]), int(away[place])
                best[mark] = min(best.get(mark, (257, 0)), (distance, turn))
        nearest = sorted((distance, turn, mark) for mark, (distance, turn) in best.items())[:most]
        found = ((self.entry(mark), distance, turn) for distance, turn, mark in nearest)
        return [Alike(entry, distance, turn) for entry, distance, turn in found if entry is not None]
