"""What follows what, told by those who went that way at about the same time."""

from typing import Self

import numpy as np
from pydantic import Field
from scipy import sparse

from models.baselines.configured import ConfiguredBaseline, sparse_arrays
from models.baselines.recency import history_matrix
from models.baselines.sparse_sums import sums_over
from models.baselines.transition import TransitionConfig, transition_counts
from models.data import Dataset, Floats, Histories, Ints, Longs

_DAY = 86_400_000_000


class ContemporaryTransitionConfig(TransitionConfig):
    """Settings of transitions weighted by when they were made."""

    period_days: float = Field(
        default=180.0, ge=1, description="Transitions within so many days are counted together."
    )
    memory_days: float = Field(
        default=1000.0, gt=0, description="Days, before or after, in which a weight falls to 1 / e."
    )


class ContemporaryTransition(ConfiguredBaseline[ContemporaryTransitionConfig]):
    """score(u, j) = Σ_p exp(-|t_u - t_p| / τ) Σ_r decay^r T_p(i_r, j) / ((n_i + s)(n_j + s))^power.

    T_p are the counts of `models.baselines.transition.Transition` over pairs whose first event lies
    in period p, t_p is the middle of the period and t_u the time of the user's newest event. What a
    catalogue shows, and so what is chosen after what, changes over the years (Koren 2010).
    """

    family = name = "contemporary_transition"
    settings_type = ContemporaryTransitionConfig
    stored = ("follows.values", "follows.columns", "follows.starts", "middles")

    def fit(self, dataset: Dataset) -> Self:
        """Counts by period; row p · n_items + i of the matrix is item i in period p."""
        config, events, n_items = self.config, dataset.train, dataset.n_items
        length = int(config.period_days * _DAY)
        first = int(events.timestamps.min()) if len(events) else 0
        periods = (events.timestamps - first) // length
        n_periods = int(periods.max(initial=0)) + 1
        follows = transition_counts(
            events,
            n_items,
            config.steps,
            config.step_decay,
            sources=periods * n_items + events.items,
            n_sources=n_periods * n_items,
        )
        counts = np.bincount(events.items, minlength=n_items) + config.shrinkage
        damping = (counts**-config.power).astype(np.float32)
        by_source = sparse.diags_array(np.tile(damping, n_periods))
        damped = sparse.csr_array(by_source @ follows @ sparse.diags_array(damping))
        middles = first + length * np.arange(n_periods, dtype=np.int64) + length // 2
        self._remember(dataset, **sparse_arrays("follows", damped), middles=middles)
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items); 0 for items that nothing in the history led to."""
        n_items = len(self.learned("ties"))
        follows = self.matrix("follows", n_items)
        history = history_matrix(users, n_items, self.config.decay, self.config.last)
        near = _nearness(users, self.learned("middles"), self.config.memory_days)
        return sums_over(_by_period(history, near), follows, items)


def _by_period(history: sparse.csr_array, near: Floats) -> sparse.csr_array:
    """Weights (n_users, P n_items) of events in each period, of weights (n_users, P) of periods."""
    events, n_periods = history.tocoo(), near.shape[1]
    n_users, n_items = history.shape
    weights = near[events.row] * events.data[:, None]
    columns = events.col[:, None] + n_items * np.arange(n_periods)
    pairs = (np.repeat(events.row, n_periods), columns.ravel())
    shape = (n_users, n_items * n_periods)
    return sparse.csr_array(sparse.coo_array((weights.ravel(), pairs), shape=shape))


def _nearness(users: Histories, middles: Longs, memory_days: float) -> Floats:
    """Weights (n_users, n_periods) of the periods at the users' newest events."""
    newest = np.append(users.timestamps, 0)[users.offsets[1:] - 1]
    days = np.abs(newest[:, None] - middles) / _DAY
    return np.asarray(np.exp(-days / memory_days), dtype=np.float32)
