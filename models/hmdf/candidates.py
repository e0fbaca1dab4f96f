"""The items worth ranking again, and what every retriever says of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Floats, Histories, Ints
from models.hmdf.numbers import ItemNumbers, numbers_of
from models.hmdf.statistics import NAMES, ItemStatistics, statistics_of
from models.ranking import top_k


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


def feature_names(retrievers: Sequence[str], numbers: ItemNumbers) -> tuple[str, ...]:
    """Names of the f features."""
    told = [f"{name}_{kind}" for name in retrievers for kind in ("standardised", "log_rank")]
    return (*told, *NAMES, *numbers.names())


def candidates_of(
    scores: Mapping[str, Floats],
    users: Histories,
    statistics: ItemStatistics,
    numbers: ItemNumbers,
    ties: Ints,
    most: int,
    allowed: Bools,
) -> Candidates:
    """The union of every retriever's best items, none of which the user had.

    Args:
        scores: (n_users, n_items) by retriever; -inf where it has none.
        users: the rows of the scores.
        statistics: of the items.
        numbers: of the items.
        ties: (n_items,) from `models.ranking.tie_breaks`: the order among equal scores.
        most: items taken from each retriever.
        allowed: (n_items,) what may be shown at all.
    """
    owners = np.repeat(np.arange(len(users)), users.lengths)
    hidden = np.broadcast_to(~allowed, (len(users), len(allowed))).copy()
    hidden[owners, users.items] = True
    masked = {name: np.where(hidden, -np.inf, found) for name, found in scores.items()}
    chosen = np.zeros(hidden.shape, dtype=bool)
    for found in masked.values():
        best = top_k(found, most, ties).items
        owners, places = np.nonzero(best >= 0)
        chosen[owners, best[owners, places]] = True
    rows, items = (part.astype(np.int32) for part in np.nonzero(chosen & ~hidden))
    # Whoever sorts them by score later leaves equal ones as they are here.
    order = np.lexsort((ties[items], rows))
    rows, items = rows[order], items[order]
    told = [column for found in masked.values() for column in _told(found, rows, items, ties)]
    known = statistics_of(statistics, users, rows, items)
    compared = numbers_of(numbers, users, rows, items)
    return Candidates(rows, items, np.column_stack([*told, known, compared]).astype(np.float32))


def _told(scores: Floats, rows: Ints, items: Ints, ties: Ints) -> tuple[Floats, Floats]:
    """A retriever's score, standardised over what it can tell the user, and log(1 + rank).

    The score itself is left out: how large it is depends on how much the retriever was fitted to,
    which differs from slice to slice.
    """
    own = scores[rows, items]
    finite = np.isfinite(own)
    mean, deviation = _moments(scores)
    order = np.lexsort((ties[items], -own, rows))
    begins = np.searchsorted(rows, np.arange(len(scores)))
    rank = np.empty(len(rows), dtype=np.int64)
    rank[order] = np.arange(len(rows)) - begins[rows[order]]
    standardised = (np.where(finite, own, np.nan) - mean[rows]) / deviation[rows]
    return standardised, np.where(finite, np.log1p(rank), np.nan)


def _moments(scores: Floats) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (n_users,) of each row's finite scores; 1 where nothing differs."""
    finite = np.isfinite(scores)
    count = np.maximum(finite.sum(axis=1), 1)
    mean = scores.sum(axis=1, where=finite, dtype=np.float64) / count
    apart = np.square(scores - mean[:, None], where=finite, out=np.zeros(scores.shape))
    deviation = np.sqrt(apart.sum(axis=1) / count)
    # Rounding gives a constant a deviation, and hides that of numbers next to each other.
    least = scores.min(axis=1, initial=np.inf, where=finite)
    largest = scores.max(axis=1, initial=-np.inf, where=finite)
    return mean, np.where((largest > least) & (deviation > 0), deviation, 1.0)
