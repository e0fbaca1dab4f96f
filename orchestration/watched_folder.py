"""A folder in which files of events appear: each is taken once, when nobody writes it any more.

What has been done lies in a cursor, the folder's files stay where they are. A cursor that is lost,
or older than what was done, has files taken again, which changes nothing: their events are known.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from crossmodal.atomic import atomic_write_bytes
from crossmodal.workspace import Workspace
from orchestration.event_files import EventFile, EventFileError, snapshot, take_file
from sources.tables.read import is_table

REFUSED = "refused"
"""The subfolder for files that cannot be taken, each next to a text that says why."""

DONE = ".done"
"""Ends the name of an empty file that says: the file of this name before it is complete. It is
written after that file."""

_REASON = ".reason.txt"
_MOST_SECONDS = 20.0


class SeenFile(BaseModel):
    """What is known of one file.

    Attributes:
        size: when it was last looked at.
        mtime_ns: likewise.
        taken: SHA-256 of what was taken of it; empty where nothing was yet.
        taken_size: bytes of what was taken.
        taken_mtime_ns: when they were written.
    """

    size: int
    mtime_ns: int
    taken: str = ""
    taken_size: int = 0
    taken_mtime_ns: int = 0

    def is_at(self, size: int, mtime_ns: int) -> bool:
        """Whether a look that finds this finds nothing new."""
        return (self.size, self.mtime_ns) == (size, mtime_ns)

    def is_taken(self) -> bool:
        """Whether what was found is what was taken."""
        return bool(self.taken) and self.is_at(self.taken_size, self.taken_mtime_ns)


class Cursor(BaseModel):
    """What is known of the files, by their names."""

    files: dict[str, SeenFile] = Field(default_factory=dict)


@dataclass
class Look:
    """What one look at the folder found and did.

    Attributes:
        cursor: for the next look.
        events: that were new.
        taken: names of the files that were taken.
        refused: names of those that were set aside.
        waiting: names of those that may still be written, or that the time did not suffice for.
        unreadable: what is wrong with those that cannot be read or moved, a sentence each.
    """

    cursor: Cursor = field(default_factory=Cursor)
    events: int = 0
    taken: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """All of it in one sentence."""
        counts = {
            "taken": self.taken,
            "set aside": self.refused,
            "waiting": self.waiting,
            "unreadable": self.unreadable,
        }
        files = ", ".join(f"{len(names)} {what}" for what, names in counts.items())
        return f"Files: {files}; new events: {self.events:,}."


def read_cursor(text: str | None) -> Cursor:
    """The inverse of `model_dump_json`; an empty one where the text is no cursor."""
    try:
        return Cursor.model_validate_json(text or "{}")
    except ValidationError:
        return Cursor()


def look(
    workspace: Workspace,
    folder: Path,
    before: Cursor,
    clock: Callable[[], float] = time.monotonic,
) -> Look:
    """Takes what is complete in a folder.

    A file is complete once a look finds it as the look before did, or a `.done` file next to it.
    Once the time is up, the next look goes on.

    Raises:
        StoreError: the log of events cannot be used; the cursor stays as it was.
    """
    found, until = Look(), clock() + _MOST_SECONDS
    for path in _event_files(folder):
        if not _is_text(path.name):
            found.unreadable.append(f"{path.name!a}: Its name is not UTF-8; rename it.")
            continue
        try:
            seen, complete = _seen(path, before)
            found.cursor.files[path.name] = seen
            if seen.is_taken():
                continue
            if complete and clock() <= until:
                _take(workspace, path, seen, found)
            else:
                found.waiting.append(path.name)
        except OSError as error:
            # It is looked at again; the others are not kept waiting for it.
            found.unreadable.append(f"{path.name}: {error.strerror}.")
    return found


def _seen(path: Path, before: Cursor) -> tuple[SeenFile, bool]:
    """What is known of a file now, and whether it is complete."""
    facts, known = path.stat(), before.files.get(path.name)
    now = {"size": facts.st_size, "mtime_ns": facts.st_mtime_ns}
    if known is None:
        return SeenFile(**now), _is_marked(path, facts.st_mtime_ns)
    complete = known.is_at(**now) or _is_marked(path, facts.st_mtime_ns)
    return known.model_copy(update=now), complete


def _take(workspace: Workspace, path: Path, seen: SeenFile, found: Look) -> None:
    with snapshot(path, seen.taken_size) as file:
        try:
            if file.sha256 != seen.taken:
                found.events += _new_events(workspace, file, seen)
                found.taken.append(path.name)
        except EventFileError as error:
            _set_aside(path, str(error))
            del found.cursor.files[path.name]
            found.refused.append(path.name)
            return
        seen.taken, seen.taken_size = file.sha256, file.path.stat().st_size
        seen.taken_mtime_ns = seen.mtime_ns


def _new_events(workspace: Workspace, file: EventFile, seen: SeenFile) -> int:
    if seen.taken and file.began_as == seen.taken:
        raise EventFileError(
            "The file was taken, and has grown since. Its events would count twice: write further "
            "events into a file of another name."
        )
    return take_file(workspace, file)


def _event_files(folder: Path) -> Iterator[Path]:
    """Files of the folder itself; what is hidden, a link, or has another ending is none."""
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith((".", "_"))
        if not hidden and not path.is_symlink() and path.is_file() and is_table(path):
            yield path


def _is_text(name: str) -> bool:
    """Whether a name can be written down: in a cursor, a log or a reason."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_marked(path: Path, mtime_ns: int) -> bool:
    """Whether a marker says that a file is complete as it was at a time.

    A marker that is older says so of a former file of the same name.
    """
    try:
        return _marker(path).stat().st_mtime_ns >= mtime_ns
    except FileNotFoundError:
        return False


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}{DONE}")


def _set_aside(path: Path, reason: str) -> None:
    """Moves a file out of the way. The reason is there before the file is."""
    folder = path.parent / REFUSED
    folder.mkdir(exist_ok=True)
    aside = _free(folder / path.name)
    text = f"{path.name} was not taken, and nothing of it was.\n\n{reason}\n"
    atomic_write_bytes(aside.with_name(f"{aside.name}{_REASON}"), text.encode())
    path.replace(aside)
    # A file of the same name that comes later is not complete because this one was.
    _marker(path).unlink(missing_ok=True)


def _free(path: Path) -> Path:
    """The path, or with a number before its endings: no file that waits to be mended is lost."""
    stem, dot, endings = path.name.partition(".")
    numbered = (path.with_name(f"{stem}-{number}{dot}{endings}") for number in count(2))
    return next(free for free in chain([path], numbered) if not free.exists())
