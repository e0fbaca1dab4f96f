"""One run, one web UI and one backup at a time in a state folder, and who it is."""

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import filelock

from crossmodal.atomic import atomic_write_bytes
from crossmodal.paths import StatePaths
from crossmodal.processes import ProcessMark

_NAMES = {"run": "run", "ui": "web UI", "backup": "backup"}
_LOOK_EVERY_SECONDS = 1.0


class HomeBusyError(RuntimeError):
    """Another command works in the same state folder; the message says which, since when."""


@dataclass(frozen=True)
class Holder:
    """Who works in a state folder.

    Attributes:
        what: for people, such as `crossmodal run`.
        run_id: of the Dagster run that it is; empty where it is no single one.
        pid: of its process.
        since: when it began to work there, in UTC and to the second (ISO 8601).
        began: when its process did, in seconds since the system did.
    """

    what: str
    run_id: str
    pid: int
    since: str
    began: float = 0.0

    @classmethod
    def this_process(cls, what: str, run_id: str = "") -> Self:
        """The holder that this process is from now on."""
        now = datetime.now(UTC).replace(tzinfo=None)
        mark = ProcessMark.of_this_process()
        return cls(what, run_id, mark.pid, now.isoformat(" ", "seconds"), mark.began)

    def lives(self) -> bool:
        """Whether the process is still there, and not another one that was given its number."""
        return ProcessMark(self.pid, self.began).lives()

    def __str__(self) -> str:
        named = f"{self.what} {self.run_id}".rstrip()
        return f"{named} (process {self.pid}), since {self.since} UTC"


@contextmanager
def home_lock(
    paths: StatePaths,
    work: str = "run",
    what: str = "",
    run_id: str = "",
    waiting: Callable[[str], None] | None = None,
    seconds: float = math.inf,
) -> Iterator[Holder | None]:
    """Keeps other processes that do the same out of the state folder.

    Args:
        paths: of the folder.
        work: `run`, `ui` or `backup`.
        what: how others name this process; by default, as the work.
        run_id: of the Dagster run that this process executes.
        waiting: called with a sentence that says for whom this process waits; without it, nothing
            waits.
        seconds: how long it waits at most.

    Yields:
        Who had the lock before and was killed, so that something may be left to clear up; None as a
        rule.

    Raises:
        HomeBusyError: another process holds the lock, and `waiting` is None or the time is over.
    """
    note = paths.home / f"{work}.lock.json"
    lock = filelock.FileLock(paths.home / f"{work}.lock")
    end = -math.inf if waiting is None else time.monotonic() + seconds
    _acquire(lock, note, f"{_NAMES[work]} works in {paths.home}", waiting, end)
    try:
        killed = _noted(note)
        holder = Holder.this_process(what or f"the {_NAMES[work]}", run_id)
        atomic_write_bytes(note, json.dumps(asdict(holder)).encode())
        yield killed
        # After an error too, but not after a kill, which the next holder learns of by it.
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def holder_of(paths: StatePaths, work: str = "run") -> Holder | None:
    """Who works in a state folder at this moment; None if nobody does.

    Args:
        paths: of the folder.
        work: `run`, `ui` or `backup`.
    """
    return _living(paths.home / f"{work}.lock.json")


def _acquire(
    lock: filelock.BaseFileLock,
    note: Path,
    works: str,
    waiting: Callable[[str], None] | None,
    end: float,
) -> None:
    said: str | None = None
    while True:
        try:
            lock.acquire(timeout=0 if said is None else _LOOK_EVERY_SECONDS)
            return
        except filelock.Timeout as error:
            by = _by(note)
            if waiting is None or time.monotonic() >= end:
                raise HomeBusyError(
                    f"Another {works}{by}; wait for it or stop it, or set CROSSMODAL_HOME to "
                    "another folder."
                ) from error
            if by != said:
                waiting(f"Waits until it can work alone: another {works}{by}.")
                said = by


def _by(note: Path) -> str:
    """Who holds the lock, as the end of a sentence; empty in the moment in which nobody knows."""
    holder = _living(note)
    return "" if holder is None else f": {holder}"


def _living(note: Path) -> Holder | None:
    holder = _noted(note)
    # What a killed process has left says nothing of who came after it.
    return holder if holder is not None and holder.lives() else None


def _noted(note: Path) -> Holder | None:
    try:
        return Holder(**json.loads(note.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
