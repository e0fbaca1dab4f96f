"""Scores as a user sees them, compiled."""

import numpy as np

from models.compiling import compiled
from models.data import Floats, Longs


@compiled
def compared(scores: Floats, ends: Longs) -> Floats:
    """Each score standardised within its user, and log(1 + rank): (r, 2s), the best has rank 0.

    Equal scores rank in the order in which they come. A score that is not finite has neither, and
    scores that are all equal are all 0 when standardised.

    Args:
        scores: (r, s) of candidates, user by user.
        ends: (n_users + 1,) where each user's candidates begin.
    """
    n_scores = scores.shape[1]
    features = np.full((len(scores), 2 * n_scores), np.nan, dtype=np.float32)
    for user in range(len(ends) - 1):
        for column in range(n_scores):
            user_scores = scores[ends[user] : ends[user + 1], column].astype(np.float64)
            finite = np.flatnonzero(np.isfinite(user_scores))
            if len(finite) == 0:
                continue
            known = user_scores[finite]
            spread = known.max() - known.min()
            deviation = known.std() if spread > 0 else 1.0
            mean = known.mean() if spread > 0 else known[0]
            order = np.argsort(-known, kind="mergesort")
            for rank in range(len(order)):
                place = ends[user] + finite[order[rank]]
                standardised = (known[order[rank]] - mean) / max(deviation, 1e-30)
                features[place, 2 * column] = standardised
                features[place, 2 * column + 1] = np.log1p(rank)
    return features
