"""Engines in memory: loaded when needed, unloaded to make room, each drawing for as many at once as it can."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sayso.errors import Unknown
from sayso.storage.errors import Conflict
from sayso.types import Engine

LOG = logging.getLogger("sayso.jobs")
STATM = Path("/proc/self/statm")


def resident() -> int:
    """Bytes of memory this process occupies now; 0 where the system does not say."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


@dataclass
class Place:
    engine: Engine | None = None
    bytes: int = 0  # measured when it was last loaded
    users: int = 0
    used: float = 0.0
    loading: threading.Lock = field(default_factory=threading.Lock)


class Keeper:
    """`loaders`: name → what loads that engine. `budget`: bytes that loaded engines may take together, 0 = any.

    An engine may say how much it takes (`bytes`), for how many it can draw at once (`parallel`, else 1), and let go (`close`).
    """

    def __init__(self, loaders: Mapping[str, Callable[[], Engine]], budget: int):
        self.loaders, self.budget = dict(loaders), budget
        self._places = {name: Place() for name in loaders}
        self._lock = threading.RLock()

    def reserve(self, name: str) -> bool:
        """Takes one of an engine's seats, if one is free; `leave` gives it back."""
        with self._lock:
            place = self._places[name]
            if place.users >= int(getattr(place.engine, "parallel", 1)):
                return False
            place.users += 1
            return True

    def leave(self, name: str) -> None:
        with self._lock:
            self._places[name].users -= 1
            self._places[name].used = time.monotonic()

    def free(self) -> list[str]:
        """Engines with a seat."""
        with self._lock:
            return [name for name, place in self._places.items() if place.users < int(getattr(place.engine, "parallel", 1))]

    def engine(self, name: str) -> Engine:
        """The engine, loaded if it was not. Raises Unknown, BadWeights or CannotDo."""
        if name not in self._places:
            raise Unknown("engine", name, tuple(self._places))
        place = self._places[name]
        with place.loading:
            if place.engine is None:
                self._make_room(place.bytes, name)
                before = resident()
                engine = self.loaders[name]()
                place.bytes = int(getattr(engine, "bytes", 0)) or max(0, resident() - before)
                with self._lock:
                    place.engine, place.used = engine, time.monotonic()
                LOG.info("engine loaded", extra={"engine": name, "megabytes": place.bytes >> 20})
                self._make_room(0, name)
            return place.engine

    def loaded(self, name: str) -> Engine | None:
        """The engine if it is in memory."""
        place = self._places.get(name)
        return None if place is None else place.engine

    def _make_room(self, wanted: int, but: str) -> None:
        """Unloads idle engines, those unused longest first, until `wanted` bytes more fit."""
        while self.budget:
            with self._lock:
                taken = sum(place.bytes for place in self._places.values() if place.engine is not None)
                idle = sorted((place.used, name) for name, place in self._places.items()
                              if place.engine is not None and not place.users and name != but)
                if taken + wanted <= self.budget:
                    return
                if not idle:
                    LOG.warning("engines take more memory than they should", extra={"megabytes": (taken + wanted) >> 20})
                    return
                name = idle[0][1]
                self._drop(name)
            LOG.info("engine unloaded", extra={"engine": name})

    def _drop(self, name: str) -> None:
        engine, self._places[name].engine = self._places[name].engine, None
        close = getattr(engine, "close", None)
        if close is not None:
            close()
        del engine
        gc.collect()

    def unload(self, name: str) -> None:
        """Raises Unknown, or Conflict while it draws."""
        if name not in self._places:
            raise Unknown("engine", name, tuple(self._places))
        with self._lock:
            if self._places[name].users:
                raise Conflict(f'the engine "{name}" is drawing; wait until it is idle')
            if self._places[name].engine is not None:
                self._drop(name)

    def state(self, name: str) -> tuple[bool, bool, int]:
        """(loaded, busy, bytes while loaded)."""
        with self._lock:
            place = self._places[name]
            return place.engine is not None, place.users > 0, place.bytes if place.engine is not None else 0
