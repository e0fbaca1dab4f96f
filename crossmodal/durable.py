"""SQLite files whose commits are on the disk, for what callers were told is kept."""

import os
import sqlite3
from pathlib import Path

BUSY_SECONDS = 10.0
"""How long a connection waits for another one's write to end."""


def make_private(path: Path) -> None:
    """Makes an empty file where there is none: for the owner of the process alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def open_durable(path: Path, *, any_thread: bool = False) -> sqlite3.Connection:
    """A connection with a write-ahead log and synchronous FULL; each statement is a commit.

    Args:
        path: of the file.
        any_thread: whether threads share the connection, which then need a lock of their own.
    """
    connection = sqlite3.connect(
        path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=not any_thread
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    return connection
