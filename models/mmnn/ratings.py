"""Predicted values: what the rating head says of a pair, and what it leaves to user and item."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from models.data import Dataset, Floats, Histories, Interactions, Ints, Longs
from models.mmnn.fitted import FittedMMNN
from models.persistence import tensor

_PAIRS_AT_ONCE = 1 << 14
_USERS_AT_ONCE = 1024


@dataclass(frozen=True)
class RatingState:
    """What a predicted value needs in addition to the network.

    Attributes:
        users: (n,) dense indexes, sorted: the users of the last training events.
        items: (n,) dense indexes of their items, a user's oldest first.
        values: (n,) their values.
        user_offsets: (n_users + 1,) added for a user; 0 for the unknown one, the last.
        item_offsets: (n_items + 1,) added for an item, likewise.
        bounds: (2,) lowest and highest value of the training.
    """

    users: Ints
    items: Ints
    values: Floats
    user_offsets: Floats
    item_offsets: Floats
    bounds: Floats

    def histories(self, users: Ints) -> Histories:
        """What these users did last; nothing for -1. Their times, which no MMNN reads, are 0."""
        times: Longs = np.zeros(len(self.users), dtype=np.int64)
        return Histories.of(Interactions(self.users, self.items, self.values, times), users)

    def arrays(self) -> dict[str, np.ndarray]:
        """The attributes by the names they are saved under."""
        return {f"ratings.{name}": array for name, array in vars(self).items()}

    @staticmethod
    def of(arrays: Mapping[str, np.ndarray], folder: Path) -> "RatingState":
        """What `arrays` took apart.

        Raises:
            ModelFormatError: an array is missing.
        """
        names = RatingState.__dataclass_fields__
        return RatingState(**{name: tensor(arrays, f"ratings.{name}", folder) for name in names})


def fit_ratings(model: FittedMMNN, dataset: Dataset) -> RatingState:
    """Offsets of items, then of users, from what the head leaves of the training values.

    b_i = Σ_u e_ui / (n_i + λ), then b_u = Σ_i (e_ui - b_i) / (n_u + λ) (Bell and Koren 2007). The
    head was given an event's statistics, a pair that is asked about has none: the offsets bring
    back what they said of user and item.
    """
    train, damping = dataset.train, model.config.rating_damping
    state = _zero_offsets(train, dataset.n_users, dataset.n_items, model.config.history)
    errors = train.values - _predicted_by_head(model, state, train.users, train.items)
    by_item = _damped(errors, train.items, dataset.n_items, damping)
    by_user = _damped(errors - by_item[train.items], train.users, dataset.n_users, damping)
    return RatingState(state.users, state.items, state.values, by_user, by_item, state.bounds)


def predict_ratings(model: FittedMMNN, state: RatingState, users: Ints, items: Ints) -> Floats:
    """See `MMNN.predict_ratings`."""
    predicted = _predicted_by_head(model, state, users, items)
    predicted += state.user_offsets[users] + state.item_offsets[items]
    return predicted.clip(*state.bounds)


@torch.no_grad()
def _predicted_by_head(model: FittedMMNN, state: RatingState, users: Ints, items: Ints) -> Floats:
    """Values (n,) of pairs as the head alone predicts them, with the mean as their context."""
    scale, ratings = model.scale, np.empty(len(users), dtype=np.float32)
    known = torch.arange(model.items.n_items, device=model.device)
    codes = torch.cat([model.items.codes_of(known), model.new_codes({}, 1)])
    order = np.argsort(users, kind="stable")
    for start in range(0, len(order), _PAIRS_AT_ONCE):
        rows = order[start : start + _PAIRS_AT_ONCE]
        distinct, places = np.unique(users[rows], return_inverse=True)
        vectors = [
            model.user_vectors(state.histories(distinct[first : first + _USERS_AT_ONCE]))
            for first in range(0, len(distinct), _USERS_AT_ONCE)
        ]
        wanted = torch.from_numpy(items[rows].astype(np.int64)).to(model.device)
        pairs = torch.cat(vectors)[torch.from_numpy(places).to(model.device)]
        stars = model.network.stars(
            pairs, codes[wanted], pairs.new_zeros(len(rows), model.n_context)
        )
        ratings[rows] = stars.float().cpu().numpy() * scale.deviation + scale.mean
    return ratings


def _zero_offsets(train: Interactions, n_users: int, n_items: int, history: int) -> RatingState:
    """The last `history` events of each user, and offsets of 0."""
    ends = np.cumsum(np.bincount(train.users, minlength=n_users))
    last = train.take(ends[train.users] - np.arange(len(train)) <= history)
    values = train.values if len(train) else np.zeros(1, dtype=np.float32)
    return RatingState(
        last.users,
        last.items,
        last.values,
        np.zeros(n_users + 1, dtype=np.float32),
        np.zeros(n_items + 1, dtype=np.float32),
        np.array([values.min(), values.max()], dtype=np.float32),
    )


def _damped(errors: Floats, groups: Ints, n_groups: int, damping: float) -> Floats:
    """Damped means (n_groups + 1,) of errors by group; 0 for the last, which has none."""
    sums = np.bincount(groups, weights=errors, minlength=n_groups + 1)
    counts = np.bincount(groups, minlength=n_groups + 1)
    return np.asarray(sums / np.maximum(counts + damping, 1e-12), dtype=np.float32)
