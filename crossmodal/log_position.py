"""Up to where a table has the events of which log: what is newer than a table is found by it."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossmodal.lake import Lake

UNDONE = "undone"
"""The type that the log gives to what is left of an event that was undone."""

_END = "SELECT position, event_id FROM events ORDER BY position DESC LIMIT 1"
_PLACE = "SELECT position, event_type FROM events WHERE event_id = ?"


@dataclass(frozen=True)
class LogPosition:
    """A position of a log, and the event that tells this log from another one.

    A log may be moved away, or an older copy of it be put back: then the same number is the
    position of another event. What was recorded of such a log says nothing of the one in force.

    Attributes:
        position: of the last event that was taken; 0 for the start of any log.
        event_id: of that event; empty at the start, and where an older version recorded it.
    """

    position: int = 0
    event_id: str = ""

    @staticmethod
    def of(lake: Lake, table: str) -> "LogPosition | None":
        """What the summary of a table recorded; None where it recorded nothing."""
        summary = lake.version(table).summary if lake.exists(table) else {}
        return LogPosition.read(summary)

    @staticmethod
    def read(summary: Mapping[str, Any]) -> "LogPosition | None":
        """The inverse of `summary`."""
        position = summary.get("position")
        if position is None:
            return None
        return LogPosition(int(position), summary.get("position_event", ""))

    def summary(self) -> dict[str, Any]:
        """Figures for the summary of a table that has everything up to here."""
        return {"position": self.position, "position_event": self.event_id}


START = LogPosition()
"""Where every log begins."""


def end_of(connection: sqlite3.Connection) -> LogPosition:
    """Where a log ends."""
    row = connection.execute(_END).fetchone()
    return LogPosition(*row) if row else START


def place_of(connection: sqlite3.Connection, recorded: LogPosition) -> int:
    """The position up to which the recorded state has all of a log; 0 for another log."""
    if not recorded.event_id:
        return recorded.position if recorded.position <= end_of(connection).position else 0
    row = connection.execute(_PLACE, (recorded.event_id,)).fetchone()
    if row is None:
        return 0
    # An event that was undone has moved to the end of its log.
    position, event_type = row
    moved = event_type == UNDONE and position > recorded.position
    return recorded.position if moved or position == recorded.position else 0
