"""Items that a model does not know, by those it does that are most like them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from models.data import Dataset, Floats, Histories, Ints
from models.extending import further_ties
from models.protocol import Ranking, Recommender
from models.ranking import rank
from models.reindexed import translated


@dataclass(frozen=True)
class Neighbourhood:
    """Known items near to an unknown one.

    Attributes:
        items: (k,) dense indexes, the nearest first; none where nothing is near.
        weights: (k,) positive.
    """

    items: Ints
    weights: Floats


class ByNeighbours:
    """A fitted model over a catalogue with further items that only their neighbours speak for.

    score(u, j) = Σ_i w_i score(u, i) / Σ_i w_i over the neighbours i that the model can score. An
    event on such an item counts as one on its nearest neighbour. An item without neighbours cannot
    be scored (-inf).

    Args:
        model: fitted on n items.
        further: what is near to each item from n on.
        ties: (n,) the order of equal scores.
    """

    def __init__(self, model: Recommender, further: Sequence[Neighbourhood], ties: Ints) -> None:
        self.name = model.name
        self._model, self._further, self._n_items = model, tuple(further), len(ties)
        places = self._n_items + np.arange(len(further), dtype=np.int32)
        self._ties = further_ties(ties, places)
        nearest = [int(one.items[0]) if len(one.items) else -1 for one in further]
        self._stands_for = np.array([*range(self._n_items), *nearest], dtype=np.int32)

    def fit(self, dataset: Dataset) -> Self:
        """A wrapper learns nothing: fit the model itself."""
        raise TypeError("A model with further items cannot be fitted; fit the model behind it.")

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default; -inf where nothing is near."""
        known = self._model.score(translated(users, self._stands_for))
        further = [_mean(known[:, one.items], one.weights) for one in self._further]
        scores = np.column_stack([known, *further]).astype(np.float32)
        return scores if items is None else scores[:, items]

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items a user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self._ties, exclude=exclude)

    def save(self, folder: Path) -> None:
        """A wrapper has nothing to keep: save the model itself."""
        raise TypeError("A model with further items cannot be saved; save the model behind it.")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """A wrapper is never on disk: load the model itself."""
        raise TypeError("A model with further items is on no disk; load the model behind it.")


def _mean(scores: Floats, weights: Floats) -> Floats:
    """Weighted means (n_users,) of the finite scores (n_users, k); -inf where none is."""
    known = np.isfinite(scores)
    total = (known * weights).sum(axis=1)
    summed = (np.where(known, scores, 0) * weights).sum(axis=1)
    mean = np.divide(summed, total, out=np.full(len(scores), -np.inf), where=total > 0)
    return np.asarray(mean, dtype=np.float32)
