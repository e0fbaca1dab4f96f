"""Which faults pass by themselves: a held lock, a network or a disk that does not answer."""

import errno
import socket
import sqlite3
import urllib.error
from collections.abc import Iterator

import filelock

_NUMBERS = frozenset(
    {
        errno.EAGAIN,
        errno.EBUSY,
        errno.EDEADLK,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.EINTR,
        # Disks across a network answer so while it is down.
        errno.EIO,
        errno.EMFILE,
        errno.ENETDOWN,
        errno.ENETRESET,
        errno.ENETUNREACH,
        errno.ENFILE,
        errno.ENOLCK,
        errno.ESTALE,
    }
)
"""Not ENOSPC: a full disk needs a person, and each try would take as long as the first."""

_SQLITE_CODES = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})


def can_pass(error: BaseException) -> bool:
    """Whether the same work may succeed later, though nobody has changed anything.

    What an error was raised from counts too: a source that cannot be reached says so in words of
    its own. Whatever is not known to pass stays, such as a column that is missing.
    """
    return any(_passes(one) for one in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        reason = error.reason if isinstance(error, urllib.error.URLError) else None
        error = reason if isinstance(reason, BaseException) else error.__cause__


def _passes(error: BaseException) -> bool:
    match error:
        case filelock.Timeout() | TimeoutError() | ConnectionError():
            return True
        case socket.gaierror():
            return error.errno == socket.EAI_AGAIN
        case sqlite3.OperationalError():
            # Extended codes say more in their upper bytes; an error of Python's own has none.
            code = getattr(error, "sqlite_errorcode", None)
            return code is not None and code & 0xFF in _SQLITE_CODES
        case OSError():
            return error.errno in _NUMBERS
        case _:
            return False
