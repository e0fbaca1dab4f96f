"""What each past event says of a few items, compiled.

What a table holds and how it is read: see `models.hmdf._candidate_kernels`. No function of that
module is called here, since machine code that is kept would not notice where it changes.
"""

import numpy as np

from models.compiling import compiled
from models.data import Floats, Ints, Longs
from models.hmdf._candidate_kernels import LinkTable


@compiled
def add_by_event(
    table: LinkTable, past: Ints, near: Floats, place: Ints, counts: Floats, out: Floats
) -> None:
    """Adds what each past event says of some items, to a column per event.

    Args:
        table: the links.
        past: (n_events,) items of the history, oldest first.
        near: (periods, m) how much each period counts now.
        place: (n_items,) the row of `out` of each item; -1 for an item that is not asked for.
        counts: (m, s) how much each sum counts for each item.
        out: (m, n_events) is added to.
    """
    windows, memories = table.lasting.shape[1], near.shape[1]
    columns, values = table.columns, table.values
    first_changing = table.kinds * windows
    weights = np.empty(table.changing.shape[1] * memories, dtype=np.float32)
    hits = np.empty(len(place) + 1, dtype=np.int64)
    for rank in range(min(len(past), len(table.lasting))):
        event = len(past) - 1 - rank
        for kind in range(table.kinds):
            row = kind * table.n_items + past[event]
            n_hits = _asked_in(columns, table.starts, row, table.read[rank], place, hits)
            for hit in range(n_hits):
                target = place[columns[hits[hit]]]
                for window in range(windows):
                    weight = table.lasting[rank, window] * counts[target, kind * windows + window]
                    out[target, event] += weight * values[hits[hit]]
        if rank >= len(table.changing):
            continue
        for period in range(len(near)):
            row = (table.kinds + period) * table.n_items + past[event]
            n_hits = _asked_in(columns, table.starts, row, table.read[rank], place, hits)
            if not n_hits:
                continue
            for column in range(len(weights)):
                window, memory = divmod(column, memories)
                weights[column] = table.changing[rank, window] * near[period, memory]
            for hit in range(n_hits):
                target = place[columns[hits[hit]]]
                for column in range(len(weights)):
                    weight = weights[column] * counts[target, first_changing + column]
                    out[target, event] += weight * values[hits[hit]]


@compiled
def _asked_in(columns: Ints, starts: Longs, row: int, most: int, place: Ints, hits: Longs) -> int:
    """Fills `hits` with the first weights of a row that are of asked items; returns how many."""
    first = starts[row]
    stop = min(first + most, starts[row + 1])
    n_hits = 0
    for entry in range(np.uint64(first), np.uint64(stop)):
        hits[n_hits] = entry
        # No branch, as few are and no processor predicts which. An unsigned index, since numba
        # would otherwise check each time whether it is negative.
        n_hits += place[np.uint64(columns[entry])] >= 0
    return n_hits
