"""Small things that all keepers share: ids, cursors, rows to dataclasses."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, Table, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import RowMapping

from sayso.errors import BadInput
from sayso.storage.rows import Page

Row = TypeVar("Row")
MOST = 1000


def new_id(prefix: str) -> str:
    """`prefix_` and 24 random bytes in hex: not to be guessed."""
    return f"{prefix}{secrets.token_hex(24)}"


def now() -> float:
    return time.time()


def upsert(tx: Connection, table: Table) -> Any:
    """An insert statement that knows what to do about rows that are there already."""
    return (sqlite_insert if tx.dialect.name == "sqlite" else postgresql_insert)(table)


def put(tx: Connection, table: Table, values: Mapping[str, Any], keys: Sequence[str], change: Mapping[str, Any]) -> None:
    """Inserts a row, or changes the one that has the same `keys`; nothing when `change` is empty."""
    statement = upsert(tx, table).values(**values)
    tx.execute(
        statement.on_conflict_do_update(index_elements=list(keys), set_=dict(change))
        if change
        else statement.on_conflict_do_nothing(index_elements=list(keys))
    )


def as_row(kind: type[Row], row: Mapping[str, Any] | RowMapping) -> Row:
    """A database row as its dataclass; columns that it has no field for are left out, lists become tuples."""
    values = {f.name: row[f.name] for f in fields(kind) if f.name in row}  # type: ignore[arg-type]
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def page(
    tx: Connection,
    query: Select[Any],
    table: Table,
    owner: str,
    cursor: str | None,
    limit: int,
    make: Callable[[RowMapping], Row],
    ascending: bool = False,
) -> Page[Row]:
    """Rows after the one whose id is `cursor`, newest first unless `ascending`. Raises BadInput for a cursor that is none."""
    number: ColumnElement[int] = table.c.number
    if cursor is not None:
        last = tx.scalar(select(number).where(table.c.id == cursor, table.c.owner == owner))
        if last is None:
            raise BadInput(f'the cursor "{cursor[:80]}" is none of ours; begin without one')
        query = query.where(number > last if ascending else number < last)
    limit = max(1, min(limit, MOST))
    found = tx.execute(query.order_by(number.asc() if ascending else number.desc()).limit(limit + 1)).mappings().all()
    kept = found[:limit]
    return Page(tuple(make(row) for row in kept), str(kept[-1]["id"]) if len(found) > limit else None)
