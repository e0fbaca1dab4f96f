"""The validation that stops a fit: NDCG@10 of the users' held-out events."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.data import Bools, Dataset, Floats, Histories, Ints
from models.metrics import ndcg

_K = 10
_MOST_USERS = 4096
_USERS_AT_ONCE = 512

Score = Callable[[Histories, Ints | None], Floats]


def validation_loss(dataset: Dataset, score: Score, seed: int) -> Callable[[], float]:
    """A function that gives 1 - NDCG@10 of the validation events, or 1 where there are none.

    Every item not in the user's training is ranked. Where no validation item was seen in training
    (items held out whole), they are ranked among themselves, since that is what is asked of them.
    Of very many users a seeded draw is asked, and a block of them at a time.
    """
    events = dataset.validation
    users = np.unique(events.users)
    if len(users) > _MOST_USERS:
        drawn = np.random.default_rng(seed).choice(users, _MOST_USERS, replace=False)
        users = np.sort(drawn)
    seen = np.zeros(dataset.n_items, dtype=bool)
    seen[dataset.train.items] = True
    cold = len(events) > 0 and not seen[events.items].any()
    items = np.unique(events.items).astype(np.int32) if cold else None

    def gains(block: Ints) -> NDArray[np.float64]:
        histories = dataset.histories(block)
        relevant = _matrix(Histories.of(events, block), dataset.n_items, items)
        masked = _matrix(histories, dataset.n_items, items)
        scores = np.where(masked & ~relevant, -np.inf, score(histories, items))
        k = min(_K, scores.shape[1])
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        hits = np.take_along_axis(relevant, np.take_along_axis(best, order, axis=1), axis=1)
        return ndcg(hits, relevant.sum(axis=1), _K)

    def loss() -> float:
        blocks = [
            gains(users[start : start + _USERS_AT_ONCE])
            for start in range(0, len(users), _USERS_AT_ONCE)
        ]
        return 1.0 - float(np.concatenate(blocks).mean()) if blocks else 1.0

    return loss


def network_judge(
    dataset: Dataset, score: Score, seed: int, encode: Callable[[], None]
) -> Callable[[], float] | None:
    """The validation loss of a network's weights as they are; None where nothing is held out.

    Args:
        dataset: whose validation events judge.
        score: of the network.
        seed: see `validation_loss`.
        encode: makes what `score` reads from the weights.
    """
    if not len(dataset.validation):
        return None
    loss = validation_loss(dataset, score, seed)

    def judge() -> float:
        encode()
        return loss()

    return judge


def _matrix(histories: Histories, n_items: int, items: Ints | None) -> Bools:
    """Which of the items (all by default) are in each history."""
    rows = np.repeat(np.arange(len(histories)), histories.lengths)
    matrix = np.zeros((len(histories), n_items), dtype=bool)
    matrix[rows, histories.items] = True
    return matrix if items is None else matrix[:, items]
