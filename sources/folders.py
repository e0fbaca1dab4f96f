"""Folders that appear whole: filled aside, then renamed."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STALE_SECONDS = 3600.0


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """An empty folder next to `target` that takes its name when the block succeeds.

    After an error nothing is left. What killed processes left aside is removed once it is an hour
    old, so that a process that is still at work keeps its own. Where another process finished
    first, its folder stays.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target.parent)
    temporary = Path(tempfile.mkdtemp(prefix=".folder-", suffix=".tmp", dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        try:
            temporary.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sweep(parent: Path) -> None:
    for left in parent.glob(".folder-*.tmp"):
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
