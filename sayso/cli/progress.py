"""What a person sees on standard error while waiting: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PLAIN_SECONDS = 2.0  # between two plain lines


class Progress:
    """Shows loading, steps with the time left, and remarks. A context manager."""

    def __init__(self) -> None:
        self.bar: Bar | None = None
        self.started = 0.0
        self.last = 0.0

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn(),
                       TextColumn("left"), TimeRemainingColumn())
            self.bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.stop()

    def loading(self, name: str) -> None:
        if self.bar is not None:
            self.bar.add_task(f"loading {name}", total=None, count="")

    def drawing(self) -> None:
        self.started = self.last = time.monotonic()
        if self.bar is not None:
            for task in self.bar.task_ids:
                self.bar.remove_task(task)
            self.bar.add_task("drawing", total=None, count="")

    def step(self, index: int, total: int) -> None:
        """Step `index` of `total`, 1-based; an engine that draws its pictures in turn begins again at 1."""
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[-1], completed=index, total=total, count=f"step {index}/{total}")
            return
        now = time.monotonic()
        if now - self.last >= PLAIN_SECONDS and index < total:
            self.last = now
            left = (now - self.started) / index * (total - index)
            print(f"step {index}/{total}, about {left:.0f} s left", file=sys.stderr)

    def remark(self, text: str) -> None:
        """One line that stays."""
        line = " ".join(text.split())
        if self.bar is not None:
            self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            print(line, file=sys.stderr)
