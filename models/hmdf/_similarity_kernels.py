"""Cosines between candidates and what was chosen, compiled."""

import numpy as np

from models.compiling import compiled
from models.data import Bools, Floats, Ints, Longs


@compiled
def cosines_of(
    vectors: Floats,
    present: Bools,
    past: Ints,
    offsets: Longs,
    weights: Floats,
    items: Ints,
    ends: Longs,
    out: Floats,
    first: int,
) -> None:
    """Cosines of each user's candidates to the weighted means of what the user chose.

    Args:
        vectors: (n_items, d) unit vectors; zeros where an item has none.
        present: (n_items,) which items have one.
        past: (n_events,) items of the histories, oldest first.
        offsets: (n_users + 1,) where each history begins.
        weights: (longest, w) of the newest events, the newest first, in each of w means.
        items: (r,) candidates, user by user.
        ends: (n_users + 1,) where each user's candidates begin.
        out: (r, at least first + w), w of its columns are filled; NaN where the item or the history
            has no vector.
        first: the first of these columns.
    """
    longest, n_means = weights.shape
    width = vectors.shape[1]
    for user in range(len(offsets) - 1):
        means = np.zeros((n_means, width), dtype=np.float32)
        begin, end = offsets[user], offsets[user + 1]
        for rank in range(min(longest, end - begin)):
            item = past[end - 1 - rank]
            for mean in range(n_means):
                weight = weights[rank, mean]
                if weight > 0 and present[item]:
                    for d in range(width):
                        means[mean, d] += weight * vectors[item, d]
        for mean in range(n_means):
            length = np.sqrt((means[mean] * means[mean]).sum())
            if length > 0:
                means[mean] /= length
            for row in range(ends[user], ends[user + 1]):
                item = items[row]
                if length == 0 or not present[item]:
                    out[row, first + mean] = np.nan
                    continue
                total = np.float32(0)
                for d in range(width):
                    total += means[mean, d] * vectors[item, d]
                out[row, first + mean] = total
