"""What a studio is built from, and the desk that all its parts work at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sayso.jobs.keeper import Keeper
from sayso.jobs.queue import Queue
from sayso.jobs.worker import Workers
from sayso.storage.database import Database
from sayso.storage.shelf import Shelf
from sayso.studio.director import Director
from sayso.studio.door import Door
from sayso.studio.limits import Gate
from sayso.studio.metrics import Metrics
from sayso.studio.render import Pictures, Render
from sayso.studio.settings import Settings
from sayso.studio.upkeep import Upkeep


@dataclass(frozen=True)
class Rooms:
    """What a studio is built from; see `assembly.build`."""

    settings: Settings
    db: Database
    shelf: Shelf
    queue: Queue
    keeper: Keeper
    workers: Workers
    render: Render
    pictures: Pictures
    director: Director
    door: Door
    gate: Gate
    metrics: Metrics
    upkeep: Upkeep


class Desk:
    """The rooms at hand."""

    def __init__(self, rooms: Rooms):
        self.rooms = rooms
        self.settings: Settings = rooms.settings
        self.db, self.shelf, self.queue = rooms.db, rooms.shelf, rooms.queue

    def _gone(self, loose: Sequence[str]) -> None:
        """After a deletion: the files that nothing holds any more go, and so does what memory and logs still have."""
        self.rooms.pictures.forget()
        self.shelf.collect(loose)
        self.db.tidy()
