"""The items worth ranking: the best of every model and of every sum over a history."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Floats, Histories, Ints, Longs
from models.hmdf._candidate_kernels import Asked, Best, Found, find
from models.hmdf.item_links import ItemLinks, now_of


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

    @staticmethod
    def together(parts: Sequence["Candidates"]) -> "Candidates":
        """Candidates of several parts, one after the other."""
        return Candidates(
            np.concatenate([part.rows for part in parts]),
            np.concatenate([part.items for part in parts]),
            np.concatenate([part.features for part in parts]),
        )

    def at(self, places: Bools | Longs) -> "Candidates":
        """Those at `places` (a mask or indexes), in their order."""
        return Candidates(self.rows[places], self.items[places], self.features[places])


@dataclass(frozen=True)
class Pairs:
    """Candidates without features.

    Attributes:
        rows: (r,) user row, ascending.
        items: (r,) dense item index; those of a user are in the order of tie breaks.
        scores: (r, f + m) of each sum and model by which they were found; -inf where it has none.
        sums: (r, s) every sum over the history.
    """

    rows: Ints
    items: Ints
    scores: Floats
    sums: Floats

    def ends(self, n_users: int) -> Longs:
        """Where the candidates (n_users + 1,) of each user begin."""
        return np.searchsorted(self.rows, np.arange(n_users + 1)).astype(np.int64)


def best_of_all(
    links: ItemLinks,
    found_by: Sequence[str],
    scores: Sequence[Floats],
    users: Histories,
    ties: Ints,
    most: int,
    allowed: Bools,
    required: Ints | None = None,
) -> Pairs:
    """The union of the best items by each score, without those the user had, and of `required`.

    A score that is the same for all items finds none, and a sum finds no item for which it is 0.

    Args:
        links: whose sums over a history find items.
        found_by: names of f of the sums.
        scores: m times (n_users, n_items) of models; -inf where there is none.
        users: the rows of the scores.
        ties: (n_items,) from `models.ranking.tie_breaks`: the order among equal scores.
        most: items taken by each score.
        allowed: (n_items,) what may be shown at all.
        required: (n_users, k) items that are candidates in any case; -1 for none.
    """
    n_users, n_items = len(users), len(ties)
    required_items = np.zeros((n_users, 0), dtype=np.int32) if required is None else required
    n_scores = len(found_by) + len(scores)
    found = _room_for(
        n_users * (n_scores * most + required_items.shape[1]), n_scores, len(links.names)
    )
    request = Asked(
        users.items,
        users.offsets,
        now_of(users),
        np.ascontiguousarray(scores, np.float32).reshape(len(scores), n_users, n_items),
        np.array([links.names.index(name) for name in found_by], dtype=np.int64),
        ties,
        allowed,
        # Numba would compile another variant for an array that is not writable.
        np.require(required_items, np.int32, ["C", "W"]),
        most,
    )
    size = max(most, 1)
    best = Best(np.empty(size, np.float32), np.empty(size, np.int32), np.empty(size, np.int32))
    with links.room() as sums:
        n_found = find(links.table, request, sums, best, found)
    # Copies, so that the rest of the room is given back.
    return Pairs(
        found.rows[:n_found].copy(),
        found.items[:n_found].copy(),
        found.scores[:n_found].copy(),
        found.sums[:n_found].copy(),
    )


def _room_for(n_pairs: int, n_scores: int, n_sums: int) -> Found:
    """Room for so many candidates at most."""
    return Found(
        np.empty(n_pairs, dtype=np.int32),
        np.empty(n_pairs, dtype=np.int32),
        np.empty((n_pairs, n_scores), dtype=np.float32),
        np.empty((n_pairs, n_sums), dtype=np.float32),
    )
