"""One writer at a time in a state folder."""

from collections.abc import Iterator
from contextlib import contextmanager

import filelock

from crossmodal.paths import StatePaths


class HomeBusyError(RuntimeError):
    """Another command works in the same state folder."""


@contextmanager
def home_lock(paths: StatePaths) -> Iterator[None]:
    """Keeps other commands that write out of the state folder.

    Raises:
        HomeBusyError: another process holds the lock.
    """
    lock = filelock.FileLock(paths.home / "run.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise HomeBusyError(
            f"Another run works in {paths.home}; wait for it, or set CROSSMODAL_HOME to another "
            "folder."
        ) from error
    try:
        yield
    finally:
        lock.release()
