"""Writes of many callers to one SQLite file, each on the disk before it is acknowledged.

A commit waits for the disk, so that those that arrive while one is on its way share the next.
"""

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from crossmodal.durable import LogBound
from crossmodal.store_errors import StoreMovedError, write_nothing
from crossmodal.write_health import WriteHealth

_AT_ONCE = 64
_CUT_AGAIN_SECONDS = 1.0
_TRUSTED_SECONDS = 2.0
"""How long a write that was made, or could not be, speaks for the next one."""

_FAULTS_OF_ONE_CHANGE = (
    OverflowError,
    ValueError,
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)
"""What a value that no column can hold ends in, whatever state the file is in."""

_PATIENCE_SECONDS = 2.0
"""How long whoever asks whether the file can be written waits for a write."""


class QueueFullError(RuntimeError):
    """More writes wait than may; this one was not taken. Send it again a little later."""


class LogClosedError(RuntimeError):
    """Nothing is taken any more, since the service stops; this write was not taken."""


@dataclass(frozen=True)
class _Change:
    """What is to be written, which says how many rows it was about."""

    write: Callable[[sqlite3.Connection], int]
    counted: "Future[int]"

    def claim(self) -> bool:
        """Whether somebody still waits; from now on they can no longer cancel."""
        return self.counted.set_running_or_notify_cancel()


class GroupCommits:
    """The thread of one process that writes to a file.

    Args:
        path: of the file.
        connection: to it, used by nobody else; closed in the end.
        most_waiting: changes that may wait for the disk.
        what: is kept in the file, such as events, for the log.
    """

    def __init__(
        self, path: Path, connection: sqlite3.Connection, most_waiting: int, what: str
    ) -> None:
        self._path, self._file = path, _identity(path)
        self._what = what.lower()
        self._connection = connection
        self._waiting: queue.Queue[_Change | None] = queue.Queue(most_waiting)
        self._health = WriteHealth(what, path)
        self._closed = False
        self._entering, self._probing = threading.Lock(), threading.Lock()
        self._writer = threading.Thread(target=self._work, name=f"{path.stem}-log", daemon=True)
        self._writer.start()

    def enter(self, write: Callable[[sqlite3.Connection], int]) -> "Future[int]":
        """Takes a change; the future is done, with what `write` returned, once it is on the disk.

        Args:
            write: does it, inside a transaction.

        Raises:
            QueueFullError: too many wait.
            LogClosedError: `close` was called.
        """
        change = _Change(write, Future())
        with self._entering:
            if self._closed:
                raise LogClosedError(f"The service stops and takes no more {self._what}.")
            try:
                self._waiting.put_nowait(change)
            except queue.Full:
                raise QueueFullError(f"Too many {self._what} wait for the disk.") from None
        return change.counted

    def waiting(self) -> int:
        """Changes that wait for the disk."""
        return self._waiting.qsize()

    def why_unwritable(self) -> str | None:
        """Why nothing can be written now, in words without a path; None where it can.

        The last write speaks for some seconds; after them a page is written as it is.
        """
        # Of those who ask at once, one waits; the others go by what was known before.
        if self._health.is_recent(_TRUSTED_SECONDS) or not self._probing.acquire(blocking=False):
            return self._health.reason
        try:
            tried = self.enter(write_nothing)
            tried.result(_PATIENCE_SECONDS)
        except (QueueFullError, LogClosedError) as error:
            return str(error).rstrip(".")
        except TimeoutError:
            tried.cancel()
            self._health.late(_PATIENCE_SECONDS)
        except sqlite3.Error:
            # The thread that writes has noted why.
            return self._health.reason
        finally:
            self._probing.release()
        return self._health.reason

    def close(self) -> None:
        """Writes what waits, and takes nothing more."""
        with self._entering:
            if not self._closed:
                self._closed = True
                self._waiting.put(None)
        self._writer.join()

    def _work(self) -> None:
        bound = LogBound(self._path)
        with closing(self._connection):
            while True:
                changes = self._next(bound)
                # A caller that has gone meanwhile got no answer, so its change can be dropped.
                waited = [change for change in changes if change is not None and change.claim()]
                if waited:
                    self._commit(waited)
                if changes and changes[-1] is None:
                    bound.cut(self._connection)
                    return
                bound.cut_if_long(self._connection)

    def _next(self, bound: LogBound) -> "list[_Change | None]":
        """The waiting changes; none if a write-ahead log that is too long should be cut first."""
        try:
            changes = [self._waiting.get(timeout=_CUT_AGAIN_SECONDS if bound.exceeded() else None)]
        except queue.Empty:
            return []
        while changes[-1] is not None and len(changes) <= _AT_ONCE:
            try:
                changes.append(self._waiting.get_nowait())
            except queue.Empty:
                break
        return changes

    def _commit(self, changes: list[_Change]) -> None:
        """One transaction for all changes; where it fails, each caller gets the error.

        What one change alone is to blame for costs the others nothing: they are tried one by one.
        """
        connection = self._connection
        try:
            if _identity(self._path) != self._file:
                raise StoreMovedError("another file, or none, has its name")
            connection.execute("BEGIN IMMEDIATE")
            counts = [change.write(connection) for change in changes]
            connection.execute("COMMIT")
        except (sqlite3.Error, OverflowError, ValueError) as error:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            if len(changes) > 1 and isinstance(error, _FAULTS_OF_ONE_CHANGE):
                for change in changes:
                    self._commit([change])
                return
            if isinstance(error, sqlite3.Error) and not isinstance(error, _FAULTS_OF_ONE_CHANGE):
                self._health.failed(error)
            for change in changes:
                change.counted.set_exception(error)
            return
        self._health.worked()
        for change, count in zip(changes, counts, strict=True):
            change.counted.set_result(count)


def _identity(path: Path) -> tuple[int, int]:
    """Which file has a name: what is written to one that was removed is lost."""
    try:
        facts = path.stat()
    except OSError:
        return -1, -1
    return facts.st_dev, facts.st_ino
