"""Taking a turn out of a conversation with all that followed from it: turns, jobs, pictures and uploads that nothing else shows."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from sayso.jobs.queue import Queue
from sayso.storage import library, talks
from sayso.storage.errors import NotFound
from sayso.storage.rows import Turn
from sayso.studio import conversation as talking


def prune(queue: Queue, tx: Connection, owner: str, conversation: str, turn: str) -> list[str]:
    """Deletes the turn and its descendants; running jobs of theirs are dropped. Returns blobs to collect. Raises NotFound.

    A picture stays when a turn elsewhere shows it. What was made by hand of pictures that go, goes with them.
    """
    place, tree = talks.get(tx, owner, conversation), talks.tree(tx, conversation)
    gone = _descent(tree, turn)
    jobs = [row.job for row in gone if row.job is not None]
    uploads = queue.masks(tx, owner, jobs) | {name for name in _shown(gone) if name.startswith("file-")}
    drawn = library.drawn_by(tx, owner, jobs)
    drawn += library.by_hand(tx, owner, conversation, drawn)
    talks.drop_turns(tx, owner, place, [row.id for row in gone], _next(tree, gone, place.head))
    shown = talks.shown(tx, owner, [*drawn, *uploads])
    loose = library.drop_pictures(tx, owner, [name for name in drawn if name not in shown])
    library.let_go(tx, owner, [name for name in drawn if name in shown])
    for name in sorted(uploads - shown):
        try:
            loose += library.drop_file(tx, owner, name)
        except NotFound:
            continue  # it was deleted, or its time was over
    for job in jobs:
        loose += queue.drop_whatever(tx, owner, job, pictures=False)
    return loose


def _descent(tree: Sequence[Turn], name: str) -> list[Turn]:
    """The turn and all below it, oldest first. Raises NotFound."""
    found = {talking.line(tree, name)[-1].id}
    for row in tree:  # a parent is always older than its children
        if row.parent in found:
            found.add(row.id)
    return [row for row in tree if row.id in found]


def _shown(turns: Sequence[Turn]) -> set[str]:
    return {part["picture"] for row in turns for part in row.parts if "picture" in part}


def _next(tree: Sequence[Turn], gone: Sequence[Turn], head: str | None) -> str | None:
    """Where the conversation stands afterwards: where it stood, else the end of the branch beside, else what came before."""
    lost: Collection[str] = {row.id for row in gone}
    if head not in lost:
        return head
    rest = [row for row in tree if row.id not in lost]
    beside = [row.id for row in rest if row.parent == gone[0].parent]
    return talking.leaf(rest, beside[-1]) if beside else gone[0].parent
