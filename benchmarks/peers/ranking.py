"""Lists from scores, and the figure by which settings are chosen."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from .exchange import Bools, Events, Floats, Ints

USERS_AT_ONCE = 256

Doubles = NDArray[np.float64]
Score = Callable[[Ints, Sequence[Ints]], Floats]


def best_items(
    score: Score,
    users: Ints,
    past: Events,
    candidates: Bools,
    ties: Ints,
    k: int,
    block: int = USERS_AT_ONCE,
) -> Ints:
    """The k best candidates (n_users, k) of each user without the items of his past; -1 for none.

    Args:
        score: scores (n, n_items) of users with their histories; -inf for what cannot be ranked.
        users: dense indexes.
        past: what the users had done.
        candidates: (n_items,) what may be listed.
        ties: (n_items,) the place of each item among those of equal score, the lowest first.
        k: list length.
        block: users scored at once.
    """
    lists = np.full((len(users), k), -1, dtype=np.int32)
    by_place = np.argsort(ties).astype(np.int32)
    for start in range(0, len(users), block):
        rows = users[start : start + block]
        histories = past.histories(rows)
        scores = np.array(score(rows, histories), dtype=np.float64)
        if np.isnan(scores).any():
            raise ValueError("A score is not a number: the model has diverged.")
        scores[:, ~candidates] = -np.inf
        for row, history in enumerate(histories):
            scores[row, history] = -np.inf
            best = by_place[_best(scores[row, by_place], k)]
            lists[start + row, : len(best)] = best
    return lists


def _best(scores: Doubles, k: int) -> NDArray[np.intp]:
    """The places of the k largest scores above -inf; of equal ones those that come first."""
    if k < len(scores):
        least = np.partition(scores, len(scores) - k)[len(scores) - k]
        close = np.flatnonzero((scores >= least) & (scores > -np.inf))
    else:
        close = np.flatnonzero(scores > -np.inf)
    return close[np.argsort(-scores[close], kind="stable")][:k]


def mean_ndcg(lists: Ints, users: Ints, past: Events, held_out: Events, k: int = 10) -> float:
    """NDCG@k over the users with a held-out item that is new to them.

    Args:
        lists: (n_users, >= k) of `users`.
        users: dense indexes, sorted.
        past: their earlier events, whose items do not count.
        held_out: the events that judge.
        k: cutoff.
    """
    gains = 1 / np.log2(np.arange(2, k + 2))
    values = []
    pairs = zip(lists, past.histories(users), held_out.histories(users), strict=True)
    for shown, history, wanted in pairs:
        relevant = np.setdiff1d(wanted, history)
        if len(relevant):
            hits = np.isin(shown[:k], relevant)
            values.append(gains[hits.nonzero()].sum() / gains[: len(relevant)].sum())
    return float(np.mean(values)) if values else 0.0
