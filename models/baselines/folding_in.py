"""Vectors of users who were not there when a factorisation was made, from their histories."""

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from models.baselines._history_kernels import add_choices
from models.baselines.recency import HistoryWeights
from models.data import Bools, Floats, Ints, Longs

_USERS_AT_ONCE = 256
_SHORT = 0.5
"""A user with at most so many choices per factor is solved by choices, since that is faster."""


def fold_in(
    history: HistoryWeights, vectors: Floats, gram: Floats, confidence: float, strength: float
) -> Floats:
    """Vectors x (n_users, f) of (YᵀY + λI + α Σ_i w_i y_i y_iᵀ) x = (1 + α) Σ_i w_i y_i over a
    user's choices i, solved exactly.

    A user with many choices has one equation per factor. One with few has one per choice (by the
    matrix inversion lemma). What is solved for one user does not depend on the others.

    Args:
        history: how much each event counts, at most 1.
        vectors: Y (n_items, f) of the items.
        gram: YᵀY (f, f) over those that a user could have chosen.
        confidence: α.
        strength: λ.
    """
    factors = vectors.shape[1]
    ridge = gram + strength * np.eye(factors, dtype=np.float32)
    lengths = np.diff(history.starts)
    found = np.zeros((len(lengths), factors), dtype=np.float32)
    short = (lengths > 0) & (lengths <= _SHORT * factors)
    if not np.isfinite(ridge).all():
        # Damaged weights have no Cholesky factor; whoever ranks by them must see that they are.
        short[:] = False
    _by_choices(history, vectors, ridge, confidence, short, found)
    long = np.flatnonzero(~short & (lengths > 0))
    for begin in range(0, len(long), _USERS_AT_ONCE):
        rows = long[begin : begin + _USERS_AT_ONCE]
        found[rows] = _by_factors(_of(history, rows), vectors, ridge, confidence)
    return found


def _by_factors(
    history: HistoryWeights, vectors: Floats, ridge: Floats, confidence: float
) -> Floats:
    """Vectors (n_users, f), one equation per factor."""
    left = np.repeat(ridge[None], len(history.starts) - 1, axis=0)
    right = np.zeros(left.shape[:2], dtype=np.float32)
    add_choices(*history, vectors, confidence, left, right)
    return np.asarray(np.linalg.solve(left, right[..., None])[..., 0])


def _by_choices(
    history: HistoryWeights,
    vectors: Floats,
    ridge: Floats,
    confidence: float,
    short: Bools,
    found: Floats,
) -> None:
    """Writes into `found` the rows of the users that `short` marks, one equation per choice.

    With LLᵀ the ridge and U = L⁻¹ Yᵀ √(αW), x = L⁻ᵀ U (I + UᵀU)⁻¹ √W 1 (1 + α) / √α.
    """
    if not short.any():
        return
    lengths = np.diff(history.starts)
    factor = cholesky(ridge, lower=True)
    items, places = np.unique(
        history.items[np.repeat(short, lengths)].astype(np.int64), return_inverse=True
    )
    # Of each event, the row of its item among those of short histories alone.
    place_of = np.zeros(len(history.items), dtype=np.int64)
    place_of[np.repeat(short, lengths)] = places
    whitened = np.ascontiguousarray(
        solve_triangular(factor, vectors[items].T, lower=True, check_finite=False).T
    )
    for length in np.unique(lengths[short]):
        alike = np.flatnonzero(lengths == length)
        for begin in range(0, len(alike), _USERS_AT_ONCE):
            rows = alike[begin : begin + _USERS_AT_ONCE]
            events = history.starts[rows][:, None] + np.arange(length)
            roots = np.sqrt(history.weights[events])
            scaled = whitened[place_of[events]] * (np.float32(confidence**0.5) * roots)[..., None]
            kernel = scaled @ scaled.transpose(0, 2, 1) + np.eye(length, dtype=np.float32)
            solved = np.linalg.solve(kernel, roots[..., None])
            found[rows] = (scaled.transpose(0, 2, 1) @ solved)[..., 0]
    scale = np.float32((1 + confidence) / confidence**0.5)
    found[short] = (
        scale * solve_triangular(factor, found[short].T, lower=True, trans=1, check_finite=False).T
    )


def _of(history: HistoryWeights, rows: Longs | Ints) -> HistoryWeights:
    """The histories of some users."""
    lengths = np.diff(history.starts)[rows]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    events = np.arange(starts[-1]) + np.repeat(history.starts[rows] - starts[:-1], lengths)
    return HistoryWeights(starts, history.items[events], history.weights[events])
