"""What the baselines share: lists from scores, and an order among equal scores."""

from abc import ABC, abstractmethod
from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np

from models.data import Dataset, Floats, Histories, Ints
from models.persistence import NotFittedError, load_state, save_state, tensor
from models.protocol import Ranking
from models.ranking import rank, tie_breaks


class Baseline(ABC):
    """A model that ranks by its scores.

    Attributes:
        name: as the metrics table calls it.
        seed: orders items of equal score.
        arrays: learned state by name; `ties` is always among them.
    """

    family: str
    name: str

    def __init__(self, seed: int = 42) -> None:
        self.seed = seed
        self.arrays: dict[str, np.ndarray] = {}

    def learned(self, name: str) -> np.ndarray:
        """One array of the learned state.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        if name not in self.arrays:
            raise NotFittedError(f"This {self.name} model is not fitted; call fit or load first.")
        return self.arrays[name]

    @abstractmethod
    def fit(self, dataset: Dataset) -> Self:
        """Learns from the training events; no baseline reads the validation events."""

    def refitted(self, dataset: Dataset) -> Self:
        """See `models.protocol.Refittable`: what has no length of training is just fitted again."""
        self.learned("ties")
        other = copy(self)
        other.arrays = {}
        return other.fit(dataset)

    @abstractmethod
    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default; -inf where it has none."""

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items per user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self.learned("ties"), exclude=exclude)

    def save(self, folder: Path) -> None:
        """Writes arrays and settings into an existing folder."""
        self.learned("ties")
        save_state(folder, self.arrays, self.settings(), family=self.family)

    def settings(self) -> dict[str, Any]:
        """JSON-able settings that `save` keeps."""
        return {"seed": self.seed}

    def _remember(self, dataset: Dataset, **arrays: np.ndarray) -> None:
        self.arrays = {"ties": tie_breaks(dataset.item_ids.ids, self.seed), **arrays}

    @classmethod
    def _read(cls, folder: Path, *names: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        arrays, settings = load_state(folder, family=cls.family)
        return {name: tensor(arrays, name, folder) for name in ("ties", *names)}, settings
