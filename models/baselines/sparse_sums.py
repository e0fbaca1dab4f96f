"""Sums over histories of sparse rows, an item's row for each event: item-to-item models' scores."""

import numpy as np
from scipy import sparse

from models.data import Floats, Ints
from models.distinct import distinct

_DENSE_CELLS_PER_ENTRY = 2
"""Up to so many cells of the weights for each that is not 0, the product of dense weights is
faster, though it reads every row for every history."""


def sums_over(history: sparse.csr_array, rows: sparse.csr_array, items: Ints | None) -> Floats:
    """Σ_i h_ui R_ij of histories h (n_users, n) and rows R (n, m): (n_users, k) of `items`.

    Only the rows of items that some history has are read, and only the columns in `items`. The
    terms are always added in the order of i, so a sum is the same number whichever columns are
    asked for.

    Args:
        history: sorted by column within each row.
        rows: of each item that can be in a history.
        items: (k,) columns; all m by default.
    """
    done = distinct(history.indices)
    done_rows, weights = rows[done], history[:, done]
    if items is None:
        return _product(weights, done_rows)
    wanted, places = np.unique(items, return_inverse=True)
    return _product(weights, _columns(done_rows, wanted))[:, places]


def _product(weights: sparse.csr_array, rows: sparse.csr_array) -> Floats:
    if weights.shape[0] * weights.shape[1] <= _DENSE_CELLS_PER_ENTRY * weights.nnz:
        # Histories that share their items, as one alone does: no row is read for nothing.
        return np.asarray((rows.T @ weights.toarray().T).T, dtype=np.float32)
    return np.asarray((weights @ rows).toarray(), dtype=np.float32)


def _columns(rows: sparse.csr_array, wanted: Ints) -> sparse.csr_array:
    """The columns `wanted` (k,), ascending and distinct. SciPy would sort all to find them."""
    place = np.full(rows.shape[1], -1, dtype=rows.indices.dtype)
    place[wanted] = np.arange(len(wanted))
    positions = place[rows.indices]
    present = positions >= 0
    starts = np.append(0, np.cumsum(present))[rows.indptr].astype(rows.indptr.dtype)
    shape = (rows.shape[0], len(wanted))
    return sparse.csr_array((rows.data[present], positions[present], starts), shape=shape)
