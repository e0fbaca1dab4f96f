"""What had been written about an item by then: the mean of its reviews, month by month."""

import numpy as np
from numpy.typing import NDArray

from models.data import Floats, Ints, Longs


def cumulative_reviews(
    items: Ints, timestamps: Longs, vectors: Floats
) -> tuple[Ints, Longs, Floats]:
    """One row an item and calendar month (UTC) in which it was reviewed.

    A row is the mean of all reviews up to the month's last one. It is known a microsecond after
    that one was written, so that a read strictly before an instant never sees a review of the
    same instant.

    Args:
        items: (n,) dense item index of each review, in any order.
        timestamps: (n,) UTC microseconds.
        vectors: (n, d) of each review.

    Returns:
        items (m,), known_at (m,) and means (m, d) float32, sorted by item, then known_at.
    """
    order = np.lexsort((timestamps, items))
    sorted_items, sorted_times = items[order], timestamps[order]
    month = sorted_times.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    last = _ends(sorted_items, month)
    starts = np.searchsorted(sorted_items, sorted_items[last], side="left")
    running = np.zeros((len(order) + 1, vectors.shape[1]))
    np.cumsum(vectors[order], axis=0, dtype=np.float64, out=running[1:])
    counts = (last + 1 - starts)[:, None]
    means = ((running[last + 1] - running[starts]) / counts).astype(np.float32)
    return sorted_items[last].astype(np.int32), sorted_times[last] + 1, means


def _ends(items: NDArray[np.integer], months: NDArray[np.integer]) -> NDArray[np.intp]:
    """Last position of each run of equal item and month."""
    if not len(items):
        return np.zeros(0, dtype=np.intp)
    changes = (np.diff(items) != 0) | (np.diff(months) != 0)
    return np.append(np.flatnonzero(changes), len(items) - 1)
