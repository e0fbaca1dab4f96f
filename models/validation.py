"""The validation that stops a fit: NDCG@10 of the users' held-out events."""

import math
from collections.abc import Callable

import numpy as np

from models.data import Bools, Dataset, Interactions
from models.distinct import distinct
from models.evaluation import user_measure
from models.protocol import Recommender
from models.ranking import ScoreError

_MOST_USERS = 4096


def validation_loss(dataset: Dataset, model: Recommender, seed: int) -> Callable[[], float]:
    """A function that gives 1 - NDCG@10 of the validation events, or 1 where there are none.

    It is the evaluation's own NDCG@10, of every item that is not in the user's training. Where no
    validation item was seen in training (items held out whole), they are ranked among themselves,
    since that is what is asked of them. Of very many users a seeded draw is asked.
    """
    events = _of_a_draw(dataset.validation, seed)
    measure = user_measure(
        dataset, events, candidates=_candidates(dataset), known=dataset.train, seed=seed
    )

    def loss() -> float:
        values = measure(model)
        return 1.0 - float(values.mean()) if len(values) else 1.0

    return loss


def network_judge(
    dataset: Dataset, network: Recommender, seed: int, encode: Callable[[], None]
) -> Callable[[], float] | None:
    """The validation loss of a network's weights as they are; None where nothing is held out.

    It is NaN where the weights no longer give scores, by which `run_epochs` knows a divergence.

    Args:
        dataset: whose validation events judge.
        network: what is judged.
        seed: see `validation_loss`.
        encode: makes what the network's `score` reads from its weights.
    """
    if not len(dataset.validation):
        return None
    loss = validation_loss(dataset, network, seed)

    def judge() -> float:
        encode()
        try:
            return loss()
        except ScoreError:
            return math.nan

    return judge


def _of_a_draw(events: Interactions, seed: int) -> Interactions:
    users = distinct(events.users)
    if len(users) <= _MOST_USERS:
        return events
    drawn = np.random.default_rng(seed).choice(users, _MOST_USERS, replace=False)
    return events.take(np.isin(events.users, drawn))


def _candidates(dataset: Dataset) -> Bools | None:
    """The held-out items (n_items,) where none of them was seen in training; None for all items."""
    seen, held = np.zeros((2, dataset.n_items), dtype=bool)
    seen[dataset.train.items] = True
    held[dataset.validation.items] = True
    return held if held.any() and not (seen & held).any() else None
