"""Pictures, uploaded files and documents: rows of one owner, never seen by another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, delete, insert, select, update
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError

from sayso.storage import search
from sayso.storage import tables as t
from sayso.storage.errors import NotFound
from sayso.storage.pages import as_row, now, page
from sayso.storage.rows import Document, Page, StoredFile, StoredPicture
from sayso.storage.shelf import hold, release


def _picture(row: RowMapping) -> StoredPicture:
    return as_row(StoredPicture, row)


def _file(row: RowMapping) -> StoredFile:
    return as_row(StoredFile, row)


def _document(row: RowMapping) -> Document:
    return as_row(Document, row)


def _one(tx: Connection, query: Select[Any], kind: str, name: str) -> RowMapping:
    row = tx.execute(query).mappings().first()
    if row is None:
        raise NotFound(kind, name)
    return row


def add_picture(tx: Connection, picture: StoredPicture) -> None:
    """The row, its hold on the file, and its words."""
    values = {c.name: getattr(picture, c.name) for c in t.pictures.c if c.name != "number"}
    tx.execute(insert(t.pictures).values(values | {"parents": list(picture.parents), "settings": dict(picture.settings)}))
    hold(tx, picture.blob, f"picture:{picture.id}")
    search.add(tx, picture.owner, "picture", picture.id, f"{picture.prompt} {picture.revised_prompt or ''}")


def picture(tx: Connection, owner: str, name: str) -> StoredPicture:
    return _picture(_one(tx, select(t.pictures).where(t.pictures.c.id == name, t.pictures.c.owner == owner), "picture", name))


def of_job(tx: Connection, owner: str, job: str) -> tuple[StoredPicture, ...]:
    """Those that a job has drawn, in their order."""
    p = t.pictures.c
    rows = tx.execute(select(t.pictures).where(p.job == job, p.owner == owner).order_by(p.index)).mappings()
    return tuple(_picture(row) for row in rows)


@dataclass(frozen=True)
class Sieve:
    """Which pictures: with all these words in the prompt, favourites only, of a conversation, an engine, an action, a style, a time."""

    words: str = ""
    favourites: bool = False
    conversation: str | None = None
    engine: str | None = None
    action: str | None = None
    style: str | None = None
    since: float | None = None
    until: float | None = None


def find_pictures(tx: Connection, owner: str, sieve: Sieve, cursor: str | None, limit: int) -> Page[StoredPicture]:
    """Newest first."""
    p = t.pictures.c
    query = select(t.pictures).where(p.owner == owner)
    if sieve.favourites:
        query = query.where(p.favourite)
    style = p.settings["style"].as_string()
    for column, value in ((p.conversation, sieve.conversation), (p.engine, sieve.engine), (p.action, sieve.action), (style, sieve.style)):
        if value is not None:
            query = query.where(column == value)
    if sieve.since is not None:
        query = query.where(p.created >= sieve.since)
    if sieve.until is not None:
        query = query.where(p.created < sieve.until)
    selections = search.matching(owner, "picture", sieve.words)
    if sieve.words.strip() and not selections:
        return Page((), None)
    for ids in selections:
        query = query.where(p.id.in_(ids))
    return page(tx, query, t.pictures, owner, cursor, limit, _picture)


def set_favourite(tx: Connection, owner: str, name: str, on: bool) -> StoredPicture:
    tx.execute(update(t.pictures).where(t.pictures.c.id == name, t.pictures.c.owner == owner).values(favourite=on))
    return picture(tx, owner, name)


def drawn_by(tx: Connection, owner: str, jobs: Sequence[str]) -> list[str]:
    p = t.pictures.c
    return list(tx.scalars(select(p.id).where(p.owner == owner, p.job.in_(jobs))))


def by_hand(tx: Connection, owner: str, conversation: str, parents: Sequence[str]) -> list[str]:
    """Pictures of a conversation that were made by hand of these alone, or of such ones."""
    p, known = t.pictures.c, set(parents)
    query = select(p.id, p.parents).where(p.owner == owner, p.conversation == conversation, p.job.is_(None)).order_by(p.number)
    found = []
    for name, made_of in tx.execute(query):
        if made_of and known.issuperset(made_of):
            known.add(name)
            found.append(str(name))
    return found


def let_go(tx: Connection, owner: str, names: Sequence[str]) -> None:
    """These pictures stay without the turn and the job that they came from."""
    where = (t.pictures.c.id.in_(names), t.pictures.c.owner == owner)
    tx.execute(update(t.pictures).where(*where).values(conversation=None, turn=None))


def drop_pictures(tx: Connection, owner: str, names: Iterable[str]) -> list[str]:
    """Deletes rows and words; returns blobs to collect. Names that are not there are passed over."""
    loose: list[str] = []
    for name in names:
        gone = tx.execute(delete(t.pictures).where(t.pictures.c.id == name, t.pictures.c.owner == owner)).rowcount
        if gone:
            search.forget(tx, name)
            loose += release(tx, f"picture:{name}")
    return loose


def add_file(tx: Connection, file: StoredFile) -> None:
    tx.execute(insert(t.files).values({c.name: getattr(file, c.name) for c in t.files.c if c.name != "number"}))
    hold(tx, file.blob, f"file:{file.id}")


def file(tx: Connection, owner: str, name: str) -> StoredFile:
    found = _file(_one(tx, select(t.files).where(t.files.c.id == name, t.files.c.owner == owner), "file", name))
    if found.expires is not None and found.expires < now():
        raise NotFound("file", name)
    return found


def list_files(tx: Connection, owner: str, purpose: str | None, cursor: str | None, limit: int, ascending: bool) -> Page[StoredFile]:
    query = select(t.files).where(t.files.c.owner == owner, t.files.c.expires.is_(None) | (t.files.c.expires >= now()))
    if purpose is not None:
        query = query.where(t.files.c.purpose == purpose)
    return page(tx, query, t.files, owner, cursor, limit, _file, ascending)


def drop_file(tx: Connection, owner: str, name: str) -> list[str]:
    """Raises NotFound; returns blobs to collect."""
    if not tx.execute(delete(t.files).where(t.files.c.id == name, t.files.c.owner == owner)).rowcount:
        raise NotFound("file", name)
    return release(tx, f"file:{name}")


def drop_expired(tx: Connection) -> list[str]:
    """Files and documents whose time is over; returns blobs to collect."""
    loose: list[str] = []
    for name in list(tx.scalars(select(t.files.c.id).where(t.files.c.expires < now()))):
        tx.execute(delete(t.files).where(t.files.c.id == name))
        loose += release(tx, f"file:{name}")
    tx.execute(delete(t.documents).where(t.documents.c.expires < now()))
    return loose


def put_document(tx: Connection, owner: str, kind: str, name: str, data: Mapping[str, Any], expires: float | None) -> Document:
    """Writes or overwrites. Raises NotFound for an id that is another owner's."""
    d = t.documents
    changed = tx.execute(update(d).where(d.c.kind == kind, d.c.id == name, d.c.owner == owner).values(data=dict(data), expires=expires))
    if not changed.rowcount:
        try:
            with tx.begin_nested():
                tx.execute(insert(d).values(kind=kind, id=name, owner=owner, data=dict(data), created=now(), expires=expires))
        except IntegrityError:
            raise NotFound(kind, name) from None
    return _document(_one(tx, select(d).where(d.c.kind == kind, d.c.id == name), kind, name))


def document(tx: Connection, owner: str, kind: str, name: str) -> Document:
    d = t.documents
    query = select(d).where(d.c.kind == kind, d.c.id == name, d.c.owner == owner, d.c.expires.is_(None) | (d.c.expires >= now()))
    return _document(_one(tx, query, kind, name))


def list_documents(tx: Connection, owner: str, kind: str, cursor: str | None, limit: int, ascending: bool) -> Page[Document]:
    d = t.documents
    query = select(d).where(d.c.owner == owner, d.c.kind == kind, d.c.expires.is_(None) | (d.c.expires >= now()))
    return page(tx, query, d, owner, cursor, limit, _document, ascending)


def drop_document(tx: Connection, owner: str, kind: str, name: str) -> None:
    d = t.documents
    if not tx.execute(delete(d).where(d.c.kind == kind, d.c.id == name, d.c.owner == owner)).rowcount:
        raise NotFound(kind, name)
