"""Chance: the floor of every metric."""

from pathlib import Path
from typing import Self

import numpy as np

from models.baselines.base import Baseline
from models.data import Dataset, Floats, Histories, Ints
from models.ties import mixed


class RandomRanking(Baseline):
    """Score = a hash of (seed, user, item): an order of its own for each user, always the same.

    All users outside the training vocabulary share one order.
    """

    family = name = "random"

    def fit(self, dataset: Dataset) -> Self:
        """Learns nothing but the catalogue."""
        self._remember(dataset)
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items), uniform in [0, 1)."""
        ties = self.learned("ties")
        chosen = (ties if items is None else ties[items]).astype(np.uint64)
        rows = users.users.astype(np.int64).astype(np.uint64)
        hashed = mixed(mixed(rows)[:, None] ^ chosen)
        return (hashed >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a random ranking.
        """
        arrays, settings = cls._read(folder)
        model = cls(settings["seed"])
        model.arrays = arrays
        return model
