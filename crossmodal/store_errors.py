"""What is wrong with a store, in words: for its operator with its path, for callers without."""

import errno
import logging
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from crossmodal.durable import open_durable, readable_faults

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 3.0
"""How long a start may look for damage: a log of gigabytes is looked at in part."""

_TRIED_BYTES = 1 << 16
"""A folder in which there is no room for so much has no room."""

_STEPS_BETWEEN_LOOKS_AT_THE_CLOCK = 100_000

_DAMAGED, _DENIED, _FULL, _LOCKED = "damaged", "denied", "full", "locked"
_MOVED, _REFUSED = "moved", "refused"
_CODES = {
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    # A table of another form than ours: the file is of something else.
    sqlite3.SQLITE_ERROR: _DAMAGED,
    sqlite3.SQLITE_READONLY: _DENIED,
    sqlite3.SQLITE_CANTOPEN: _DENIED,
    sqlite3.SQLITE_PERM: _DENIED,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
}
_NUMBERS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: _DENIED,
    errno.EISDIR: _DENIED,
    errno.ENOTDIR: _DENIED,
    errno.EEXIST: _DENIED,
}
_REFUSING_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_REASONS = {
    _DAMAGED: "the file is damaged",
    _DENIED: "writing is not permitted",
    _FULL: "the disk is full",
    _LOCKED: "another process locks the file",
    _MOVED: "the file was moved or deleted while it was in use",
    _REFUSED: "the disk refuses the write",
}
_WAYS_OUT = {
    _DAMAGED: "end the service, then restore the file from a backup or move it away",
    _DENIED: "let the user of this process write it, or set CROSSMODAL_HOME to another folder",
    _FULL: "make room, or set CROSSMODAL_HOME to a folder on another disk",
    _LOCKED: "end the process that holds it, then try again",
    _MOVED: "put it back, or start the service again without it",
    _REFUSED: "look at the system's log for what is wrong with the disk",
}


class StoreError(RuntimeError):
    """A store cannot be used; the message names its file, what is wrong, and the way out."""


class StoreMovedError(sqlite3.OperationalError):
    """Another file, or none, is where the store was when it was opened."""


def reason(error: BaseException) -> str:
    """What keeps a store from being used, in words without its path."""
    return _REASONS[_kind(error)]


@contextmanager
def store_errors_of(path: Path, new_file_is: str) -> Iterator[None]:
    """Makes what goes wrong in the block one sentence about a store.

    Args:
        path: of the store's file.
        new_file_is: how one in its place would begin, such as `without what it held`.

    Raises:
        StoreError: the store cannot be used.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise StoreError(_sentence(path, error, new_file_is)) from error


def refused_write(error: BaseException) -> OSError | None:
    """The system's error by which a disk that is full, or may only be read, refused a write.

    Args:
        error: is that error, or SQLite's, or quotes it, as libraries in Rust and C++ do; else the
            answer is None.
    """
    if isinstance(error, OSError) and error.errno in _REFUSING_DISK:
        return error
    if isinstance(error, sqlite3.Error):
        full = _kind(error) == _FULL
        return OSError(errno.ENOSPC, str(error)) if full else None
    quoted = (number for number in _REFUSING_DISK if os.strerror(number) in str(error))
    number = next(quoted, None)
    return None if number is None else OSError(number, os.strerror(number))


def in_words(error: OSError, folder: Path) -> str:
    """What went wrong with a file, as one sentence with the way out.

    Args:
        error: names the file, as a rule.
        folder: to be named where it does not.
    """
    return _sentence(Path(error.filename or folder), error, "")


def way_out(error: BaseException) -> str:
    """What an operator can do about it, as the end of a sentence."""
    return _WAYS_OUT[_kind(error)]


def require_sound(path: Path) -> None:
    """Looks for damage in a database, for some seconds; a missing one is sound.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    if not path.exists():
        return
    if not path.stat().st_size:
        # A process that is killed while it makes a database leaves this, so it is no damage.
        _log.warning("%s is empty; if it held anything, restore it from a backup.", path)
    end = time.monotonic() + _LOOK_SECONDS
    with closing(open_durable(path)) as connection:
        connection.set_progress_handler(
            lambda: time.monotonic() > end, _STEPS_BETWEEN_LOOKS_AT_THE_CLOCK
        )
        try:
            with readable_faults():
                (outcome,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.OperationalError as error:
            # Python's own errors have no code.
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_INTERRUPT:
                return
            raise
    if outcome != "ok":
        raise sqlite3.DatabaseError(outcome)


def require_writable(folder: Path) -> None:
    """Writes a file into a folder and removes it; a folder that is not there is made.

    Raises:
        StoreError: that cannot be done.
    """
    with store_errors_of(folder, ""):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_TRIED_BYTES))
            file.flush()
            os.fsync(file.fileno())


def write_nothing(connection: sqlite3.Connection) -> int:
    """Writes a page as it is, the smallest write that shows whether there can be others; 0."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.execute(f"PRAGMA user_version = {version}")
    return 0


def _kind(error: BaseException) -> str:
    if isinstance(error, StoreMovedError):
        return _MOVED
    if isinstance(error, OSError):
        return _NUMBERS.get(error.errno or 0, _REFUSED)
    code = getattr(error, "sqlite_errorcode", None)
    # Extended codes tell more in their upper bytes. Without a code it is a check that failed.
    return _DAMAGED if code is None else _CODES.get(code & 0xFF, _REFUSED)


def _has_no_room(path: Path) -> bool:
    existing = next(place for place in (path, *path.parents) if place.exists())
    return shutil.disk_usage(existing).free < _TRIED_BYTES


def _sentence(path: Path, error: BaseException, new_file_is: str) -> str:
    kind = _kind(error)
    # SQLite calls it an I/O error where there is no room for the memory that its readers share.
    if kind == _REFUSED and _has_no_room(path):
        kind = _FULL
    if kind == _DAMAGED:
        return (
            f"{path} is damaged: restore it from a backup, or move it away with its -wal and -shm "
            f"files, and a new one begins {new_file_is}."
        )
    detail = error.strerror if isinstance(error, OSError) else str(error)
    return f"{path}: {_REASONS[kind]} ({detail}); {_WAYS_OUT[kind]}."
