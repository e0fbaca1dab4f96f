"""What users wanted, or undid, since the last run: read from the log as it grows."""

import logging
import sqlite3
import threading
from array import array
from dataclasses import dataclass

import numpy as np

from crossmodal.event_log import EventLog
from models.data import Ints, Longs
from serving.champion import Champion

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Live:
    """Choices, and what was undone, that the lake of a champion does not know of.

    Attributes:
        champion: in whose indexes they are.
        end: where the log ended when they were read.
        items: (n,) dense indexes.
        timestamps: (n,) UTC microseconds.
        undone: item id and UTC microseconds of every event, of whichever kind, that was undone.
    """

    champion: Champion
    end: int
    items: Ints
    timestamps: Longs
    undone: frozenset[tuple[str, int]]


class LiveChoices:
    """Keeps the choices of the log that came after the lake's; each look reads only what is new.

    Args:
        log: of events, which any process may write to.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._forget(0)

    def of(self, champion: Champion) -> Live:
        """Every choice that was acknowledged before this call; none while the log is unreadable."""
        try:
            known, end = self._live, self._log.end()
            if known is not None and known.champion is champion and known.end == end:
                return known
            with self._lock:
                self._follow(self._log.position_of(champion.log_position), end)
                self._live = self._in_indexes_of(champion)
                return self._live
        except sqlite3.Error as error:
            _log.error("Lists for everyone go by the lake alone; the log is unreadable. %s", error)
            nothing = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
            return Live(champion, 0, *nothing, frozenset())

    def _forget(self, since: int) -> None:
        """Starts at a position of the log with nothing read.

        What is read lies in columns, since there may be millions: `_slots` says which of `_names`
        each choice is of, `_times` when it was.
        """
        self._since = self._end = since
        self._names: dict[str, int] = {}
        self._slots, self._times = array("i"), array("q")
        self._undone: set[tuple[str, int]] = set()

    def _follow(self, since: int, end: int) -> None:
        """Reads the rest of the log.

        An event that is undone leaves its place and comes again at the end of the log, with the
        type `UNDONE`. The log no longer says what it was, so it cannot be subtracted: everything
        since `since` is read again, now without it.

        Args:
            since: the position up to which the lake has everything.
            end: of the log, read before.
        """
        if since != self._since:
            self._forget(since)
        if end <= self._end:
            return
        new = self._log.choices_after(self._end)
        if any(choice.undone for choice in new):
            self._forget(since)
            new = self._log.choices_after(since)
        for choice in new:
            if choice.undone:
                self._undone.add((choice.item_id, choice.event_timestamp))
            else:
                self._slots.append(self._names.setdefault(choice.item_id, len(self._names)))
                self._times.append(choice.event_timestamp)
        # Events that are no choices move the end too; those that came after `end` are read already.
        self._end = max(end, new[-1].position if new else 0)

    def _in_indexes_of(self, champion: Champion) -> Live:
        dense = champion.log.item_ids.indexes(list(self._names))
        items = dense[np.array(self._slots, dtype=np.int32)]
        known = items >= 0
        times = np.array(self._times, dtype=np.int64)
        return Live(champion, self._end, items[known], times[known], frozenset(self._undone))
