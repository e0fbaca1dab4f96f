"""Lists from scores, and the figure by which settings are chosen."""

from collections.abc import Callable, Sequence

import numpy as np

from .exchange import Bools, Events, Floats, Ints

USERS_AT_ONCE = 256

Score = Callable[[Ints, Sequence[Ints]], Floats]


def best_items(
    score: Score, users: Ints, past: Events, candidates: Bools, k: int, block: int = USERS_AT_ONCE
) -> Ints:
    """The k best candidates (n_users, k) of each user without the items of his past; -1 for none.

    Args:
        score: scores (n, n_items) of users with their histories; -inf for what cannot be ranked.
        users: dense indexes.
        past: what the users had done.
        candidates: (n_items,) what may be listed.
        k: list length.
        block: users scored at once.
    """
    lists = np.full((len(users), k), -1, dtype=np.int32)
    kept = min(k, len(candidates))
    for start in range(0, len(users), block):
        rows = users[start : start + block]
        histories = past.histories(rows)
        scores = np.array(score(rows, histories), dtype=np.float64)
        if np.isnan(scores).any():
            raise ValueError("A score is not a number: the model has diverged.")
        scores[:, ~candidates] = -np.inf
        for row, history in enumerate(histories):
            scores[row, history] = -np.inf
        best = np.argpartition(-scores, kept - 1, axis=1)[:, :kept]
        found = np.take_along_axis(scores, best, axis=1)
        order = np.argsort(-found, axis=1, kind="stable")
        best = np.take_along_axis(best, order, axis=1)
        listed = np.take_along_axis(found, order, axis=1) > -np.inf
        lists[start : start + len(rows), :kept] = np.where(listed, best, -1)
    return lists


def mean_ndcg(lists: Ints, users: Ints, past: Events, asked: Events, k: int = 10) -> float:
    """NDCG@k over the users who had something to find that they had not done before.

    Args:
        lists: (n_users, >= k) of `users`.
        users: dense indexes, sorted.
        past: what they had done; it cannot be found again.
        asked: the events that judge.
        k: cutoff.
    """
    gains = 1 / np.log2(np.arange(2, k + 2))
    values = []
    pairs = zip(lists, past.histories(users), asked.histories(users), strict=True)
    for shown, history, wanted in pairs:
        relevant = np.setdiff1d(wanted, history)
        if len(relevant):
            hits = np.isin(shown[:k], relevant)
            values.append(gains[hits.nonzero()].sum() / gains[: len(relevant)].sum())
    return float(np.mean(values)) if values else 0.0
