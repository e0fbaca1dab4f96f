"""Long work on a terminal: a bar with a rate; elsewhere a plain line now and then."""

import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

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
from orchestration.remaining import Remaining

_LINE_EVERY_SECONDS = 10.0
_SILENT_SECONDS = 30.0
_LOOK_EVERY_SECONDS = 1.0
_LEAST_WATCHED_SECONDS = 1.0
"""What was watched for less has no pace that says anything of the rest."""


class _RateColumn(ProgressColumn):
    """How fast steps are done."""

    def render(self, task: Task) -> Text:
        return Text(pace(task.speed) if task.speed else "")


def pace(a_second: float) -> str:
    """How fast steps are done, as people say it: many a second, or seconds for one."""
    return f"{a_second:,.0f} a second" if a_second >= 1 else f"{1 / a_second:,.0f} s each"


@contextmanager
def watched(earlier: Mapping[str, float] | None = None) -> Iterator[ProgressCallback]:
    """A progress callback for this process's terminal, or for a log where there is none.

    Args:
        earlier: seconds by asset of this run, as earlier runs of the home took: from them comes
            the time left.
    """
    remaining = Remaining(earlier or {})
    if not sys.stderr.isatty():
        lines = _PlainLines(remaining)
        with lines.reminding():
            yield lines.report
        return
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _Bars(progress, remaining).report


class _Bars:
    """One bar per piece of work; a finished one disappears."""

    def __init__(self, progress: Progress, remaining: Remaining) -> None:
        self._progress = progress
        self._remaining = remaining
        self._tasks: dict[str, TaskID] = {}

    def report(self, work: str, done: int, total: int | None) -> None:
        if total is not None and done >= total:
            self._remaining.passed(work)
            if work in self._tasks:
                self._progress.remove_task(self._tasks.pop(work))
            return
        if work not in self._tasks:
            self._tasks[work] = self._progress.add_task(work, total=total)
        left = self._remaining.said()
        described = f"{work} ({left})" if left else work
        self._progress.update(self._tasks[work], description=described, completed=done, total=total)


class _PlainLines:
    """A line when ten seconds have passed since the last one, and when half a minute was silent."""

    def __init__(self, remaining: Remaining) -> None:
        self._remaining = remaining
        self._works: dict[str, _Work] = {}
        self._shown = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def report(self, work: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        with self._lock:
            # Last of all: what goes on is what was heard of last.
            begun = self._works.pop(work, None)
            known = _Work(now, done, done, total)
            if begun is not None:
                known = replace(begun, done=done, total=total)
            if total is None or done < total:
                self._works[work] = known
            else:
                self._remaining.passed(work)
            if begun is not None and now - self._shown >= _LINE_EVERY_SECONDS:
                self._print(work, known, now)

    @contextmanager
    def reminding(self) -> Iterator[None]:
        """While it lasts, long silent work is heard of."""
        thread = threading.Thread(target=self._remind, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _remind(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            with self._lock:
                now = time.monotonic()
                if now - self._shown >= _SILENT_SECONDS and self._works:
                    work, known = next(reversed(self._works.items()))
                    self._print(work, known, now)

    def _print(self, work: str, known: "_Work", now: float) -> None:
        self._shown = now
        said = "; ".join(filter(None, (known.said(now), self._remaining.said())))
        print(f"  {work}: {said}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class _Work:
    """How far a piece of work is, and since when it is watched.

    Attributes:
        since: of the monotonic clock, when it was first heard of.
        at_first: steps that were done by then.
        done: steps that are done now.
        total: steps; None where nobody knows.
    """

    since: float
    at_first: int
    done: int
    total: int | None

    def said(self, now: float) -> str:
        """Steps, and how fast they are done, or for how long nothing was."""
        steps, seconds = self.done - self.at_first, now - self.since
        how_far = f"{self.done:,}" + (f" of {self.total:,}" if self.total else "")
        if steps and seconds >= _LEAST_WATCHED_SECONDS:
            return f"{how_far}, {pace(steps / seconds)}"
        return f"{how_far}, {seconds:,.0f} s so far" if seconds >= 1 else how_far
