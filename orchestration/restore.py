"""A home from an archive: it appears complete, by one rename, or not at all."""

import errno
import glob
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from crossmodal.archives import ArchiveError, Manifest, open_archive
from crossmodal.atomic import sync
from crossmodal.paths import StatePaths
from feature_repo.store import apply_definitions
from orchestration.backup import release

OLDEST_READABLE = "0.1.0"
"""The earliest release whose state this one can read; what it can, a run brings up to date."""


class HomeNotEmptyError(RuntimeError):
    """The home holds something, or cannot be replaced."""


def restore(paths: StatePaths, archive: Path) -> Manifest:
    """Makes a home of what an archive holds.

    Feast's registry, which names tables by absolute paths, is made to name those of the new place.

    Args:
        paths: of the home, which is missing or empty.
        archive: made by `back_up`.

    Returns:
        What was restored.

    Raises:
        HomeNotEmptyError: the home holds something, or is the root of a disk.
        ArchiveError: the archive is damaged, of a release that this one cannot read, or there is no
            room; nothing is left of it.
        RegistryDamagedError: the home is there as it was, with a registry that was damaged then.
    """
    # A link to the home stays one.
    home = paths.home.resolve()
    _require_empty(home)
    try:
        with open_archive(archive) as opened, _next_to(home) as folder:
            manifest = opened.manifest
            require_readable(archive, manifest)
            _require_room(folder, archive, manifest)
            opened.unpack(folder)
            _publish(folder, home)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise HomeNotEmptyError(
                f"{home} was filled by somebody else meanwhile, and nothing of {archive} is there."
            ) from error
        raise ArchiveError(
            f"{home} cannot be written ({error.strerror or error}), and nothing of {archive} is "
            "left there; make room, or set CROSSMODAL_HOME to another folder."
        ) from error
    if paths.registry.is_file():
        apply_definitions(paths)
    return manifest


def require_readable(archive: Path, manifest: Manifest) -> None:
    """Refuses an archive of a release whose state this one cannot read.

    Raises:
        ArchiveError: it is of a later release, or of one that is too old.
    """
    if _numbers(manifest.release) > _numbers(release()):
        raise ArchiveError(
            f"{archive} is of release {manifest.release}, and this is {release()}: install that "
            "release or a later one, and restore it with that."
        )
    if _numbers(manifest.release) < _numbers(OLDEST_READABLE):
        raise ArchiveError(
            f"{archive} is of release {manifest.release}, and this one reads the state of "
            f"{OLDEST_READABLE} and later: restore it with its own release, then upgrade."
        )


def _numbers(name: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", name)[:3])


def _require_empty(home: Path) -> None:
    if not home.exists():
        return
    if not home.is_dir() or any(home.iterdir()):
        raise HomeNotEmptyError(
            f"{home} is not empty, and a restore replaces nothing: set CROSSMODAL_HOME to another "
            "folder, or move it away, or delete it with `crossmodal reset`."
        )
    if home.is_mount():
        raise HomeNotEmptyError(
            f"{home} is the root of a disk, which no other folder can replace: set CROSSMODAL_HOME "
            "to a folder on it."
        )


def _require_room(folder: Path, archive: Path, manifest: Manifest) -> None:
    free = shutil.disk_usage(folder).free
    if manifest.bytes > free:
        raise ArchiveError(
            f"{archive} needs {manifest.bytes:,} bytes, and the disk of {folder.parent.parent} has "
            f"{free:,} free; make room, or set CROSSMODAL_HOME to a folder on another disk."
        )


@contextmanager
def _next_to(home: Path) -> Iterator[Path]:
    """An empty folder on the disk of the home, which only this process uses.

    What a killed restore has left of its own is removed first.
    """
    home.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{home.name}.restore-"
    for stale in home.parent.glob(f"{glob.escape(prefix)}*"):
        _remove_left(stale)
    with _locked_folder(home.parent, prefix) as made:
        folder = made / "home"
        # The modes of folders are not in the archive: nobody else may look into the home.
        folder.mkdir(mode=0o700)
        yield folder


@contextmanager
def _locked_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder for the block, with a file in it that this process holds a lock on."""
    while True:
        with tempfile.TemporaryDirectory(
            prefix=prefix, dir=parent, ignore_cleanup_errors=True
        ) as made:
            lock = filelock.FileLock(Path(made) / "lock", timeout=0)
            try:
                held = lock.acquire()
            except (filelock.Timeout, FileNotFoundError):
                # Another restore took it for a left-over before it was locked.
                continue
            with held:
                if not Path(lock.lock_file).exists():
                    continue
                yield Path(made)
                return


def _remove_left(stale: Path) -> None:
    try:
        with filelock.FileLock(stale / "lock", timeout=0):
            # Under the lock, so that who has just made the folder does not begin to work in it.
            shutil.rmtree(stale, ignore_errors=True)
    except (filelock.Timeout, FileNotFoundError):
        # Another restore works at it, or has removed it.
        return


def _publish(folder: Path, home: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            sync(path)
    sync(folder)
    if home.exists():
        folder.chmod(home.stat().st_mode & 0o777)
        # Another restore may have filled it meanwhile: then this fails.
        home.rmdir()
    folder.rename(home)
    sync(home.parent)
