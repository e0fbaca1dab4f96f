"""What apps report, on disk before it is acknowledged: an SQLite log that commits in groups."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from crossmodal.durable import BUSY_SECONDS, make_private, open_durable
from crossmodal.event_columns import add_missing, selected
from crossmodal.group_commit import GroupCommits
from crossmodal.log_position import START, LogPosition, end_of, place_of
from crossmodal.log_position import UNDONE as UNDONE
from crossmodal.store_errors import require_sound, store_errors_of, write_nothing

EventType = Literal["impression", "click", "play", "like", "rating", "hide", "review"]
"""What a user can have done."""

SIGNS_OF_INTEREST = frozenset({"click", "play", "like", "rating"})
"""Event types that say a user wanted an item; what a model learns a user's taste from."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    item_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    value REAL,
    text TEXT,
    request_id TEXT,
    event_timestamp INTEGER NOT NULL,
    rank INTEGER
);
CREATE INDEX IF NOT EXISTS events_of_user ON events (user_id, position);
CREATE INDEX IF NOT EXISTS acts_of_user ON events (user_id, position)
    WHERE event_type <> 'impression';
CREATE INDEX IF NOT EXISTS impressions_of_item ON events (item_id)
    WHERE event_type = 'impression';
"""
_INSERT = """
INSERT INTO events
    (event_id, user_id, item_id, event_type, value, text, request_id, event_timestamp, rank)
