"""Histories as weights of items, and what they ask of a factorisation, compiled."""

import numpy as np

from models.compiling import compiled, compiled_in_any_order
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
    """Finds the newest event of each item in each history, items ascending; returns their number.

    Args:
        offsets: (n_users + 1,) where each history begins.
        items: (n_events,) of the histories, oldest first.
        weights: (w,) by how many events came after; an event with w or more after it is ignored.
        marks: (n_items,) all -1; is changed.
        starts: (n_users + 1,) is filled with where each user's items begin.
        columns: (n_events,) its beginning is filled with the items.
        values: (n_events,) its beginning is filled with their weights.
    """
    stop = 0
    for user in range(len(offsets) - 1):
        starts[user] = stop
        first, last = offsets[user], offsets[user + 1]
        for rank in range(min(last - first, len(weights))):
            item = items[last - 1 - rank]
            # A mark below starts[user] is -1 or was left by an earlier user: not met yet.
            if marks[item] < starts[user]:
                marks[item] = stop
                columns[stop], values[stop] = item, weights[rank]
                stop += 1
        span = slice(starts[user], stop)
        order = np.argsort(columns[span])
        columns[span], values[span] = columns[span][order], values[span][order]
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


@compiled_in_any_order
def add_own_products(
    starts: Longs, columns: Ints, values: Floats, others: Floats, x: Floats, out: Floats
) -> None:
    """Adds Σ_i w_i y_i (y_i · x_n) over the choices i of each row n.

    Args:
        starts: (n + 1,) where the choices of each row begin.
        columns: their items.
        values: w, how much each counts.
        others: Y (m, f).
        x: (n, f).
        out: (n, f) is added to.
    """
    for row in range(len(starts) - 1):
        for entry in range(starts[row], starts[row + 1]):
            vector = others[columns[entry]]
            product = np.float32(0)
            for factor in range(len(vector)):
                product += vector[factor] * x[row, factor]
            product *= values[entry]
            for factor in range(len(vector)):
                out[row, factor] += product * vector[factor]
