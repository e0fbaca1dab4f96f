"""Long work on a terminal: a bar with a rate; elsewhere a plain line now and then."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from crossmodal.workspace import ProgressCallback

_LINE_EVERY_SECONDS = 10.0


class _RateColumn(ProgressColumn):
    """How fast steps are done."""

    def render(self, task: Task) -> Text:
        return Text(pace(task.speed) if task.speed else "")


def pace(a_second: float) -> str:
    """How fast steps are done, as people say it: many a second, or seconds for one."""
    return f"{a_second:,.0f} a second" if a_second >= 1 else f"{1 / a_second:,.0f} s each"


@contextmanager
def watched() -> Iterator[ProgressCallback]:
    """A progress callback for this process's terminal, or for a log where there is none."""
    if not sys.stderr.isatty():
        yield _PlainLines().report
        return
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bars(progress).report


class _Bars:
    """One bar per piece of work; a finished one disappears."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def report(self, work: str, done: int, total: int | None) -> None:
        if work not in self._tasks:
            self._tasks[work] = self._progress.add_task(work, total=total)
        task = self._tasks[work]
        self._progress.update(task, completed=done, total=total)
        if total is not None and done >= total:
            self._progress.remove_task(self._tasks.pop(work))


class _PlainLines:
    """A line when ten seconds have passed since the last one."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}
        self._shown = time.monotonic()

    def report(self, work: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        started = self._started.setdefault(work, now)
        if now - self._shown < _LINE_EVERY_SECONDS or now == started:
            return
        self._shown = now
        of_total = f" of {total:,}" if total else ""
        how_fast = f", {pace(done / (now - started))}" if done else ""
        print(f"  {work}: {done:,}{of_total}{how_fast}", file=sys.stderr, flush=True)
