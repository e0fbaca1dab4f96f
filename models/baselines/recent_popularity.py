"""What everyone does of late."""

from typing import Self

import numpy as np
from pydantic import Field

from models.baselines.configured import BaselineConfig, ConfiguredBaseline
from models.data import Dataset, Floats, Histories, Ints

_DAY = 86_400_000_000


class RecentPopularityConfig(BaselineConfig):
    """Settings of popularity that forgets."""

    half_life_days: float = Field(
        default=180.0, gt=0, description="Days after which an event counts half."
    )
    window_days: float | None = Field(
        default=None, gt=0, description="Days before the newest event that count; None is all time."
    )


class RecentPopularity(ConfiguredBaseline[RecentPopularityConfig]):
    """Score = Σ over the item's training events of 2^(-age / half-life), age from the newest event.

    With a window, events before it count nothing.
    """

    family = name = "recent_popularity"
    settings_type = RecentPopularityConfig
    stored = ("weights",)

    def fit(self, dataset: Dataset) -> Self:
        """Adds up the training events by their age."""
        times = dataset.train.timestamps
        age = (times.max() - times) / _DAY if len(times) else np.zeros(0)
        counted = np.exp2(-age / self.config.half_life_days)
        if self.config.window_days is not None:
            counted[age > self.config.window_days] = 0
        weights = np.bincount(dataset.train.items, counted, minlength=dataset.n_items)
        self._remember(dataset, weights=weights.astype(np.float32))
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Weights (n_users, n_items), the same for every user."""
        weights = self.learned("weights")
        chosen: Floats = weights if items is None else weights[items]
        return np.broadcast_to(chosen, (len(users), len(chosen)))
