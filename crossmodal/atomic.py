"""Files that change by one rename: a reader sees the old content or the new, never a part."""

import glob
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossmodal.processes import ProcessMark

_WRITER = re.compile(r"\.(\d+)-(\d+)-[^.]*\.tmp$")
"""What ends the name of a new file: the number of the process that writes it, and when that began.
"""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A path next to `target` that takes its place by one rename when the block succeeds.

    The new file is fsynced before the rename and the folder after it. On an error the new file is
    removed and the old one stays. Left-overs of a killed process are named `.*.tmp`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = _marked(target.name)
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=".tmp", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
        sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def atomic_write_bytes(target: Path, content: bytes) -> None:
    """Replaces a small file in one step."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A folder for the block; what a killed process leaves of it is swept as its files are."""
    with tempfile.TemporaryDirectory(
        prefix=_marked("scratch"), suffix=".tmp", dir=parent
    ) as folder:
        yield Path(folder)


def sweep(root: Path) -> int:
    """Removes the left-overs of killed writers below `root`; returns how many there were.

    What a process is still writing stays.
    """
    stale = [path for path in root.rglob(".*.tmp") if _is_stale(path)]
    for path in stale:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(stale)


def sweep_for(target: Path) -> None:
    """Removes what killed writers of one file have left next to it."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        if _WRITER.search(path.name) is not None and _is_stale(path):
            path.unlink(missing_ok=True)


def _marked(name: str) -> str:
    """How the name of a new file begins that says who writes it."""
    writer = ProcessMark.of_this_process()
    return f".{name}.{writer.pid}-{writer.began:.0f}-"


def _is_stale(path: Path) -> bool:
    """Whether the process is gone that made a new file or folder.

    A file of an unknown process is of a former release; such a folder is of somebody else.
    """
    found = _WRITER.search(path.name)
    if found is None:
        return path.is_file()
    return not ProcessMark(int(found[1]), float(found[2])).lives()


def sync(path: Path) -> None:
    """Asks the system to put a file, or a folder's names, on the disk; Windows cannot be asked."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
