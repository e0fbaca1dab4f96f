"""In which order the weights of a sparse table are kept, compiled."""

import numpy as np

from models.compiling import compiled
from models.data import Floats, Longs


@compiled
def largest_first(starts: Longs, values: Floats) -> Longs:
    """Where the entries (n,) of a sparse table are, each row's from the largest to the smallest.

    Among equals, the first comes first.

    Args:
        starts: (n_rows + 1,) where each row begins.
        values: (n,) of each entry.
    """
    order = np.empty(len(values), dtype=np.int64)
    for row in range(len(starts) - 1):
        first, stop = starts[row], starts[row + 1]
        order[first:stop] = first + np.argsort(-values[first:stop], kind="mergesort")
    return order
