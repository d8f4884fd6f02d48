"""Finding one's pictures by the marks that they carry."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from sayso.storage import tables as t
from sayso.storage.pages import as_row
from sayso.storage.rows import StoredPicture

MOST = 500  # marks of one question


def marked(tx: Connection, owner: str, marks: Sequence[str]) -> tuple[StoredPicture, ...]:
    """Pictures of an owner whose seal is one of the marks, newest first."""
    if not marks:
        return ()
    query = (
        select(t.pictures)
        .where(t.pictures.c.owner == owner, t.pictures.c.seal.in_(list(marks)[:MOST]))
        .order_by(t.pictures.c.number.desc())
    )
    return tuple(as_row(StoredPicture, row) for row in tx.execute(query).mappings())
