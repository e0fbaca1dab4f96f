"""Histories as weights of items, newest first."""

import numpy as np
from scipy import sparse

from models.data import Histories


def history_matrix(
    users: Histories, n_items: int, decay: float = 1.0, last: int | None = None
) -> sparse.csr_array:
    """Weights (n_users, n_items) float32 of what each user did: decay^rank, the newest has rank 0.

    An item that a user did more than once has the weight of the newest time.

    Args:
        users: their histories.
        n_items: size of the item vocabulary.
        decay: weight of an event over that of the one after it; 1 forgets nothing.
        last: how many of the newest events count; all by default.
    """
    rank = np.repeat(users.offsets[1:], users.lengths) - 1 - np.arange(len(users.items))
    counted = np.ones(len(rank), dtype=bool) if last is None else rank < last
    owners = np.repeat(np.arange(len(users)), users.lengths)[counted]
    pairs = owners * n_items + users.items[counted]
    # The first of each pair from the end is its newest.
    newest = len(pairs) - 1 - np.unique(pairs[::-1], return_index=True)[1]
    weights = np.power(decay, rank[counted][newest], dtype=np.float32)
    # Pairs are in order, so that no sorting is left to do.
    starts = np.searchsorted(owners[newest], np.arange(len(users) + 1))
    entries = (weights, users.items[counted][newest], starts)
    return sparse.csr_array(entries, shape=(len(users), n_items))


def choice_matrix(
    users: np.ndarray, items: np.ndarray, n_users: int, n_items: int
) -> sparse.csr_array:
    """Who chose what (n_users, n_items) float32: 1 however often."""
    ones = np.ones(len(users), dtype=np.float32)
    matrix = sparse.csr_array(sparse.coo_array((ones, (users, items)), shape=(n_users, n_items)))
    matrix.data[:] = 1
    return matrix
