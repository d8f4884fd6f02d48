"""Conversations and their turns: a tree that only grows, until a branch or the whole of it is deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, String, and_, cast, delete, insert, or_, select, update

from sayso.errors import BadInput
from sayso.storage import search
from sayso.storage import tables as t
from sayso.storage.errors import NotFound
from sayso.storage.pages import MOST, as_row, new_id, now
from sayso.storage.rows import Conversation, Page, Turn

TITLE = 300
OPENING = 80  # characters of the first words that become a title


def create(tx: Connection, owner: str, title: str, metadata: Mapping[str, str]) -> Conversation:
    made = Conversation(new_id("conv_"), owner, title[:TITLE], now(), now(), None, dict(metadata))
    tx.execute(insert(t.conversations).values({c.name: getattr(made, c.name) for c in t.conversations.c}))
    search.add(tx, owner, "conversation", made.id, title)
    return made


def get(tx: Connection, owner: str, name: str) -> Conversation:
    row = tx.execute(select(t.conversations).where(t.conversations.c.id == name, t.conversations.c.owner == owner)).mappings().first()
    if row is None:
        raise NotFound("conversation", name)
    return as_row(Conversation, row)


def find(tx: Connection, owner: str, words: str, cursor: str | None, limit: int) -> Page[Conversation]:
    """Newest change first."""
    c = t.conversations
    query = select(c).where(c.c.owner == owner)
    selections = search.matching(owner, "conversation", words)
    if words.strip() and not selections:
        return Page((), None)
    for ids in selections:
        query = query.where(c.c.id.in_(ids))
    if cursor is not None:
        last = tx.execute(select(c.c.updated).where(c.c.id == cursor, c.c.owner == owner)).scalar()
        if last is None:
            raise BadInput(f'the cursor "{cursor[:80]}" is none of ours; begin without one')
        query = query.where(or_(c.c.updated < last, and_(c.c.updated == last, c.c.id < cursor)))
    limit = max(1, min(limit, MOST))
    rows = tx.execute(query.order_by(c.c.updated.desc(), c.c.id.desc()).limit(limit + 1)).mappings().all()
    kept = rows[:limit]
    return Page(tuple(as_row(Conversation, row) for row in kept), str(kept[-1]["id"]) if len(rows) > limit else None)


def change(tx: Connection, owner: str, name: str, title: str | None, metadata: Mapping[str, str] | None, head: str | None) -> Conversation:
    """Raises NotFound, also for a head that is no turn of this conversation."""
    get(tx, owner, name)
    values: dict[str, Any] = {"updated": now()}
    if title is not None:
        values["title"] = title[:TITLE]
    if metadata is not None:
        values["metadata"] = dict(metadata)
    if head is not None:
        values["head"] = turn(tx, name, head).id
    tx.execute(update(t.conversations).where(t.conversations.c.id == name).values(values))
    if title is not None:
        search.add(tx, owner, "conversation", name, title)
    return get(tx, owner, name)


def turn(tx: Connection, conversation: str, name: str) -> Turn:
    row = tx.execute(select(t.turns).where(t.turns.c.id == name, t.turns.c.conversation == conversation)).mappings().first()
    if row is None:
        raise NotFound("turn", name)
    return as_row(Turn, row)


def append(
    tx: Connection,
    owner: str,
    conversation: Conversation,
    parent: str | None,
    role: str,
    parts: Sequence[Mapping[str, str]],
    job: str | None = None,
) -> Turn:
    """A new turn after `parent` (None: a new root); it becomes the head. The first words said become the title."""
    made = Turn(new_id("turn_"), conversation.id, parent, role, tuple(parts), now(), job)  # type: ignore[arg-type]
    tx.execute(
        insert(t.turns).values({c.name: getattr(made, c.name) for c in t.turns.c if c.name != "number"} | {"parts": list(made.parts)})
    )
    values: dict[str, Any] = {"head": made.id, "updated": now()}
    said = " ".join(part["text"] for part in parts if "text" in part).strip()
    known = tx.scalar(select(t.conversations.c.title).where(t.conversations.c.id == conversation.id))
    if role == "user" and said and not known:
        whole = " ".join(said.split())
        values["title"] = whole if len(whole) <= OPENING else f"{whole[: OPENING - 1].rstrip()}…"
    tx.execute(update(t.conversations).where(t.conversations.c.id == conversation.id).values(values))
    if said:
        search.add(tx, owner, "conversation", conversation.id, said)
    return made


def fill(tx: Connection, owner: str, name: str, parts: Sequence[Mapping[str, str]]) -> None:
    """What the assistant said and drew in a turn that a job was to fill; done once, with the job's end."""
    row = tx.execute(select(t.turns.c.conversation).where(t.turns.c.id == name)).first()
    if row is None:
        return  # the conversation was deleted meanwhile
    tx.execute(update(t.turns).where(t.turns.c.id == name).values(parts=list(parts)))
    tx.execute(update(t.conversations).where(t.conversations.c.id == row[0]).values(updated=now()))
    if said := " ".join(part["text"] for part in parts if "text" in part):
        search.add(tx, owner, "conversation", row[0], said)


def tree(tx: Connection, conversation: str) -> tuple[Turn, ...]:
    rows = tx.execute(select(t.turns).where(t.turns.c.conversation == conversation).order_by(t.turns.c.number)).mappings()
    return tuple(as_row(Turn, row) for row in rows)


def drop_turns(tx: Connection, owner: str, conversation: Conversation, names: Sequence[str], head: str | None) -> None:
    """These turns go, with the words that only they said; an empty conversation loses its title, which was its first words."""
    tx.execute(delete(t.turns).where(t.turns.c.conversation == conversation.id, t.turns.c.id.in_(names)))
    rest = tree(tx, conversation.id)
    title = conversation.title if rest else ""
    tx.execute(update(t.conversations).where(t.conversations.c.id == conversation.id).values(head=head, title=title, updated=now()))
    search.forget(tx, conversation.id)
    for said in (title, *(part["text"] for turn in rest for part in turn.parts if "text" in part)):
        search.add(tx, owner, "conversation", conversation.id, said)


def shown(tx: Connection, owner: str, names: Sequence[str]) -> set[str]:
    """Those of the pictures and uploads that some turn of this owner shows."""
    mine = select(t.conversations.c.id).where(t.conversations.c.owner == owner)
    found = set()
    for name in names:
        held = cast(t.turns.c.parts, String).contains(name, autoescape=True)
        if tx.execute(select(t.turns.c.id).where(t.turns.c.conversation.in_(mine), held).limit(1)).first() is not None:
            found.add(name)
    return found


def drop(tx: Connection, name: str) -> None:
    """The conversation and its turns; jobs and pictures are the caller's."""
    tx.execute(delete(t.turns).where(t.turns.c.conversation == name))
    tx.execute(delete(t.conversations).where(t.conversations.c.id == name))
    search.forget(tx, name)
