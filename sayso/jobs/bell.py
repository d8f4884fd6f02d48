"""A bell that any number of threads listen to, none of which misses a ring."""

from __future__ import annotations

import threading


class Bell:
    """Counts its rings. Who listens keeps the count from before it looked for work, so that a ring meanwhile is not lost."""

    def __init__(self) -> None:
        self._rung = threading.Condition()
        self._count = 0

    @property
    def count(self) -> int:
        return self._count

    def ring(self) -> None:
        with self._rung:
            self._count += 1
            self._rung.notify_all()

    def wait(self, since: int, seconds: float) -> int:
        """Returns the count once it is another than `since`, or after `seconds`."""
        with self._rung:
            self._rung.wait_for(lambda: self._count != since, seconds)
            return self._count
