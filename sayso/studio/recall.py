"""What was said before, as messages: read from a conversation, without pictures that are no longer there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sayso.storage import talks
from sayso.storage.database import Database
from sayso.storage.errors import NotFound
from sayso.storage.rows import Job
from sayso.studio import conversation, requests
from sayso.studio.render import Pictures
from sayso.studio.requests import Ref, Said


def _is_there(pictures: Pictures, owner: str, name: str) -> bool:
    try:
        pictures.blob(owner, name)
    except NotFound:
        return False
    return True


def without_deleted(pictures: Pictures, owner: str, talk: Sequence[Said]) -> tuple[Said, ...]:
    """Messages without pictures that were deleted since, or never came."""
    names = {part.id for said in talk for part in said.parts if isinstance(part, Ref)}
    there = {name for name in names if _is_there(pictures, owner, name)}
    return tuple(replace(said, parts=tuple(p for p in said.parts if not isinstance(p, Ref) or p.id in there)) for said in talk)


def talk_of(db: Database, pictures: Pictures, job: Job) -> tuple[Said, ...]:
    """The messages that a job answers. Raises NotFound when its conversation was deleted."""
    if job.conversation is None or job.turn is None:
        return requests.from_json(job.request).messages
    with db.read() as tx:
        tree = talks.tree(tx, job.conversation)
    return without_deleted(pictures, job.owner, conversation.talk(conversation.line(tree, job.turn)[:-1]))
