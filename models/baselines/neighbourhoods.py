"""The most alike items of each item, by who chose both."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from models.baselines._largest_kernels import largest_of_rows
from models.baselines.cooccurrence import Windows, pair_weights


def cosines(choices: sparse.csr_array, shrinkage: float) -> Iterator[sparse.csr_array]:
    """|i ∩ j| / (√(|i| |j|) + shrinkage) of the users who chose both (Sarwar et al. 2001).

    Args:
        choices: (n_users, n_items) of ones.
        shrinkage: doubts what few users shared.

    Yields:
        Blocks (r, n_items) float32 of one item after the other; an item is not alike itself.
    """
    n_users, n_items = choices.shape
    items = choices.indices
    users = np.repeat(np.arange(n_users, dtype=np.int32), np.diff(choices.indptr))
    windows, lengths = Windows.whole(users), np.sqrt(np.bincount(items, minlength=n_items))
    first = 0
    for block in pair_weights(items, n_items, windows, np.ones(windows.longest), items, n_items):
        rows = np.repeat(np.arange(first, first + block.shape[0]), np.diff(block.indptr))
        product = lengths[rows] * lengths[block.indices]
        block.data = (block.data / np.maximum(product + shrinkage, 1e-12)).astype(np.float32)
        yield block
        first += block.shape[0]


def largest(weights: sparse.csr_array, most: int) -> sparse.csr_array:
    """The `most` entries of each row that are furthest from 0; among equals, the first."""
    starts = weights.indptr.astype(np.int64)
    chosen = largest_of_rows(starts, weights.data.astype(np.float32), most)
    lengths = np.minimum(np.diff(starts), most)
    parts = (
        weights.data[chosen],
        weights.indices[chosen],
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
    )
    kept = sparse.csr_array(parts, shape=weights.shape)
    kept.eliminate_zeros()
    return kept
