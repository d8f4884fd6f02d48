"""Conversations as an append-only tree: every ask and every answer is a turn; going back is choosing another head.

Branching is a turn with an earlier parent; regenerating is a second answer under the same parent. Nothing is overwritten, so
what someone saw is always there to go back to.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from sayso.errors import BadInput
from sayso.storage import talks
from sayso.storage.errors import NotFound
from sayso.storage.rows import Conversation, Turn
from sayso.studio.requests import Said, part_from_json, part_to_json


def line(tree: Sequence[Turn], name: str | None) -> tuple[Turn, ...]:
    """From the root to the turn `name`, oldest first; () for None. Raises NotFound."""
    by_id = {turn.id: turn for turn in tree}
    out: list[Turn] = []
    while name is not None:
        if name not in by_id:
            raise NotFound("turn", name)
        out.append(by_id[name])
        name = by_id[name].parent
    return tuple(reversed(out))


def talk(turns: Sequence[Turn]) -> tuple[Said, ...]:
    """Turns as messages; an answer that is not there yet or failed is passed over."""
    return tuple(Said(turn.role, tuple(part_from_json(part) for part in turn.parts)) for turn in turns if turn.parts)


def siblings(tree: Sequence[Turn], name: str) -> tuple[Turn, ...]:
    """All turns under the same parent as `name`, itself among them, oldest first. Raises NotFound."""
    parent = line(tree, name)[-1].parent
    return tuple(turn for turn in tree if turn.parent == parent)


def leaf(tree: Sequence[Turn], name: str) -> str:
    """The newest turn that follows from `name`: where going over to a branch leads. Raises NotFound."""
    line(tree, name)
    while children := [turn for turn in tree if turn.parent == name]:
        name = children[-1].id
    return name


def add(tx: Connection, owner: str, conversation: Conversation, parent: str | None, messages: Sequence[Said], job: str) -> str:
    """Writes what the user said after `parent` and the turn that `job` will fill; returns that turn's id."""
    for message in messages:
        parts = [part_to_json(part) for part in message.parts]
        parent = talks.append(tx, owner, conversation, parent, message.role, parts).id
    return talks.append(tx, owner, conversation, parent, "assistant", (), job).id


def asked(tree: Sequence[Turn], name: str) -> Turn:
    """The assistant's turn `name`, when it can be answered again. Raises NotFound or BadInput."""
    turn = line(tree, name)[-1]
    if turn.role != "assistant" or turn.parent is None:
        raise BadInput(f'the turn "{name[:80]}" is no answer; name one of the assistant\'s')
    return turn