VALUES (
    :event_id, :user_id, :item_id, :event_type, :value, :text, :request_id, :event_timestamp, :rank
) ON CONFLICT (event_id) DO NOTHING
"""
_BY_ID = "SELECT event_type FROM events WHERE event_id = ?"
# At the end of the log, so that every reader who goes by positions hears of it; under the event's
# own id, so that the event stays undone when it is sent again; without the user's own words.
_TAKE_BACK = """
INSERT OR REPLACE INTO events (event_id, user_id, item_id, event_type, event_timestamp)
SELECT event_id, user_id, item_id, ?, event_timestamp FROM events WHERE event_id = ?
"""
_ACTS_OF_USER = """
SELECT event_id, user_id, item_id, event_type, value, text, request_id, event_timestamp, rank
FROM events WHERE user_id = ? AND event_type <> 'impression' ORDER BY position
"""
_LAST_OF_USER = """
SELECT coalesce(max(position), 0) FROM events WHERE user_id = ? AND event_type <> 'impression'
"""
_IMPRESSIONS = """
SELECT item_id, count(*) FROM events
WHERE event_type = 'impression' AND item_id IN (SELECT value FROM json_each(?)) GROUP BY item_id
"""
_CHOICES = """
SELECT position, item_id, event_timestamp, event_type = :undone FROM events
WHERE position > :after AND (
    event_type = :undone
    OR event_type IN (SELECT value FROM json_each(:signs)) AND coalesce(value, 1) > 0
) ORDER BY position
"""
_COLUMNS = "event_id, user_id, item_id, event_type, value, text, request_id, event_timestamp, rank"
_NEXT = """
SELECT position, {columns}
FROM events WHERE position > ? AND position <= ? ORDER BY position LIMIT ?
"""
_ACTS_AFTER = """
SELECT user_id, item_id, event_type, value, event_timestamp
FROM events WHERE position > ? AND event_type <> 'impression' ORDER BY position
"""
_UNDONE_AFTER = "SELECT user_id, item_id FROM events WHERE position > ? AND event_type = ?"
_MONTHS = """
SELECT DISTINCT strftime('%Y-%m', event_timestamp / 1000000, 'unixepoch') FROM events ORDER BY 1
"""
_NEW_FILE_IS = (
    "without the events that no run has taken into the lake yet, and without what users have hidden"
)


@dataclass(frozen=True)
class LoggedEvent:
    """One event as it lies in the log.

    Of an event that was undone the log keeps that there was one, as an event of the type `UNDONE`.

    Attributes:
        event_id: the app's own; a second event of the same id is the same event.
        user_id: a pseudonym, never the raw id.
        item_id: what the event is about.
        event_type: such as click.
        value: stars or strength; None where the app gave none.
        text: what the user wrote.
        request_id: of the answer that the event came from.
        event_timestamp: UTC microseconds.
        rank: of the item in that answer, from 1; None where the app did not say.
    """

    event_id: str
    user_id: str
    item_id: str
    event_type: str
    value: float | None
    text: str | None
    request_id: str | None
    event_timestamp: int
    rank: int | None = None


class Choice(NamedTuple):
    """One event of the log that shows interest in an item, or that something was undone.

    Attributes:
        position: in the log.
        item_id: what it is about.
        event_timestamp: UTC microseconds.
        undone: whether it only says that an event, of whichever kind, is no more.
    """

    position: int
    item_id: str
    event_timestamp: int
    undone: bool


def require_usable(path: Path) -> None:
    """Opens the log in a file and writes to it, once it has looked for damage.

    Raises:
        StoreError: it cannot be used.
    """
    with store_errors_of(path, _NEW_FILE_IS):
        require_sound(path)
        with closing(EventLog(path)) as log:
            # A table of another form is of something else.
            log.acts_of_user("")


def log_end(path: Path) -> LogPosition:
    """Where the log in a file ends; at its start where nothing was reported, or there is no file.

    Raises:
        StoreError: the file cannot be read.
    """
    if not path.is_file():
        return START
    with store_errors_of(path, _NEW_FILE_IS), closing(_reader(path)) as connection:
        return end_of(connection)


def last_position(path: Path) -> int:
    """The number of the position where the log in a file ends; 0 where nothing was reported.

    Raises:
        StoreError: the file cannot be read.
    """
    return log_end(path).position


def position_in(path: Path, recorded: LogPosition) -> int:
    """Up to which position of the log in a file something was taken; 0 if from another log.

    Raises:
        StoreError: the file cannot be read.
    """
    if not path.is_file():
        return 0
    with store_errors_of(path, _NEW_FILE_IS), closing(_reader(path)) as connection:
        return place_of(connection, recorded)


def read_log(path: Path, up_to: int, rows: int = 50_000) -> Iterator[list[tuple[Any, ...]]]:
    """The log up to and including a position, in its order, some rows at a time.

    Each batch is read in its own transaction: one that stayed open from the first to the last would
    keep the write-ahead log from being cut meanwhile.

    Yields:
        Rows of position and the fields of `LoggedEvent`.

    Raises:
        StoreError: the file cannot be read.
    """
    if not path.is_file():
        return
    with store_errors_of(path, _NEW_FILE_IS), closing(_reader(path)) as connection:
        query = _NEXT.format(columns=selected(connection, _COLUMNS))
        after = 0
        while batch := connection.execute(query, (after, up_to, rows)).fetchall():
            yield batch
            (after, *_) = batch[-1]


def acts_after(path: Path, position: int) -> list[tuple[Any, ...]]:
    """What users did after a position of the log in a file, in its order, impressions aside.

    Returns:
        Rows of user_id, item_id, event_type, value and event_timestamp.

    Raises:
        StoreError: the file cannot be read.
    """
    if not path.is_file():
        return []
    with store_errors_of(path, _NEW_FILE_IS), closing(_reader(path)) as connection:
        return connection.execute(_ACTS_AFTER, (position,)).fetchall()


def undone_after(path: Path, position: int) -> list[tuple[str, str]]:
    """Users and items of the events that were undone after a position of the log in a file.

    Raises:
        StoreError: the file cannot be read.
    """
    if not path.is_file():
        return []
    with store_errors_of(path, _NEW_FILE_IS), closing(_reader(path)) as connection:
        return connection.execute(_UNDONE_AFTER, (position, UNDONE)).fetchall()


def months(path: Path) -> list[str]:
    """The months, such as 1997-04, in which something was reported to the log in a file.

    Raises:
        StoreError: the file cannot be read.
    """
    if not path.is_file():
        return []
    with store_errors_of(path, _NEW_FILE_IS), closing(_reader(path)) as connection:
        return [month for (month,) in connection.execute(_MONTHS)]


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)


class EventLog:
    """A log that grows at its end, and that several processes write to and read from at once.

    One thread a process writes: batches that arrive while a commit is on its way share the next
    one, since a commit waits for the disk. What was acknowledged survives a kill of any process and
    a loss of power (write-ahead log, synchronous FULL).

    Args:
        path: of the SQLite file; made where it is missing.
        most_waiting: batches that may wait for the disk.

    Raises:
        StoreError: the file cannot be opened.
    """

    def __init__(self, path: Path, most_waiting: int = 256) -> None:
        self._path = path
        self._readers = threading.local()
        with store_errors_of(path, _NEW_FILE_IS):
            # Reviews are people's own words.
            make_private(path)
            # Made by this thread, and used by the one that writes alone.
            connection = open_durable(path, any_thread=True)
            try:
                connection.executescript(_SCHEMA)
                add_missing(connection)
                write_nothing(connection)
            except BaseException:
                connection.close()
                raise
        self._commits = GroupCommits(path, connection, most_waiting, "Events")

    def append(self, events: Sequence[LoggedEvent]) -> "Future[int]":
        """Takes a batch; the future is done once all of it is on the disk.

        Returns:
            How many events were new; those whose id was known are left out of the count.

        Raises:
            QueueFullError: too many batches wait.
            LogClosedError: the log was closed.
        """
        return self._commits.enter(partial(_insert, events=tuple(events)))

    def undo(self, event_id: str) -> "Future[int]":
        """Takes an event back; the future is done once that is on the disk.

        Returns:
            1, also where it was undone before; 0 where the log has no such event.

        Raises:
            QueueFullError: too many batches wait.
            LogClosedError: the log was closed.
        """
        return self._commits.enter(partial(_undo, event_id=event_id))

    def acts_of_user(self, user_id: str) -> list[LoggedEvent]:
        """What a user did or undid, in the order it was acknowledged, by any process.

        Without impressions, which are none of the user's doing and by far the most.
        """
        return [LoggedEvent(*row) for row in self._reader().execute(_ACTS_OF_USER, (user_id,))]

    def last_of_user(self, user_id: str) -> int:
        """The position of a user's last event, impressions aside, by any process; 0 for none."""
        (last,) = self._reader().execute(_LAST_OF_USER, (user_id,)).fetchone()
        return int(last)

    def impressions_of(self, item_ids: Sequence[str]) -> dict[str, int]:
        """How often items were shown, by any process; those that never were are left out."""
        return dict(self._reader().execute(_IMPRESSIONS, (json.dumps(list(item_ids)),)))

    def end(self) -> int:
        """Where the log ends, by any process; 0 where it is empty."""
        return end_of(self._reader()).position

    def position_of(self, recorded: LogPosition) -> int:
        """Up to which position of this log something was taken; 0 if from another log."""
        return place_of(self._reader(), recorded)

    def choices_after(self, position: int) -> list[Choice]:
        """What users wanted, or undid, after a position, in the order of the log."""
        signs = json.dumps(sorted(SIGNS_OF_INTEREST))
        parameters = {"undone": UNDONE, "after": position, "signs": signs}
        rows = self._reader().execute(_CHOICES, parameters)
        return [Choice(at, item, when, bool(undone)) for at, item, when, undone in rows]

    def why_unwritable(self) -> str | None:
        """Why no event can be written now, in words without a path; None where one can."""
        return self._commits.why_unwritable()

    def waiting(self) -> int:
        """Batches that wait for the disk."""
        return self._commits.waiting()

    def close(self) -> None:
        """Writes what waits, and takes nothing more."""
        self._commits.close()

    def _reader(self) -> sqlite3.Connection:
        """A connection of this thread: each one is used by the thread that made it."""
        if not hasattr(self._readers, "connection"):
            self._readers.connection = open_durable(self._path, must_exist=True)
        connection: sqlite3.Connection = self._readers.connection
        return connection


def _insert(connection: sqlite3.Connection, events: Sequence[LoggedEvent]) -> int:
    before = connection.total_changes
    connection.executemany(_INSERT, [vars(event) for event in events])
    return connection.total_changes - before


def _undo(connection: sqlite3.Connection, event_id: str) -> int:
    row = connection.execute(_BY_ID, (event_id,)).fetchone()
    if row is None:
        return 0
    if row[0] != UNDONE:
        connection.execute(_TAKE_BACK, (UNDONE, event_id))
    return 1
