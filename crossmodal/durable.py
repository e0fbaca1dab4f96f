"""SQLite files whose commits are on the disk, for what callers rely on being kept."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BUSY_SECONDS = 10.0
"""How long a connection waits for another one's write to end."""

MOST_LOG_BYTES = 8 << 20
"""A write-ahead log that is longer is cut as soon as no reader needs it."""

_CUT_EVERY_SECONDS = 1.0
_CUT_PATIENCE_MS = 50


def make_private(path: Path) -> None:
    """Makes an empty file where there is none: for the owner of the process alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def open_durable(
    path: Path, *, any_thread: bool = False, must_exist: bool = False
) -> sqlite3.Connection:
    """A connection with a write-ahead log and synchronous FULL; each statement is a commit.

    Args:
        path: of the file.
        any_thread: whether threads share the connection, which then need a lock of their own.
        must_exist: whether a file that is gone is an error, and not made again.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    mode = "rw" if must_exist else "rwc"
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=not any_thread,
    )
    try:
        with readable_faults():
            use_write_ahead_log(connection)
            connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def readable_faults() -> Iterator[None]:
    """Makes a fault whose words are no text an error of the database.

    SQLite quotes what it cannot read, and Python cannot decode what is quoted of damaged names.

    Raises:
        sqlite3.DatabaseError: in place of the UnicodeDecodeError.
    """
    try:
        yield
    except UnicodeDecodeError as error:
        raise sqlite3.DatabaseError("Names in the file are damaged.") from error


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Turns WAL on; after a reset SQLite truncates a longer -wal file to `MOST_LOG_BYTES`."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA journal_size_limit = {MOST_LOG_BYTES}")


class LogBound:
    """Keeps the write-ahead log of a file short, for the one thread that writes through it.

    SQLite copies the log into its file by itself, and begins it from its start once no reader
    needs it. While readers follow one another without a gap, or where one stayed open for long and
    nothing is written afterwards, it would stay as long as it ever was.

    Args:
        path: of the database.
    """

    def __init__(self, path: Path) -> None:
        self._log = path.with_name(f"{path.name}-wal")
        self._next = 0.0

    def exceeded(self) -> bool:
        """Whether the log is longer than it should be."""
        try:
            return self._log.stat().st_size > MOST_LOG_BYTES
        except OSError:
            return False

    def cut_if_long(self, connection: sqlite3.Connection) -> None:
        """Cuts a log that is too long; where a reader needs it still, a later call does.

        Args:
            connection: outside a transaction.
        """
        now = time.monotonic()
        if now >= self._next and self.exceeded():
            self._next = now + _CUT_EVERY_SECONDS
            self.cut(connection)

    def cut(self, connection: sqlite3.Connection) -> None:
        """Copies all of the log into the file and empties it, where no reader needs it."""
        connection.execute(f"PRAGMA busy_timeout = {_CUT_PATIENCE_MS}")
        # Where it fails the log stays whole, so that nothing is lost; a write says what is wrong.
        with suppress(sqlite3.Error):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
