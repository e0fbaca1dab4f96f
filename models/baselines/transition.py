"""What follows what: item-to-item counts along users' histories."""

from typing import Self

import numpy as np
from pydantic import Field
from scipy import sparse

from models.baselines.configured import (
    BaselineConfig,
    ConfiguredBaseline,
    sparse_arrays,
)
from models.baselines.cooccurrence import Windows, pair_weights
from models.baselines.recency import history_matrix
from models.baselines.sparse_sums import sums_over
from models.data import Dataset, Floats, Histories, Interactions, Ints
from models.training import one_blas_thread


class TransitionConfig(BaselineConfig):
    """Settings of item-to-item transitions."""

    steps: int = Field(default=20, ge=1, description="How far ahead an event is seen to lead.")
    step_decay: float = Field(
        default=0.9, gt=0, le=1, description="Weight of a step further over the one before."
    )
    last: int = Field(default=20, ge=1, description="Events of a history that count.")
    decay: float = Field(
        default=0.85,
        gt=0,
        le=1,
        description="Weight of an event of a history over that of the one after it.",
    )
    power: float = Field(
        default=0.3, ge=0, le=1, description="How much popular items are held back, on both sides."
    )
    shrinkage: float = Field(
        default=5.0, gt=0, description="Events added to each item's own, so that few are no proof."
    )


class Transition(ConfiguredBaseline[TransitionConfig]):
    """score(u, j) = Σ_r decay^r T(i_r, j) / ((n_i + s)(n_j + s))^power, i_r the r-th newest event.

    T(i, j) = Σ over users and places p < q ≤ p + steps of step_decay^(q - p - 1) where i stands at
    p and j at q: a Markov chain with longer steps (after Shani, Heckerman and Brafman 2005).
    """

    family = name = "transition"
    settings_type = TransitionConfig
    stored = ("follows.values", "follows.columns", "follows.starts")

    @one_blas_thread()
    def fit(self, dataset: Dataset) -> Self:
        """Counts what follows what."""
        config, n_items = self.config, dataset.n_items
        follows = transition_counts(dataset.train, n_items, config.steps, config.step_decay)
        counts = np.bincount(dataset.train.items, minlength=n_items) + config.shrinkage
        damping = sparse.diags_array((counts**-config.power).astype(np.float32))
        damped = sparse.csr_array(damping @ follows @ damping)
        self._remember(dataset, **sparse_arrays("follows", damped))
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items); 0 for items that nothing in the history led to."""
        n_items = len(self.learned("ties"))
        follows = self.matrix("follows", n_items)
        history = history_matrix(users, n_items, self.config.decay, self.config.last)
        return sums_over(history, follows, items)


def transition_counts(
    events: Interactions, n_items: int, steps: int, step_decay: float
) -> sparse.csr_array:
    """T (n_items, n_items) float32: how often, and how closely, column follows row.

    Args:
        events: sorted by user, then time.
        n_items: size of the item vocabulary.
        steps: how far ahead an event is seen to lead.
        step_decay: weight of a step further over the one before.
    """
    windows = Windows.after(events.users, steps)
    weights = np.power(step_decay, np.arange(steps))
    blocks = pair_weights(events.items, n_items, windows, weights, events.items, n_items)
    return sparse.csr_array(sparse.vstack(list(blocks)))
