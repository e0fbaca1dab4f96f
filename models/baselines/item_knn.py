"""Item-based nearest neighbours on who chose what."""

from typing import Self

from pydantic import Field
from scipy import sparse

from models.baselines.configured import (
    BaselineConfig,
    ConfiguredBaseline,
    sparse_arrays,
)
from models.baselines.neighbourhoods import cosines, largest
from models.baselines.recency import choice_matrix, history_matrix
from models.baselines.sparse_sums import sums_over
from models.data import Dataset, Floats, Histories, Ints
from models.training import one_blas_thread


class ItemKNNConfig(BaselineConfig):
    """Settings of item-kNN."""

    neighbours: int = Field(default=100, ge=1, description="Most alike items kept an item.")
    shrinkage: float = Field(
        default=10.0, ge=0, description="Added to the denominator: doubts what few users shared."
    )
    decay: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Weight of an event of a history over that of the one after it.",
    )


class ItemKNN(ConfiguredBaseline[ItemKNNConfig]):
    """score(u, j) = Σ_i h_i s_ij, s_ij = |i ∩ j| / (√(|i| |j|) + shrinkage) (Sarwar et al. 2001).

    |i ∩ j| counts the users who chose both; only the nearest neighbours of i have s_ij > 0.
    """

    family = name = "item_knn"
    settings_type = ItemKNNConfig
    stored = ("similarity.values", "similarity.columns", "similarity.starts")

    @one_blas_thread()
    def fit(self, dataset: Dataset) -> Self:
        """Counts common users, a block of items at a time."""
        train, config = dataset.train, self.config
        choices = choice_matrix(train.users, train.items, dataset.n_users, dataset.n_items)
        alike = cosines(choices, config.shrinkage)
        blocks = [largest(block, config.neighbours) for block in alike]
        self._remember(
            dataset, **sparse_arrays("similarity", sparse.csr_array(sparse.vstack(blocks)))
        )
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items); 0 for items that no neighbour leads to."""
        n_items = len(self.learned("ties"))
        similarity = self.matrix("similarity", n_items)
        history = history_matrix(users, n_items, self.config.decay)
        return sums_over(history, similarity, items)
