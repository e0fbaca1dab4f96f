"""How often, and how closely, items stand together in histories, compiled."""

import numpy as np
from numpy.typing import NDArray

from models.compiling import compiled
from models.data import Floats, Ints, Longs

_SPARSE = 16
"""Above one item in so many, all items are looked through in order, and not sorted."""


@compiled
def weigh_pairs(
    order: Longs,
    starts: Longs,
    items: Ints,
    begins: Longs,
    ends: Longs,
    weights: NDArray[np.float64],
    n_items: int,
    row_ends: Longs,
    columns: Ints,
    values: Floats,
) -> int:
    """Sums the weights of the pairs of each row, columns ascending; returns their number.

    Args:
        order: (n_events,) events, row by row.
        starts: (n_rows + 1,) where the events of each row begin in `order`.
        items: (n_events,) the column of each event as the second of a pair.
        begins: (n_events,) the first event that is paired with each.
        ends: (n_events,) the one after the last; an event is never paired with itself.
        weights: (longest,) of a pair by the distance between its events less 1.
        n_items: size of the item vocabulary.
        row_ends: (n_rows,) is filled with where each row ends.
        columns: (room,) its beginning is filled with the items.
        values: (room,) its beginning is filled with their sums.
    """
    sums = np.zeros(n_items, dtype=np.float64)
    met = np.empty(n_items, dtype=np.int32)
    stop = 0
    for row in range(len(starts) - 1):
        events = order[starts[row] : starts[row + 1]]
        pairs = (ends[events] - begins[events]).sum()
        if pairs * _SPARSE > n_items:
            for event in events:
                _add(items, begins[event], ends[event], event, weights, sums)
            for item in range(n_items):
                if sums[item] != 0:
                    columns[stop], values[stop] = item, sums[item]
                    stop += 1
            sums[:] = 0
        else:
            count = 0
            for event in events:
                count = _meet(items, begins[event], ends[event], event, sums, met, count)
                _add(items, begins[event], ends[event], event, weights, sums)
            for item in np.sort(met[:count]):
                if sums[item] != 0:
                    columns[stop], values[stop] = item, sums[item]
                    sums[item] = 0
                    stop += 1
        row_ends[row] = stop
    return stop


# Indexes without a sign, since numba would else ask each time whether they are below 0.
@compiled
def _add(
    items: Ints,
    begin: int,
    end: int,
    event: int,
    weights: NDArray[np.float64],
    sums: NDArray[np.float64],
) -> None:
    """Adds the weights of the pairs of one event."""
    for other in range(np.uint64(begin), np.uint64(event)):
        sums[np.uint64(items[other])] += weights[np.uint64(event) - other - np.uint64(1)]
    for other in range(np.uint64(max(begin, event + 1)), np.uint64(end)):
        sums[np.uint64(items[other])] += weights[other - np.uint64(event) - np.uint64(1)]


@compiled
def _meet(
    items: Ints, begin: int, end: int, event: int, sums: NDArray[np.float64], met: Ints, count: int
) -> int:
    """Collects the items of the pairs of one event, some of them twice; how many there are then."""
    for other in range(begin, end):
        if other != event and sums[items[other]] == 0:
            met[count] = items[other]
            count += 1
    return count


@compiled
def leave_out_far(timestamps: Longs, most: int, begins: Longs, ends: Longs) -> None:
    """Moves the bounds of each event's window to the events that are near to it in time.

    Args:
        timestamps: (n_events,) ascending within a window.
        most: the largest distance.
        begins: (n_events,) the first event of each window; is changed.
        ends: (n_events,) the one after the last; is changed.
    """
    for event in range(len(timestamps)):
        while timestamps[event] - timestamps[begins[event]] > most:
            begins[event] += 1
        while timestamps[ends[event] - 1] - timestamps[event] > most:
            ends[event] -= 1


@compiled
def add_gram(starts: Longs, columns: Ints, by_column: Longs, rows: Ints, gram: Floats) -> None:
    """Adds XᵀX of a matrix X of ones, as far as it lies on or below the diagonal.

    Args:
        starts: (n + 1,) where each row of X begins.
        columns: of its entries, ascending in each row.
        by_column: (m + 1,) where each column of X begins.
        rows: of its entries, column by column.
        gram: (m, m) is added to.
    """
    for column in range(len(by_column) - 1):
        sums = gram[column]
        for entry in range(by_column[column], by_column[column + 1]):
            row = rows[entry]
            for other in range(np.uint64(starts[row]), np.uint64(starts[row + 1])):
                if columns[other] > column:
                    break
                sums[np.uint64(columns[other])] += np.float32(1)
