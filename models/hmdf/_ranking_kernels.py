"""The best of many scores, and scores as a user sees them, compiled."""

from typing import NamedTuple

import numpy as np

from models.compiling import compiled
from models.data import Floats, Ints, Longs


class Best(NamedTuple):
    """The best items met so far, as a heap whose first one is the worst.

    Attributes:
        scores: (most,) their scores.
        places: (most,) their places among equal scores, the first of which comes first.
        items: (most,) dense item indexes.
    """

    scores: Floats
    places: Ints
    items: Ints


@compiled
def offer(best: Best, size: int, score: float, place: int, item: int) -> int:
    """Takes an item in where it is among the best; how many there are then.

    Args:
        best: is changed.
        size: how many there are.
        score: of the item.
        place: among equal scores.
        item: dense index.
    """
    scores, places = best.scores, best.places
    if size < len(scores):
        hole = size
        while hole > 0:
            above = (hole - 1) // 2
            if scores[above] < score or (scores[above] == score and places[above] > place):
                break
            _move(best, above, hole)
            hole = above
        scores[hole], places[hole], best.items[hole] = score, place, item
        return size + 1
    if score < scores[0] or (score == scores[0] and place > places[0]):
        return size
    hole, below = 0, 1
    while below < size:
        right = below + 1
        if right < size and (
            scores[right] < scores[below]
            or (scores[right] == scores[below] and places[right] > places[below])
        ):
            below = right
        if score < scores[below] or (score == scores[below] and place > places[below]):
            break
        _move(best, below, hole)
        hole, below = below, 2 * below + 1
    scores[hole], places[hole], best.items[hole] = score, place, item
    return size


@compiled
def _move(best: Best, source: int, target: int) -> None:
    best.scores[target] = best.scores[source]
    best.places[target] = best.places[source]
    best.items[target] = best.items[source]


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
