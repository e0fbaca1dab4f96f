"""Events of an item within some days, compiled."""

import numpy as np
from numpy.typing import NDArray

from models.compiling import compiled
from models.data import Ints, Longs


@compiled
def events_within(
    times: Longs, starts: Longs, items: Ints, now: NDArray[np.float64], backs: Longs, out: Longs
) -> None:
    """How many events each item had, in each of p stretches of time before an instant.

    Args:
        times: (n,) of all events, sorted by item, then time.
        starts: (n_items + 1,) where each item's times begin.
        items: (r,) dense indexes.
        now: (r,) the instant, in the unit of the times; NaN for an unknown one, with no events.
        backs: (p,) how far back each stretch reaches, its beginning included.
        out: (r, p) is filled.
    """
    for row in range(len(items)):
        if np.isnan(now[row]):
            out[row] = 0
            continue
        own = times[starts[items[row]] : starts[items[row] + 1]]
        instant = np.int64(now[row])
        upper = np.searchsorted(own, instant)
        for place in range(len(backs)):
            out[row, place] = upper - np.searchsorted(own, instant - backs[place])
