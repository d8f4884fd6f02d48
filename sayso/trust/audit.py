"""The audit log: one line of JSON for each decision and each failure of a safeguard. It holds no prompt and no pixel.

Lines are appended in one write each, so that several processes may share the file; it is readable by its owner alone.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from sayso.errors import CannotWrite


class Audit:
    """Appends to `path`; the folder and the file are made by the first line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, what: str, facts: Mapping[str, object]) -> None:
        """One line: the time in UTC, what happened, and the facts. Raises CannotWrite when it cannot be written."""
        line = {"time": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"), "what": what, **facts}
        data = (json.dumps(line, ensure_ascii=False, default=str) + "\n").encode("utf-8", "backslashreplace")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, data)
            finally:
                os.close(handle)
        except OSError as error:
            told = f'the audit log "{self.path}" cannot be written ({error.strerror}); set SAYSO_HOME to another folder'
            raise CannotWrite(told) from error

    def lines(self) -> Iterator[dict[str, object]]:
        """What was written, oldest first."""
        if self.path.exists():
            with self.path.open(encoding="utf-8") as file:
                for line in file:
                    yield json.loads(line)
