"""Which weights of a sparse table are kept, compiled."""

import numpy as np

from models.compiling import compiled
from models.data import Bools, Floats, Longs


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
