"""One run, one web UI and one backup at a time in a state folder."""

from collections.abc import Iterator
from contextlib import contextmanager

import filelock

from crossmodal.paths import StatePaths

_NAMES = {"run": "run", "ui": "web UI", "backup": "backup"}


class HomeBusyError(RuntimeError):
    """Another command works in the same state folder."""


@contextmanager
def home_lock(paths: StatePaths, work: str = "run", seconds: float = 0) -> Iterator[None]:
    """Keeps other commands that do the same out of the state folder.

    Args:
        paths: of the folder.
        work: `run`, `ui` or `backup`.
        seconds: how long to wait for the lock.

    Raises:
        HomeBusyError: another process holds the lock.
    """
    lock = filelock.FileLock(paths.home / f"{work}.lock", timeout=seconds)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise HomeBusyError(
            f"Another {_NAMES[work]} works in {paths.home}; wait for it or stop it, or set "
            "CROSSMODAL_HOME to another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()
