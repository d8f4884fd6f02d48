"""API keys, kept as hashes, and how many pictures each made on which day."""

from __future__ import annotations

import hashlib
import secrets
import time

from sqlalchemy import Connection, insert, select, update

from sayso.storage import tables as t
from sayso.storage.errors import NotFound
from sayso.storage.pages import as_row, new_id, now, upsert
from sayso.storage.rows import Key

PREFIX = "sk-sayso-"


def _hash(secret: str) -> str:
    """A plain hash is enough: the secret is 256 random bits, not a word that someone chose."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def create(tx: Connection, name: str, admin: bool, rate: int, quota: int, expires: float | None) -> tuple[Key, str]:
    secret = PREFIX + secrets.token_urlsafe(32)
    key = Key(new_id("key_"), name[:200], secret[:13], admin, rate, quota, now(), expires)
    tx.execute(insert(t.keys).values({c.name: getattr(key, c.name) for c in t.keys.c if c.name != "hash"} | {"hash": _hash(secret)}))
    return key, secret


def find(tx: Connection, secret: str) -> Key | None:
    """The key of a secret, whatever its state; None for a strange one."""
    row = tx.execute(select(t.keys).where(t.keys.c.hash == _hash(secret))).mappings().first()
    return None if row is None else as_row(Key, row)


def every(tx: Connection) -> tuple[Key, ...]:
    return tuple(as_row(Key, row) for row in tx.execute(select(t.keys).order_by(t.keys.c.created)).mappings())


def revoke(tx: Connection, name: str) -> None:
    changed = tx.execute(update(t.keys).where(t.keys.c.id == name, t.keys.c.revoked.is_(None)).values(revoked=now()))
    if not changed.rowcount and tx.scalar(select(t.keys.c.id).where(t.keys.c.id == name)) is None:
        raise NotFound("key", name)


def day(at: float | None = None) -> str:
    """The day of a time in UTC, 2026-11-21; without one, today."""
    return time.strftime("%Y-%m-%d", time.gmtime(at))


def used(tx: Connection, owner: str, on: str) -> int:
    return tx.scalar(select(t.days.c.pictures).where(t.days.c.owner == owner, t.days.c.day == on)) or 0


def count(tx: Connection, owner: str, on: str, pictures: int) -> int:
    """Adds to a day's count (or takes back, when negative); returns the new one."""
    first = upsert(tx, t.days).values(owner=owner, day=on, pictures=max(0, pictures))
    more = first.on_conflict_do_update(index_elements=["owner", "day"], set_={"pictures": t.days.c.pictures + pictures})
    return int(tx.execute(more.returning(t.days.c.pictures)).scalar_one())
