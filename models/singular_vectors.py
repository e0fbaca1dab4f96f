"""The leading singular vectors of a sparse matrix, the same ones on every call."""

import logging

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import ArpackError, svds

from models.data import Floats, Longs

_log = logging.getLogger(__name__)
_FEW_NUMBERS = 1_000_000
"""8 MB: so small a matrix is decomposed whole, faster than it is worth a thought."""


def leading_singular_vectors(matrix: csr_matrix, rank: int) -> tuple[Floats, Floats, Floats]:
    """U (n, r), S (r,) from the largest down, and Vᵀ (r, m) of (n, m); zeros beyond what it has.

    A small matrix is decomposed whole. For a large one ARPACK starts from draws of a fixed seed: a
    start of ones can lie in a subspace that the matrix never leaves, as where every user has one
    event, and ARPACK then goes on from draws that nobody seeded. It gives up on some matrices of
    fewer singular values above zero than are asked for; they are decomposed whole, too. Vectors of
    equal singular values are not determined by the matrix.

    Args:
        matrix: float64 or float32.
        rank: r.
    """
    rows, columns = (np.flatnonzero(matrix.getnnz(axis=axis)) for axis in (1, 0))
    sides = sorted((len(rows), len(columns)))
    if sides[0] * sides[1] <= _FEW_NUMBERS or sides[0] <= rank + 1:
        return _whole(matrix, rows, columns, rank)
    start = np.random.default_rng(0).standard_normal(min(matrix.shape))
    try:
        left, values, right = svds(matrix, k=rank, v0=start.astype(matrix.dtype))
    except ArpackError:
        _log.info("ARPACK gave up on a matrix of %d x %d; it is decomposed whole.", *matrix.shape)
        return _whole(matrix, rows, columns, rank)
    return left[:, ::-1], values[::-1], right[::-1]


def _whole(
    matrix: csr_matrix, rows: Longs, columns: Longs, rank: int
) -> tuple[Floats, Floats, Floats]:
    """The same from a dense decomposition of the rows and columns that hold anything."""
    left = np.zeros((matrix.shape[0], rank), dtype=matrix.dtype)
    values = np.zeros(rank, dtype=matrix.dtype)
    right = np.zeros((rank, matrix.shape[1]), dtype=matrix.dtype)
    inner, singular_values, outer = np.linalg.svd(
        matrix[rows][:, columns].toarray(), full_matrices=False
    )
    size = min(rank, len(singular_values))
    left[rows, :size], values[:size] = inner[:, :size], singular_values[:size]
    right[:size, columns] = outer[:size]
    return left, values, right
