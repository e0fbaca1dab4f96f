"""The whole state of a home in one archive, taken while the service and the web UI work.

No run may write meanwhile. A short moment is enough: what changes by one rename is linked, and
SQLite copies its databases; the archive is written from that, while the next run may begin.
"""

import importlib.metadata
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from crossmodal.archives import ArchiveError, Manifest, write_archive
from crossmodal.home_lock import home_lock
from crossmodal.paths import StatePaths
from crossmodal.snapshots import files_below, freeze, writes_held
from crossmodal.store_errors import require_writable
from orchestration.instance import open_instance, readable_records, sole_run

_STAGE = ".backup-"
_PASSING = re.compile(
    r"(run|ui|backup)\.lock(\.json)?|feast/(write|live)\.lock|feast/tmp[^/]*|models/\.(new|old)-[^/]*"
    rf"|{re.escape(_STAGE)}[^/]*|(.*/)?\.[^/]*\.(tmp|part)"
)
"""Locks, and what somebody is writing or a killed process has left."""


class NoStateError(RuntimeError):
    """There is nothing to back up, or the archive would lie within it."""


def back_up(
    paths: StatePaths, target: Path, seconds: float, say: Callable[[str], None]
) -> Manifest:
    """Writes the state of a home into an archive and reads it back.

    Every event and item that was acknowledged before the call is in it, and tables, models and
    features as one run left them.

    Args:
        paths: the home.
        target: the archive; one that is there stays until the new one is complete and right.
        seconds: how long to wait for a run to end.
        say: is called with a sentence about what it waits for.

    Raises:
        NoStateError: the home has no state, or the archive would lie within it.
        HomeBusyError: another backup, or a run that did not end in time, works in the home.
        StoreError: a database is damaged, or the home cannot be written.
        ArchiveError: the archive cannot be written.
    """
    _require_state(paths)
    if target.resolve().is_relative_to(paths.home.resolve()):
        raise NoStateError(
            f"{target} lies in {paths.home}, which it is to hold; name a file outside."
        )
    with home_lock(paths, "backup"), _stage(paths) as stage:
        frozen, made_at = _frozen(paths, stage, seconds, say)
        return write_archive(target, frozen, release(), made_at)


def release() -> str:
    """The release of the platform that runs."""
    return importlib.metadata.version("crossmodal")


def left_out(paths: StatePaths) -> Callable[[str], bool]:
    """Says of a file or folder, by its name relative to the home, whether no backup holds it."""
    made_again = {path.relative_to(paths.home).as_posix() for path in paths.made_again}
    return lambda name: name in made_again or _PASSING.fullmatch(name) is not None


def _require_state(paths: StatePaths) -> None:
    there = paths.home.is_dir() and files_below(paths.home, left_out(paths))
    if not there:
        raise NoStateError(
            f"There is no state in {paths.home}; name its folder with CROSSMODAL_HOME, or make it "
            "with `crossmodal run`."
        )
    require_writable(paths.home)


@contextmanager
def _stage(paths: StatePaths) -> Iterator[Path]:
    """A folder in the home, on whose disk links are free; whoever is here is alone."""
    try:
        for stale in paths.home.glob(f"{_STAGE}*"):
            shutil.rmtree(stale)
        with tempfile.TemporaryDirectory(prefix=_STAGE, dir=paths.home) as folder:
            yield Path(folder)
    except OSError as error:
        raise ArchiveError(
            f"{error.filename or paths.home} cannot be copied ({error.strerror or error}): be the "
            f"user that works in {paths.home}, and leave room there for a copy of the databases."
        ) from error


def _frozen(
    paths: StatePaths, stage: Path, seconds: float, say: Callable[[str], None]
) -> tuple[Path, str]:
    """Copies the home between two runs; returns where the copy lies and when it was made."""
    folder = stage / "home"
    with _alone(paths, seconds, say):
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        _copy(paths, folder)
    return folder, made_at


@contextmanager
def _alone(paths: StatePaths, seconds: float, say: Callable[[str], None]) -> Iterator[None]:
    """Keeps runs out of the home, and clears up after killed ones, as a run does."""
    what = "crossmodal backup"
    if not paths.dagster.is_dir():
        with home_lock(paths, what=what, waiting=say, seconds=seconds):
            yield
        return
    with (
        readable_records(paths),
        open_instance(paths) as instance,
        sole_run(paths, instance, waiting=say, seconds=seconds, what=what),
    ):
        yield


def _copy(paths: StatePaths, folder: Path) -> None:
    items = (paths.item_log, paths.uploads)
    renamed = (paths.lake, paths.models, paths.sources, paths.pictures)

    def of(name: str, places: tuple[Path, ...]) -> bool:
        return any((paths.home / name).is_relative_to(place) for place in places)

    def linked(name: str) -> bool:
        return of(name, (*renamed, paths.uploads))

    # A picture is removed once no item has it: the items and their files are of one time.
    with writes_held(paths.item_log):
        names = files_below(paths.home, left_out(paths))
        freeze(paths.home, [name for name in names if of(name, items)], folder, linked)
    freeze(paths.home, [name for name in names if not of(name, items)], folder, linked)
