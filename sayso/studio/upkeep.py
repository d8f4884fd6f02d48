"""Beginning, looking after and ending: migrations, what a crash left, old logs, room on the disk, readiness."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from sqlalchemy import text

from sayso.errors import SaysoError
from sayso.jobs.keeper import Keeper
from sayso.jobs.queue import Queue
from sayso.jobs.worker import Workers
from sayso.storage import library
from sayso.storage.blobs import Alone
from sayso.storage.errors import StorageFull
from sayso.storage.shelf import Shelf
from sayso.studio.settings import Settings

LOG = logging.getLogger("sayso.studio")
EVERY_SECONDS = 60.0
SWEEP_SECONDS = 3600.0
ROOM_SECONDS = 1.0  # how long a look at the free space is good for


class Upkeep:
    """`folder`: where this server's data lie; the first process there may clean up without waiting."""

    def __init__(self, settings: Settings, folder: Path, queue: Queue, shelf: Shelf, keeper: Keeper, workers: Workers):
        self.settings, self.folder = settings, folder
        self.queue, self.shelf, self.keeper, self.workers = queue, shelf, keeper, workers
        self._stop = threading.Event()
        self._alone: Alone | None = None
        self._threads: list[threading.Thread] = []
        self._free: tuple[float, int | None] = (0.0, None)
        self._broken: str | None = None  # why the default engine could not be loaded

    def start(self) -> None:
        """Raises BadInput, StorageFull or CannotWrite."""
        self.queue.db.migrate()
        self._alone = Alone(self.folder)
        if self._alone.first:
            self.queue.recover(self.workers.host)
            self.shelf.sweep(0.0)
            self._alone.share()
        self.workers.start()
        self._threads = [threading.Thread(target=self._keep, name="sayso-upkeep", daemon=True)]
        if self.settings.workers and self.settings.preload:
            self._threads.append(threading.Thread(target=self._load, name="sayso-load", daemon=True))
        for thread in self._threads:
            thread.start()

    def stop(self, seconds: float) -> None:
        self._stop.set()
        self.workers.stop(seconds)
        self.queue.hub.stop()
        for thread in self._threads:
            thread.join(timeout=30)
        self.queue.db.close()
        if self._alone is not None:
            self._alone.close()

    def _load(self) -> None:
        try:
            self.keeper.engine(self.settings.engine)
        except Exception as error:
            self._broken = str(error) if isinstance(error, SaysoError) else type(error).__name__
            LOG.exception("the default engine cannot be loaded")

    def check_room(self) -> None:
        """Raises StorageFull when too little of the disk is free for another picture."""
        at, free = self._free
        if time.monotonic() - at > ROOM_SECONDS:
            free = self.shelf.blobs.free()
            self._free = (time.monotonic(), free)
        if free is not None and free < self.settings.free_mb * 2**20:
            raise StorageFull(f"less than {self.settings.free_mb} MB of the disk are free; free some space and try again")

    def ready(self) -> str | None:
        try:
            with self.queue.db.read() as tx:
                tx.execute(text("SELECT 1"))
            self.check_room()
        except SaysoError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - any reason is a reason
            return f"the database does not answer ({type(error).__name__})"
        if self.workers.full:
            return "the disk is full"
        if self._stop.is_set():
            return "it is stopping"
        return f"the engine {self.settings.engine} cannot be loaded: {self._broken}" if self._broken else None

    def _keep(self) -> None:
        swept = time.monotonic()
        while not self._stop.wait(EVERY_SECONDS):
            try:
                self.once()
                if time.monotonic() - swept > SWEEP_SECONDS:
                    self.shelf.sweep()
                    swept = time.monotonic()
            except Exception as error:  # noqa: BLE001 - the next round may come through
                LOG.warning("upkeep failed and is tried again", extra={"error": type(error).__name__})

    def once(self) -> None:
        """Forgets what is old."""
        loose = self.queue.forget_old(self.settings.keep_events_hours * 3600, self.settings.idempotency_hours * 3600)
        with self.queue.db.write() as tx:
            loose += library.drop_expired(tx)
        if loose:
            self.shelf.collect(loose)
            self.queue.db.tidy()
        if not self.settings.workers:
            self.queue.recover()
