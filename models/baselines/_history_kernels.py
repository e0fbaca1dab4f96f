"""Histories as weights of items, and what they ask of a factorisation, compiled."""

import numpy as np

from models.compiling import compiled
from models.data import Floats, Ints, Longs


@compiled
def newest_of_each_item(
    offsets: Longs,
    items: Ints,
    weights: Floats,
    marks: Longs,
    starts: Longs,
    columns: Ints,
    values: Floats,
) -> int:
    """The newest event of each item in each history, items ascending; how many there are.

    Args:
        offsets: (n_users + 1,) where each history begins.
        items: (n_events,) of the histories, oldest first.
        weights: (w,) of an event by how many came after it; events with more of them do not count.
        marks: (n_items,) all -1; is changed.
        starts: (n_users + 1,) is filled: where each user's items begin.
        columns: (n_events,) its beginning is filled: the items.
        values: (n_events,) its beginning is filled: their weights.
    """
    stop = 0
    for user in range(len(offsets) - 1):
        starts[user] = stop
        first, last = offsets[user], offsets[user + 1]
        for rank in range(min(last - first, len(weights))):
            item = items[last - 1 - rank]
            if marks[item] < starts[user]:
                marks[item] = stop
                columns[stop], values[stop] = item, weights[rank]
                stop += 1
        own = slice(starts[user], stop)
        order = np.argsort(columns[own])
        columns[own], values[own] = columns[own][order], values[own][order]
    starts[-1] = stop
    return stop


@compiled
def add_choices(
    starts: Longs,
    columns: Ints,
    values: Floats,
    vectors: Floats,
    confidence: float,
    left: Floats,
    right: Floats,
) -> None:
    """Adds what each user chose to the two sides of the equations of his vector.

    Args:
        starts: (n_users + 1,) where each user's items begin.
        columns: their items.
        values: w, how much each counts.
        vectors: Y (n_items, f) of the items.
        confidence: α.
        left: (n_users, f, f); α Σ_i w_i y_i y_iᵀ is added.
        right: (n_users, f); (1 + α) Σ_i w_i y_i is added.
    """
    alpha = np.float32(confidence)
    for user in range(len(starts) - 1):
        for entry in range(starts[user], starts[user + 1]):
            vector, weight = vectors[columns[entry]], values[entry]
            for row in range(len(vector)):
                share = alpha * weight * vector[row]
                for column in range(len(vector)):
                    left[user, row, column] += share * vector[column]
                right[user, row] += (1 + alpha) * weight * vector[row]
