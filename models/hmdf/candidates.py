"""The items worth ranking: the best of every model and of every sum over a history."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Floats, Histories, Ints, Longs
from models.hmdf._ranking_kernels import mark_best


@dataclass(frozen=True)
class Candidates:
    """Pairs of a user row and an item with their features, sorted by user, then tie breaks.

    Attributes:
        rows: (r,) user row.
        items: (r,) dense item index.
        features: (r, f) float32; NaN where something cannot be said.
    """

    rows: Ints
    items: Ints
    features: Floats

    def groups(self) -> np.ndarray:
        """Candidates of each user that has any, in order."""
        return np.unique(self.rows, return_counts=True)[1]


@dataclass(frozen=True)
class Pairs:
    """Candidates without features.

    Attributes:
        rows: (r,) user row, ascending.
        items: (r,) dense item index; those of a user are in the order of tie breaks.
        scores: (r, s) of each score by which they were found; -inf where it has none.
    """

    rows: Ints
    items: Ints
    scores: Floats

    def ends(self, n_users: int) -> Longs:
        """Where the candidates (n_users + 1,) of each user begin."""
        return np.searchsorted(self.rows, np.arange(n_users + 1)).astype(np.int64)


def best_of_all(
    scores: Sequence[Floats],
    users: Histories,
    ties: Ints,
    most: int,
    allowed: Bools,
    asked: Ints | None = None,
) -> Pairs:
    """The union of the best items by each score, none of which the user had, and of those asked.

    Args:
        scores: s times (n_users, n_items); -inf where there is none.
        users: the rows of the scores.
        ties: (n_items,) from `models.ranking.tie_breaks`: the order among equal scores.
        most: items taken by each score.
        allowed: (n_items,) what may be shown at all.
        asked: (n_users, k) items that are candidates whatever else holds; -1 for none.
    """
    hidden = np.broadcast_to(~allowed, (len(users), len(allowed))).copy()
    hidden[np.repeat(np.arange(len(users)), users.lengths), users.items] = True
    chosen = np.zeros(hidden.shape, dtype=bool)
    for found in scores:
        mark_best(found, hidden, ties, most, chosen)
    if asked is not None:
        owners, places = np.nonzero(asked >= 0)
        chosen[owners, asked[owners, places]] = True
    rows, items = (part.astype(np.int32) for part in np.nonzero(chosen))
    # Whoever sorts them by score later leaves equal ones as they are here.
    order = np.lexsort((ties[items], rows))
    rows, items = rows[order], items[order]
    own = [found[rows, items] for found in scores]
    return Pairs(rows, items, np.stack(own, axis=1).astype(np.float32))
