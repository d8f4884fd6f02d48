"""The part of the studio that keeps conversations: trees of turns. Every call is one owner's; see `service`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from sayso.storage import talks
from sayso.storage.rows import Conversation, Key, Page, Turn
from sayso.studio import conversation as talking
from sayso.studio.pruning import prune
from sayso.studio.rooms import Desk


class Places(Desk):
    def create_conversation(self, owner: Key, title: str = "", metadata: Mapping[str, str] | None = None) -> Conversation:
        with self.db.write() as tx:
            return talks.create(tx, owner.id, title, metadata or {})

    def conversation(self, owner: Key, conversation: str) -> Conversation:
        with self.db.read() as tx:
            return talks.get(tx, owner.id, conversation)

    def conversations(self, owner: Key, words: str = "", *, cursor: str | None = None, limit: int = 50) -> Page[Conversation]:
        """Newest change first; `words` are looked for in titles and in what was said."""
        with self.db.read() as tx:
            return talks.find(tx, owner.id, words, cursor, limit)

    def change_conversation(
        self, owner: Key, conversation: str, *, title: str | None = None, metadata: Mapping[str, str] | None = None, head: str | None = None
    ) -> Conversation:
        """Renames it, or goes back to (or over to) the turn `head`."""
        with self.db.write() as tx:
            return talks.change(tx, owner.id, conversation, title, metadata, head)

    def delete_conversation(self, owner: Key, conversation: str, pictures: bool = True) -> None:
        """Turns, jobs and logs, with their pictures when told so. Running jobs of it are cancelled."""
        with self.db.write() as tx:
            talks.get(tx, owner.id, conversation)
            loose = self.queue.drop_of_conversation(tx, owner.id, conversation, pictures)
            talks.drop(tx, conversation)
        self._gone(loose)

    def delete_turn(self, owner: Key, conversation: str, turn: str) -> None:
        """The turn and everything that followed from it, with its pictures and uploads unless a turn elsewhere shows them."""
        with self.db.write() as tx:
            loose = prune(self.queue, tx, owner.id, conversation, turn)
        self._gone(loose)

    def turns(self, owner: Key, conversation: str, turn: str | None = None) -> tuple[Turn, ...]:
        """From the root to `turn` (None = the head), oldest first."""
        place = self.conversation(owner, conversation)
        return talking.line(self.tree(owner, conversation), turn or place.head)

    def tree(self, owner: Key, conversation: str) -> tuple[Turn, ...]:
        """All turns of all branches, oldest first."""
        with self.db.read() as tx:
            talks.get(tx, owner.id, conversation)
            return talks.tree(tx, conversation)

    def append(
        self,
        owner: Key,
        conversation: str,
        role: Literal["user", "assistant"],
        parts: tuple[Mapping[str, str], ...],
        parent: str | None = None,
    ) -> Turn:
        """Puts a turn after `parent` (None = the head) without a job; it becomes the head."""
        for part in parts:
            if "picture" in part:
                self.rooms.pictures.blob(owner.id, part["picture"])
        with self.db.write() as tx:
            place = talks.get(tx, owner.id, conversation)
            after = talks.turn(tx, conversation, parent).id if parent is not None else place.head
            return talks.append(tx, owner.id, place, after, role, parts)
