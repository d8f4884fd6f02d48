"""Everything of one owner: taking it along, and deleting it for good."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, Table, delete, select

from sayso.storage import tables as t
from sayso.storage.errors import NotFound
from sayso.storage.shelf import Shelf

OWNED = (t.conversations, t.pictures, t.files, t.documents, t.jobs)
SUFFIX = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "image/avif": "avif", "image/gif": "gif"}
CHUNK = 500


class _Pipe(io.RawIOBase):
    """What a ZIP writes, to be taken out piece by piece; it cannot seek, so the ZIP is written in one pass."""

    def __init__(self) -> None:
        self.waiting = bytearray()
        self.at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting += data
        self.at += len(data)
        return len(data)

    def tell(self) -> int:
        return self.at

    def take(self) -> bytes:
        out, self.waiting = bytes(self.waiting), bytearray()
        return out


def _selections(owner: str) -> list[tuple[str, Select[Any]]]:
    mine = select(t.conversations.c.id).where(t.conversations.c.owner == owner)
    out: list[tuple[str, Select[Any]]] = [(table.name, select(table).where(table.c.owner == owner)) for table in OWNED]
    out.append(("turns", select(t.turns).where(t.turns.c.conversation.in_(mine))))
    return out


def export(shelf: Shelf, owner: str) -> Iterator[bytes]:
    """A ZIP in pieces: rows/*.jsonl with every row, pictures/ and files/ with every file."""
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for name, query in _selections(owner):
            with shelf.db.read() as tx:
                rows = [json.dumps(dict(row), ensure_ascii=False) for row in tx.execute(query).mappings()]
            archive.writestr(f"rows/{name}.jsonl", "\n".join(rows) + "\n" * bool(rows))
            yield pipe.take()
        for table, folder in ((t.pictures, "pictures"), (t.files, "files")):
            with shelf.db.read() as tx:
                found = tx.execute(select(table.c.id, table.c.blob, table.c.media_type).where(table.c.owner == owner)).all()
            for name, blob, media in found:
                try:
                    archive.writestr(f"{folder}/{name}.{SUFFIX.get(media, 'bin')}", shelf.blobs.get(blob))
                except NotFound:
                    continue  # deleted while we were on the way
                yield pipe.take()
    yield pipe.take()


def erase(shelf: Shelf, owner: str) -> None:
    """Rows, words, logs, counts and files of an owner. What a worker still draws for it finds its job gone and is dropped."""
    loose: list[str] = []
    with shelf.db.write() as tx:
        holders = [f"job:{name}" for name in tx.scalars(select(t.jobs.c.id).where(t.jobs.c.owner == owner))]
        holders += [f"picture:{name}" for name in tx.scalars(select(t.pictures.c.id).where(t.pictures.c.owner == owner))]
        holders += [f"file:{name}" for name in tx.scalars(select(t.files.c.id).where(t.files.c.owner == owner))]
        for start in range(0, len(holders), CHUNK):
            chunk = holders[start:start + CHUNK]
            loose += list(tx.scalars(select(t.uses.c.blob).where(t.uses.c.holder.in_(chunk))))
            tx.execute(delete(t.uses).where(t.uses.c.holder.in_(chunk)))
        tx.execute(delete(t.events).where(t.events.c.job.in_(select(t.jobs.c.id).where(t.jobs.c.owner == owner))))
        mine = select(t.conversations.c.id).where(t.conversations.c.owner == owner)
        tx.execute(delete(t.turns).where(t.turns.c.conversation.in_(mine)))
        tables: tuple[Table, ...] = (*OWNED, t.words, t.days, t.served)
        for table in tables:
            tx.execute(delete(table).where(table.c.owner == owner))
    shelf.collect(loose)
    shelf.db.tidy()
