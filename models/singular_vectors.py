"""The leading singular vectors of a sparse matrix, the same ones on every call."""

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from models.data import Floats


def leading_singular_vectors(matrix: csr_matrix, rank: int) -> tuple[Floats, Floats, Floats]:
    """U (n, r), S (r,) from the largest down, and Vᵀ (r, m) of (n, m), by ARPACK.

    It starts from draws of a fixed seed. A start of ones can lie in a subspace that the matrix
    never leaves, as where every user has one event, and ARPACK then goes on from draws that nobody
    seeded. Vectors of equal singular values are not determined by the matrix.

    Args:
        matrix: float64 or float32.
        rank: r, below n and m.
    """
    start = np.random.default_rng(0).standard_normal(min(matrix.shape))
    left, values, right = svds(matrix, k=rank, v0=start.astype(matrix.dtype))
    return left[:, ::-1], values[::-1], right[::-1]
