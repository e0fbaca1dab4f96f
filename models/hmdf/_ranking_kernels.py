"""Scores as a user sees them, compiled."""

import numpy as np

from models.compiling import compiled
from models.data import Floats, Longs


@compiled
def compared(scores: Floats, ends: Longs) -> Floats:
    """Each score standardised among its user's, and log(1 + rank): (r, 2s), rank 0 the best.

    Equal scores rank in the order they come in. A score that is not finite has neither, and scores
    of which none differs are all 0 when standardised.

    Args:
        scores: (r, s) of candidates, user by user.
        ends: (n_users + 1,) where each user's candidates begin.
    """
    n_scores = scores.shape[1]
    found = np.full((len(scores), 2 * n_scores), np.nan, dtype=np.float32)
    for user in range(len(ends) - 1):
        for column in range(n_scores):
            own = scores[ends[user] : ends[user + 1], column].astype(np.float64)
            finite = np.flatnonzero(np.isfinite(own))
            if len(finite) == 0:
                continue
            known = own[finite]
            spread = known.max() - known.min()
            deviation = known.std() if spread > 0 else 1.0
            mean = known.mean() if spread > 0 else known[0]
            order = np.argsort(-known, kind="mergesort")
            for rank in range(len(order)):
                place = ends[user] + finite[order[rank]]
                standardised = (known[order[rank]] - mean) / max(deviation, 1e-30)
                found[place, 2 * column] = standardised
                found[place, 2 * column + 1] = np.log1p(rank)
    return found
