"""Which entries of a sparse table are kept, compiled."""

import numpy as np

from models.compiling import compiled
from models.data import Bools, Floats, Longs


@compiled
def largest_of_rows(starts: Longs, values: Floats, most: int) -> Bools:
    """Which entries (n,) of a sparse table are among the `most` of their row furthest from 0.

    Among equals, the first.

    Args:
        starts: (n_rows + 1,) where each row begins.
        values: (n,) of each entry.
        most: the largest number of entries per row.
    """
    chosen = np.ones(len(values), dtype=np.bool_)
    for row in range(len(starts) - 1):
        first, stop = starts[row], starts[row + 1]
        length = stop - first
        if length <= most:
            continue
        magnitudes = np.abs(values[first:stop])
        least = np.partition(magnitudes, length - most)[length - most]
        equal = most - (magnitudes > least).sum()
        for entry in range(length):
            if magnitudes[entry] < least:
                chosen[first + entry] = False
            elif magnitudes[entry] == least:
                chosen[first + entry] = equal > 0
                equal -= 1
    return chosen
