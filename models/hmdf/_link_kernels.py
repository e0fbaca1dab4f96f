"""Sums over past items, compiled: each user's own few rows of large sparse tables."""

import numpy as np

from models.compiling import compiled
from models.data import Bools, Floats, Ints, Longs


@compiled
def add_to_all(
    starts: Longs, columns: Ints, values: Floats, rows: Longs, weights: Floats, out: Floats
) -> None:
    """Adds weights[e] · table[rows[e]] of every past event e to out (n_items,).

    Args:
        starts: (n_rows + 1,) where each row of the table begins.
        columns: item of each entry of the table.
        values: of each entry.
        rows: (e,) rows to be added.
        weights: (e,) how much each counts.
        out: (n_items,) is added to.
    """
    for event in range(len(rows)):
        weight = weights[event]
        if weight == 0:
            continue
        for entry in range(starts[rows[event]], starts[rows[event] + 1]):
            out[columns[entry]] += weight * values[entry]


@compiled
def add_to_some(
    starts: Longs,
    columns: Ints,
    values: Floats,
    rows: Longs,
    weights: Floats,
    place: Ints,
    first: int,
    out: Floats,
) -> None:
    """Adds the rows of past events to the sums of some items, with several weights at once.

    Args:
        starts: (n_rows + 1,) where each row of the table begins.
        columns: item of each entry of the table.
        values: of each entry.
        rows: (e,) rows to be added.
        weights: (e, w) how much each counts in each of w sums.
        place: (n_items,) the row of `out` that is an item's; -1 for an item that is not asked for.
        first: column of `out` that holds the first sum.
        out: (m, s) is added to.
    """
    for event in range(len(rows)):
        begin = 0
        while begin < weights.shape[1] and weights[event, begin] == 0:
            begin += 1
        for entry in range(starts[rows[event]], starts[rows[event] + 1]):
            item = place[columns[entry]]
            if item >= 0:
                value = values[entry]
                for column in range(begin, weights.shape[1]):
                    out[item, first + column] += weights[event, column] * value


@compiled
def add_by_event(
    starts: Longs,
    columns: Ints,
    values: Floats,
    rows: Longs,
    weights: Floats,
    events: Longs,
    place: Ints,
    first: int,
    counts: Floats,
    out: Floats,
) -> None:
    """Adds what each past event says of some items to a column of its own.

    Args:
        starts: (n_rows + 1,) where each row of the table begins.
        columns: item of each entry of the table.
        values: of each entry.
        rows: (e,) rows to be added.
        weights: (e, w) how much each counts in each of w sums.
        events: (e,) column of `out` of each row.
        place: (n_items,) the row of `out` that is an item's; -1 for an item that is not asked for.
        first: column of `counts` that holds the first sum.
        counts: (m, s) how much each sum counts for each item.
        out: (m, n_events) is added to.
    """
    for row in range(len(rows)):
        for entry in range(starts[rows[row]], starts[rows[row] + 1]):
            item = place[columns[entry]]
            if item >= 0:
                for column in range(weights.shape[1]):
                    weight = weights[row, column] * counts[item, first + column]
                    out[item, events[row]] += weight * values[entry]


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
