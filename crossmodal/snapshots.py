"""A copy of a folder's files as they are now, while others go on writing to it.

A file that only ever changes by one rename is linked, which costs nothing and keeps its content
when the next version takes its name. An SQLite database is copied by SQLite itself.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from crossmodal.durable import BUSY_SECONDS
from crossmodal.store_errors import store_errors_of

_MAGIC = b"SQLite format 3\0"
_COMPANIONS = ("-wal", "-shm", "-journal")
_NEW_FILE_IS = "without what it held"
_HELD_MILLISECONDS = 120_000
"""SQLite queues nobody: writers without a pause can keep a lock from whoever waits for it."""


def files_below(root: Path, left_out: Callable[[str], bool]) -> list[str]:
    """The regular files below a folder, by their names relative to it, with `/` between parts.

    Links are followed, so that a folder that was moved to another disk is taken too; what SQLite
    writes next to a database is not listed.

    Args:
        root: the folder.
        left_out: whether a file, or a folder with all that it holds, is passed over.
    """
    names = set(_walk(root, "", left_out, frozenset()))
    return sorted(name for name in names if not _is_companion(root, name, names))


def freeze(root: Path, names: Iterable[str], target: Path, linked: Callable[[str], bool]) -> None:
    """Makes the named files of a folder in another one; those gone meanwhile are passed over.

    Args:
        root: the folder that others write to.
        names: of the files, relative to it.
        target: a folder on the same disk.
        linked: whether a file only changes by one rename.

    Raises:
        StoreError: a database is damaged or cannot be read.
        OSError: a file cannot be read, or the disk is full.
    """
    for name in names:
        source, copy = root / name, target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if is_database(source):
                copy_database(source, copy)
            elif not (linked(name) and _link(source, copy)):
                shutil.copy2(source, copy)


def is_database(path: Path) -> bool:
    """Whether a file begins as SQLite's files do.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def copy_database(source: Path, target: Path) -> None:
    """Copies a database that others may have open, as its last commit left it.

    Raises:
        StoreError: it is damaged or cannot be read.
        FileNotFoundError: there is none any more.
    """
    facts = source.stat()
    with (
        store_errors_of(source, _NEW_FILE_IS),
        closing(_opened(source)) as origin,
        closing(sqlite3.connect(target)) as copy,
    ):
        # SQLite's backup would wait without end for a lock; this read waits as long as any.
        origin.execute("BEGIN")
        origin.execute("SELECT count(*) FROM sqlite_master").fetchone()
        origin.backup(copy)
    target.chmod(facts.st_mode & 0o777)
    os.utime(target, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@contextmanager
def writes_held(database: Path) -> Iterator[None]:
    """Lets nobody write to a database for the block; whoever would, waits. A missing one is none.

    Raises:
        StoreError: it cannot be used.
    """
    if not database.is_file():
        yield
        return
    with closing(_opened(database)) as connection:
        with store_errors_of(database, _NEW_FILE_IS):
            connection.execute(f"PRAGMA busy_timeout = {_HELD_MILLISECONDS}")
            connection.execute("BEGIN IMMEDIATE")
        yield


def _opened(database: Path) -> sqlite3.Connection:
    # Not read-only: what a killed writer left half done is rolled back first.
    address = f"{database.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _walk(
    folder: Path, prefix: str, left_out: Callable[[str], bool], above: frozenset[Path]
) -> Iterator[str]:
    here = folder.resolve()
    # A link to a folder that holds it has no end.
    if here in above:
        return
    with os.scandir(folder) as entries:
        found = list(entries)
    for entry in found:
        name = f"{prefix}{entry.name}"
        if left_out(name):
            continue
        if entry.is_dir():
            with suppress(FileNotFoundError):
                yield from _walk(Path(entry.path), f"{name}/", left_out, above | {here})
        elif entry.is_file():
            yield name


def _is_companion(root: Path, name: str, names: set[str]) -> bool:
    owner = next((name.removesuffix(end) for end in _COMPANIONS if name.endswith(end)), None)
    return owner in names and is_database(root / owner)


def _link(source: Path, copy: Path) -> bool:
    """Makes a link; False where a disk has none, or the copy is on another disk."""
    try:
        os.link(source.resolve(strict=True), copy)
    except FileNotFoundError:
        raise
    except OSError:
        return False
    return True
