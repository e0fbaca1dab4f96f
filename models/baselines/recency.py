"""Histories as weights of items, newest first."""

from typing import NamedTuple

import numpy as np
from scipy import sparse

from models.baselines._history_kernels import newest_of_each_item
from models.data import Floats, Histories, Ints, Longs


class HistoryWeights(NamedTuple):
    """What each user did, row by row as in a CSR matrix, the items of a row ascending.

    Attributes:
        starts: (n_users + 1,) where each row begins.
        items: (n,) dense indexes.
        weights: (n,) float32.
    """

    starts: Longs
    items: Ints
    weights: Floats


def history_weights(
    users: Histories, n_items: int, decay: float = 1.0, last: int | None = None
) -> HistoryWeights:
    """Weights of each user's events: decay^rank, where the newest has rank 0.

    An item with several events of a user has the weight of the newest.

    Args:
        users: their histories.
        n_items: size of the item vocabulary.
        decay: weight of an event divided by that of the next one; 1 forgets nothing.
        last: how many of the newest events count; all by default.
    """
    longest = int(users.lengths.max(initial=0))
    ranks = np.arange(longest if last is None else min(last, longest))
    buffers = HistoryWeights(
        np.empty(len(users) + 1, dtype=np.int64),
        np.empty(len(users.items), dtype=np.int32),
        np.empty(len(users.items), dtype=np.float32),
    )
    marks = np.full(n_items, -1, dtype=np.int64)
    by_rank = np.power(decay, ranks, dtype=np.float32)
    stop = newest_of_each_item(users.offsets, users.items, by_rank, marks, *buffers)
    return HistoryWeights(buffers.starts, buffers.items[:stop], buffers.weights[:stop])


def history_matrix(
    users: Histories, n_items: int, decay: float = 1.0, last: int | None = None
) -> sparse.csr_array:
    """`history_weights` as a matrix (n_users, n_items) float32."""
    starts, items, weights = history_weights(users, n_items, decay, last)
    return sparse.csr_array((weights, items, starts), shape=(len(users), n_items))


def choice_matrix(
    users: np.ndarray, items: np.ndarray, n_users: int, n_items: int
) -> sparse.csr_array:
    """Who chose what (n_users, n_items) float32: 1 however often."""
    ones = np.ones(len(users), dtype=np.float32)
    matrix = sparse.csr_array(sparse.coo_array((ones, (users, items)), shape=(n_users, n_items)))
    matrix.data[:] = 1
    return matrix
