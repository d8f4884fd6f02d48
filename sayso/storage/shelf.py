"""Blobs and who needs them: a file stays while something holds it and goes with the last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, delete, select

from sayso.storage import tables as t
from sayso.storage.blobs import Blobs
from sayso.storage.database import Database
from sayso.storage.pages import put

PATIENCE = 3600.0  # seconds that another process may take between writing a file and holding it
CHUNK = 500


class Shelf:
    def __init__(self, db: Database, blobs: Blobs):
        self.db, self.blobs = db, blobs

    @contextmanager
    def storing(self, *datas: bytes) -> Iterator[tuple[Connection, tuple[str, ...]]]:
        """Writes files, then a transaction in which the caller holds them; yields (transaction, names).

        When the transaction fails the files go again, unless something else holds them.
        """
        names: list[str] = []
        try:
            for data in datas:
                names.append(self.blobs.put(data))
            with self.db.write() as tx:
                yield tx, tuple(names)
        except BaseException:
            self.collect(names)
            raise
        for name, data in zip(names, datas, strict=True):
            if not self.blobs.has(name):  # a deletion of the same bytes came between writing and holding
                self.blobs.put(data)

    def collect(self, names: Iterable[str]) -> None:
        """Removes the files that nothing holds any more; call it after the transaction that let go of them."""
        wanted = sorted(set(names))
        for start in range(0, len(wanted), CHUNK):
            chunk = wanted[start:start + CHUNK]
            with self.db.write(durable=False) as tx:
                self.db.alone(tx)
                held = set(tx.scalars(select(t.uses.c.blob).where(t.uses.c.blob.in_(chunk))))
                for name in chunk:
                    if name not in held:
                        self.blobs.delete(name)

    def sweep(self, older: float = PATIENCE) -> int:
        """Removes files that nothing holds and leftovers of writing, untouched for `older` seconds; how many files went."""
        loose: list[str] = []
        chunk: list[str] = []
        for name in self.blobs.names(older):
            chunk.append(name)
            if len(chunk) == CHUNK:
                loose += self._loose(chunk)
                chunk = []
        loose += self._loose(chunk)
        self.collect(loose)
        return len(loose)

    def _loose(self, chunk: list[str]) -> list[str]:
        with self.db.read() as tx:
            held = set(tx.scalars(select(t.uses.c.blob).where(t.uses.c.blob.in_(chunk)))) if chunk else set()
        return [name for name in chunk if name not in held]


def hold(tx: Connection, name: str, holder: str) -> None:
    """`holder` needs the file from now on."""
    put(tx, t.uses, {"blob": name, "holder": holder}, ("blob", "holder"), {})


def release(tx: Connection, holder: str) -> list[str]:
    """`holder` needs nothing any more; the names to `collect` after the transaction."""
    names = list(tx.scalars(select(t.uses.c.blob).where(t.uses.c.holder == holder)))
    tx.execute(delete(t.uses).where(t.uses.c.holder == holder))
    return names
