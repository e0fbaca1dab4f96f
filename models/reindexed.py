"""A model on another vocabulary of items than the one it was fitted on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from models.data import Dataset, Floats, Histories, Ints, Vocabulary
from models.protocol import Ranking, Recommender
from models.ranking import rank, tie_breaks


class Reindexed:
    """Asks a fitted model in the indexes of a newer catalogue.

    Events on items that the model does not know are left out of the histories; such items cannot
    be scored (-inf). So a champion of last month can be judged on this month's events.

    Args:
        model: fitted on `known`.
        known: its item ids, in the order of its indexes.
        catalogue: the item ids whose indexes are used here.
        seed: orders equal scores.
    """

    def __init__(
        self, model: Recommender, known: Sequence[str], catalogue: Vocabulary, seed: int = 42
    ) -> None:
        self.name = model.name
        self._model = model
        self._inner = Vocabulary(tuple(known)).indexes(catalogue.ids)
        self._ties = tie_breaks(catalogue.ids, seed)

    def fit(self, dataset: Dataset) -> Self:
        """A wrapper learns nothing: fit the model itself."""
        raise TypeError("A reindexed model cannot be fitted; fit the model behind it.")

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default; -inf where the model has none."""
        wanted = self._inner if items is None else self._inner[items]
        known = wanted >= 0
        scores = np.full((len(users), len(wanted)), -np.inf, dtype=np.float32)
        scores[:, known] = self._model.score(translated(users, self._inner), wanted[known])
        return scores

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items per user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self._ties, exclude=exclude)

    def save(self, folder: Path) -> None:
        """A wrapper has nothing to keep: save the model itself."""
        raise TypeError("A reindexed model cannot be saved; save the model behind it.")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """A wrapper is never on disk: load the model itself."""
        raise TypeError("A reindexed model cannot be loaded; load the model behind it.")


def translated(users: Histories, new_index: Ints) -> Histories:
    """Histories with items renamed by `new_index` (n_items,), without those at -1."""
    renamed = new_index[users.items]
    known = renamed >= 0
    owners = np.repeat(np.arange(len(users)), users.lengths)[known]
    offsets = np.zeros(len(users) + 1, dtype=np.int64)
    np.cumsum(np.bincount(owners, minlength=len(users)), out=offsets[1:])
    return Histories(
        offsets, renamed[known], users.values[known], users.timestamps[known], users.users
    )
