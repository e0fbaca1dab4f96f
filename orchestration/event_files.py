"""Files of events: each is taken into the log of events whole, or not at all."""

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from crossmodal.event_log import EventLog, LoggedEvent
from crossmodal.pseudonyms import pseudonym
from crossmodal.workspace import Workspace
from feature_repo.pushed_events import known_items
from serving.schemas import Event
from serving.taking import EventFaultError, logged_event
from sources.own_columns import FAULT, ROW, SHORT
from sources.plain_text import copies_below
from sources.protocol import SourceError
from sources.tables.read import scan_table

_CHUNK = 1 << 20
_ROWS = 10_000
_MOST_FAULTS = 20
_MOST_ROWS = 200_000
"""Dagster gives a look one minute, and keeps no cursor of one that takes longer."""


class EventFileError(ValueError):
    """A file holds what cannot be taken, and nothing of it was; the message says which rows."""


@dataclass(frozen=True)
class EventFile:
    """A file as it was at one instant.

    Attributes:
        path: of a copy that nobody else writes.
        sha256: of all of it.
        began_as: SHA-256 of as many of its first bytes as were asked for; empty if it is shorter.
    """

    path: Path
    sha256: str
    began_as: str


@contextmanager
def snapshot(path: Path, first_bytes: int) -> Iterator[EventFile]:
    """A private copy for the block: what is hashed is what is read, whoever writes meanwhile.

    Args:
        path: of the file.
        first_bytes: how many of them are hashed by themselves as well.
    """
    with tempfile.TemporaryDirectory(prefix="crossmodal-events-") as folder:
        copy = Path(folder) / path.name
        whole, beginning, left = hashlib.sha256(), hashlib.sha256(), first_bytes
        with path.open("rb") as file, copy.open("wb") as out:
            while chunk := file.read(_CHUNK):
                out.write(chunk)
                whole.update(chunk)
                beginning.update(chunk[:left])
                left -= min(left, len(chunk))
        with copies_below(Path(folder)):
            yield EventFile(copy, whole.hexdigest(), "" if left else beginning.hexdigest())


def take_file(workspace: Workspace, file: EventFile) -> int:
    """Puts every event of a file into the log of events.

    A row is an event by the rules of the service, in the service's words for the columns. One
    without an `event_id` gets one of the file's content and its row, so that the same file counts
    once.

    Returns:
        How many events were new.

    Raises:
        EventFileError: a row cannot be taken, and none was.
        StoreError: the log cannot be used; what was taken stays, and counts once.
    """
    known, key = known_items(workspace.paths), workspace.key_of_users()
    # All are looked at before the first is taken.
    events = list(_events(_read(file.path), file, known, cache(partial(pseudonym, key=key))))
    with closing(EventLog(workspace.paths.event_log)) as log:
        taken = range(0, len(events), _ROWS)
        return sum(log.append(events[at : at + _ROWS]).result() for at in taken)


def _read(path: Path) -> pl.DataFrame:
    try:
        rows, is_text = scan_table(path)
        frame = rows.head(_MOST_ROWS + 1).collect()
    except (SourceError, pl.exceptions.PolarsError, OSError) as error:
        # The copy has a name that says nothing to anyone.
        message = str(error).splitlines()[0].replace(str(path), path.name)
        raise EventFileError(message) from error
    if frame.is_empty():
        raise EventFileError("The file holds no row.")
    if frame.height > _MOST_ROWS:
        raise EventFileError(f"The file holds more than {_MOST_ROWS:,} rows: split it.")
    return frame.select(_of_text(frame)) if is_text else frame


def _of_text(frame: pl.DataFrame) -> Iterable[pl.Expr]:
    """A cell without a sign says nothing, and a value is a number where it can be read as one."""
    for name in frame.columns:
        column = pl.col(name)
        if frame.schema[name] == pl.String and name != FAULT:
            stripped = column.str.strip_chars()
            column = pl.when(stripped != "").then(stripped).alias(name)
        yield column


def _events(
    rows: pl.DataFrame, file: EventFile, known: Collection[str], name: Callable[[str], str]
) -> Iterator[LoggedEvent]:
    """The events of the rows.

    Raises:
        EventFileError: names the first rows that are none.
    """
    faults: list[str] = []
    for row in rows.iter_rows(named=True):
        number = row.pop(ROW)
        try:
            event = _event(row, f"{file.sha256[:32]}-{number}")
            if event.item_id not in known:
                raise EventFaultError("item_id", f"The catalogue has no item {event.item_id!r}.")
            logged = logged_event(event, name)
        except (EventFaultError, ValidationError) as error:
            faults.append(f"Row {number}: {_said(error)}")
            if len(faults) == _MOST_FAULTS:
                break
            continue
        yield logged
    if faults:
        more = "\nOnly the first ones are named." if len(faults) == _MOST_FAULTS else ""
        raise EventFileError("\n".join(faults) + more)


def _event(row: dict[str, Any], derived_id: str) -> Event:
    fault = row.pop(FAULT)
    del row[SHORT]
    if fault:
        raise EventFaultError("row", fault)
    sent = {name: _sent(name, value) for name, value in row.items() if value is not None}
    if "timestamp" not in sent:
        # The service says that an event without a time happened now; of a file nobody knows.
        raise EventFaultError("timestamp", "Each row needs the time at which it happened.")
    return Event.model_validate({"event_id": derived_id, **sent})


def _sent(name: str, value: Any) -> Any:
    if name in ("value", "rank") and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    whole_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if name.endswith("_id") and whole_number else value


def _said(error: EventFaultError | ValidationError) -> str:
    if isinstance(error, EventFaultError):
        return f"{error.field}: {error}"
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{field}: {message}" if field else message
