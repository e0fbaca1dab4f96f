"""The same list for everyone: what most training events were about."""

from pathlib import Path
from typing import Self

import numpy as np

from models.baselines.base import Baseline
from models.data import Dataset, Floats, Histories, Ints


class Popularity(Baseline):
    """Score = number of training events of the item; 0 for an item nobody had."""

    family = name = "popularity"

    def fit(self, dataset: Dataset) -> Self:
        """Counts the training events."""
        counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
        self._remember(dataset, counts=counts.astype(np.float32))
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Counts (n_users, n_items), the same for every user."""
        counts = self.learned("counts")
        chosen: Floats = counts if items is None else counts[items]
        return np.broadcast_to(chosen, (len(users), len(chosen)))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a popularity model.
        """
        arrays, settings = cls._read(folder, "counts")
        model = cls(settings["seed"])
        model.arrays = arrays
        return model
