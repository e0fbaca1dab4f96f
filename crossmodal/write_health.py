"""Whether a store can be written: what its last writes showed, said in the log where it changes."""

import logging
import sqlite3
import threading
import time
from pathlib import Path

from crossmodal.store_errors import reason, way_out

_log = logging.getLogger(__name__)


class WriteHealth:
    """What the last write of a store showed.

    Args:
        what: is kept there, such as events; begins the sentences of the log.
        path: of the store's file, which the log names and no caller is shown.
    """

    def __init__(self, what: str, path: Path) -> None:
        self._what, self._path = what, path
        self._lock = threading.Lock()
        self._reason: str | None = None
        self._at = float("-inf")

    @property
    def reason(self) -> str | None:
        """What kept the last write from being made, in words without a path; None for nothing."""
        return self._reason

    def is_recent(self, seconds: float) -> bool:
        """Whether something was written, or could not be, within the last seconds."""
        return time.monotonic() - self._at <= seconds

    def worked(self) -> None:
        """Notes a write that was made."""
        if self._changes_to(None):
            _log.warning("%s can be written to %s again.", self._what, self._path)

    def failed(self, error: sqlite3.Error | OSError) -> None:
        """Notes a write that could not be made."""
        problem = reason(error)
        if self._changes_to(problem):
            _log.error(
                "%s cannot be written to %s: %s (%s); %s.",
                self._what,
                self._path,
                problem,
                error,
                way_out(error),
            )

    def late(self, seconds: float) -> None:
        """Notes a write that has waited for some seconds and still waits."""
        problem = f"a write has waited {seconds:g} s for the disk, or for who locks the file"
        if self._changes_to(problem):
            _log.error("%s cannot be written to %s: %s.", self._what, self._path, problem)

    def _changes_to(self, problem: str | None) -> bool:
        with self._lock:
            changes = problem != self._reason
            self._reason, self._at = problem, time.monotonic()
        return changes
