"""The best of many scores, and scores as a user sees them, compiled."""

import numpy as np

from models.compiling import compiled
from models.data import Bools, Floats, Ints, Longs


@compiled
def mark_best(scores: Floats, hidden: Bools, ties: Ints, most: int, chosen: Bools) -> None:
    """Marks in chosen (n_users, n_items) the best items by one score.

    Args:
        scores: (n_users, n_items); -inf where there is none.
        hidden: (n_users, n_items) what may not be chosen.
        ties: (n_items,) the place of each item among those of equal score.
        most: items marked of each user at most.
        chosen: is changed.
    """
    n_items = scores.shape[1]
    places = np.empty(n_items, dtype=np.int32)
    values = np.empty(n_items, dtype=np.float32)
    for user in range(len(scores)):
        count = 0
        for item in range(n_items):
            score = scores[user, item]
            if score > -np.inf and not hidden[user, item]:
                places[count], values[count] = item, score
                count += 1
        if count <= most:
            for place in range(count):
                chosen[user, places[place]] = True
            continue
        least = np.partition(values[:count], count - most)[count - most]
        left = most
        equal = 0
        for place in range(count):
            if values[place] > least:
                chosen[user, places[place]] = True
                left -= 1
            elif values[place] == least:
                equal += 1
        last = np.iinfo(np.int32).max
        if equal > left:
            own = np.empty(equal, dtype=np.int32)
            equal = 0
            for place in range(count):
                if values[place] == least:
                    own[equal] = ties[places[place]]
                    equal += 1
            last = np.partition(own, left - 1)[left - 1]
        for place in range(count):
            if values[place] == least and ties[places[place]] <= last:
                chosen[user, places[place]] = True


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
