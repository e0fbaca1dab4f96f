"""Sums over past items, compiled: each user's own few rows of large sparse tables."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiling import compiled
from models.data import Bools, Floats, Ints, Longs

Doubles = NDArray[np.float64]


class LinkTable(NamedTuple):
    """Weights of several kinds of links row by row, and how a history is read to sum them.

    Attributes:
        n_items: size of the item vocabulary.
        kinds: lasting kinds. Row k · n_items + i is item i in kind k; after them, period by period,
            come the contemporary weights.
        starts: (rows + 1,) where each row begins.
        columns: item of each weight.
        values: the weights.
        lasting: (longest, w) how much the newest events of a history, the newest first, count in
            each of w windows.
        changing: (longest, v) the same in the v windows of the contemporary weights.
        middles: (periods,) in days.
        memories: (m,) days in which a period that is so far from now counts e times less.
    """

    n_items: int
    kinds: int
    starts: Longs
    columns: Ints
    values: Floats
    lasting: Floats
    changing: Floats
    middles: Doubles
    memories: Doubles


class Sums(NamedTuple):
    """Room for the sums of one user, which is cleared for the next.

    Attributes:
        values: (kinds + 1, n_items, w) the sums in each window; those of the contemporary weights
            are the last. An item is met by a kind where the sum in its longest window is not 0.
        met: (kinds + 1, n_items) the items met by each kind, in the order in which they were.
        counts: (kinds + 1,) how many.
    """

    values: Floats
    met: Ints
    counts: Longs


@compiled
def add_past(table: LinkTable, past: Ints, now: float, room: Sums) -> None:
    """Sums the links of one user's past items.

    Args:
        table: the links.
        past: (n_events,) items of the history, oldest first.
        now: the day of the newest event.
        room: empty; is filled.
    """
    for kind in range(table.kinds):
        for rank in range(min(len(past), len(table.lasting))):
            row = kind * table.n_items + past[len(past) - 1 - rank]
            _add_row(table, row, table.lasting[rank], kind, room)
    near = _nearness(table, now)
    weights = np.empty(table.changing.shape[1] * near.shape[1], dtype=np.float32)
    for rank in range(min(len(past), len(table.changing))):
        item = past[len(past) - 1 - rank]
        for period in range(len(near)):
            row = (table.kinds + period) * table.n_items + item
            _multiply(table.changing[rank], near[period], weights)
            _add_row(table, row, weights, table.kinds, room)


@compiled
def gather(table: LinkTable, room: Sums, item: int, out: Floats) -> None:
    """Every sum (s,) of one item into `out`: kind by kind, the contemporary ones last."""
    windows = table.lasting.shape[1]
    for column in range(len(out)):
        kind = min(column // windows, table.kinds)
        out[column] = room.values[kind, item, column - kind * windows]


@compiled
def clear(room: Sums) -> None:
    """Empties the room."""
    for kind in range(len(room.counts)):
        for item in room.met[kind, : room.counts[kind]]:
            room.values[kind, item] = 0
        room.counts[kind] = 0


@compiled
def add_by_event(
    table: LinkTable, past: Ints, now: float, place: Ints, counts: Floats, out: Floats
) -> None:
    """Adds what each past event says of some items to a column of its own.

    Args:
        table: the links.
        past: (n_events,) items of the history, oldest first.
        now: the day of the newest event.
        place: (n_items,) the row of `out` that is an item's; -1 for an item that is not asked for.
        counts: (m, s) how much each sum counts for each item.
        out: (m, n_events) is added to.
    """
    windows = table.lasting.shape[1]
    near = _nearness(table, now)
    first = table.kinds * windows
    weights = np.empty(table.changing.shape[1] * near.shape[1], dtype=np.float32)
    for rank in range(min(len(past), len(table.lasting))):
        event = len(past) - 1 - rank
        for kind in range(table.kinds):
            row = kind * table.n_items + past[event]
            _add_of_event(
                table, row, table.lasting[rank], kind * windows, place, counts, out, event
            )
        if rank < len(table.changing):
            for period in range(len(near)):
                row = (table.kinds + period) * table.n_items + past[event]
                _multiply(table.changing[rank], near[period], weights)
                _add_of_event(table, row, weights, first, place, counts, out, event)


@compiled
def _nearness(table: LinkTable, now: float) -> Floats:
    """How much each period counts now, in each memory (periods, m)."""
    days = np.abs(now - table.middles)
    found = np.empty((len(days), len(table.memories)), dtype=np.float32)
    for memory in range(len(table.memories)):
        found[:, memory] = np.exp(-days / table.memories[memory])
    return found


@compiled
def _multiply(windows: Floats, near: Floats, out: Floats) -> None:
    """Each window's weight times each memory's into out (v · m,)."""
    for window in range(len(windows)):
        for memory in range(len(near)):
            out[window * len(near) + memory] = windows[window] * near[memory]


@compiled
def _add_row(table: LinkTable, row: int, weights: Floats, kind: int, room: Sums) -> None:
    """Adds a row of weights to the sums of a kind."""
    values, longest = room.values[kind], len(weights) - 1
    begin = 0
    while begin < longest and weights[begin] == 0:
        begin += 1
    count = room.counts[kind]
    for entry in range(table.starts[row], table.starts[row + 1]):
        item, value = table.columns[entry], table.values[entry]
        if values[item, longest] == 0:
            room.met[kind, count] = item
            count += 1
        for window in range(begin, longest + 1):
            values[item, window] += weights[window] * value
    room.counts[kind] = count


@compiled
def _add_of_event(
    table: LinkTable,
    row: int,
    weights: Floats,
    first: int,
    place: Ints,
    counts: Floats,
    out: Floats,
    event: int,
) -> None:
    for entry in range(table.starts[row], table.starts[row + 1]):
        asked = place[table.columns[entry]]
        if asked >= 0:
            for window in range(len(weights)):
                weight = weights[window] * counts[asked, first + window]
                out[asked, event] += weight * table.values[entry]


@compiled
def largest_of_rows(starts: Longs, values: Floats, kept: int) -> Bools:
    """Which entries (n,) of a sparse table are the `kept` of their row that are furthest from 0.

    Among equal ones the first.

    Args:
        starts: (n_rows + 1,) where each row begins.
        values: (n,) of each entry.
        kept: at most so many of a row.
    """
    chosen = np.ones(len(values), dtype=np.bool_)
    for row in range(len(starts) - 1):
        first, stop = starts[row], starts[row + 1]
        length = stop - first
        if length <= kept:
            continue
        own = np.abs(values[first:stop])
        least = np.partition(own, length - kept)[length - kept]
        equal = kept - (own > least).sum()
        for entry in range(length):
            if own[entry] < least:
                chosen[first + entry] = False
            elif own[entry] == least:
                chosen[first + entry] = equal > 0
                equal -= 1
    return chosen
