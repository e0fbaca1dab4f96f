"""How often a key may ask: one budget a key, whichever process is asked."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from crossmodal.durable import use_write_ahead_log
from crossmodal.store_errors import require_sound, store_errors_of, write_nothing
from crossmodal.write_health import WriteHealth

_SCHEMA = "CREATE TABLE IF NOT EXISTS turns (key TEXT PRIMARY KEY, due REAL NOT NULL) WITHOUT ROWID"
# A turn that lies further ahead than any can was written before the clock was set back.
_TAKE = """
INSERT INTO turns (key, due) VALUES (:key, :now + :step)
ON CONFLICT (key) DO UPDATE
SET due = iif(due > :now + :ahead + 2 * :step, :now, max(due, :now)) + :step
WHERE due <= :now + :ahead OR due > :now + :ahead + 2 * :step
RETURNING due
"""
_DUE = "SELECT due FROM turns WHERE key = ?"
_BUSY_SECONDS = 0.02
"""The event loop waits for it: while another process holds the file, requests are let pass."""

_NEW_FILE_IS = "with the whole rate of every key unused"


def require_usable(path: Path) -> None:
    """Opens a file of rate limits and writes to it, once it has looked for damage.

    Raises:
        StoreError: it cannot be used.
    """
    with store_errors_of(path, _NEW_FILE_IS):
        require_sound(path)
    with closing(RateLimit(path, per_second=1, burst=1)) as limit:
        limit.open()


class RateLimit:
    """A token bucket a key, in a file that all processes of the service share.

    A bucket is one number: when it will be full again, were nothing taken any more (the generic
    cell rate algorithm, ATM Forum 1996). One SQL statement takes a token, so that no process can
    take one that another has taken, and a process that is killed holds nothing.

    Args:
        path: of the SQLite file; made where it is missing. Losing it gives everyone a full bucket.
        per_second: requests per second of one key, in the long run.
        burst: requests of one key at once.
    """

    def __init__(self, path: Path, per_second: float, burst: int) -> None:
        self._path = path
        self._step = 1 / per_second
        self._ahead = self._step * (burst - 1)
        self._opened: sqlite3.Connection | None = None
        self._health = WriteHealth("Rate limits", path)

    def open(self) -> None:
        """Opens the file and writes to it.

        Raises:
            StoreError: that cannot be done.
        """
        with store_errors_of(self._path, _NEW_FILE_IS):
            connection = self._connection()
            write_nothing(connection)
            # A table of another form is of something else.
            connection.execute(_DUE, ("",)).fetchone()

    def wait(self, key: str) -> float:
        """Takes a token: 0 where there was one, else the seconds until there is.

        Where the file cannot be used the answer is 0: a limit must not stop the service.
        """
        now = time.time()
        values = {"key": key, "now": now, "step": self._step, "ahead": self._ahead}
        try:
            connection = self._connection()
            taken = connection.execute(_TAKE, values).fetchone() is not None
            self._health.worked()
            if taken:
                return 0.0
            (due,) = connection.execute(_DUE, (key,)).fetchone()
        except (sqlite3.Error, OSError) as error:
            self._health.failed(error)
            return 0.0
        return float(max(due - self._ahead - now, self._step))

    def close(self) -> None:
        """Lets go of the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Opened by one thread and closed by another, never used by both at once.
            opened = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                use_write_ahead_log(opened)
                # What a loss of power takes from the limit is not worth a wait for the disk.
                opened.execute("PRAGMA synchronous = OFF")
                opened.execute(_SCHEMA)
            except sqlite3.Error:
                opened.close()
                raise
            self._opened = opened
        return self._opened
