"""Ranking metrics over a matrix of hits.

Every function takes

- hits: (n_users, K) bool, whether the item at each rank is relevant, best rank first, K ≥ k;
- relevant: (n_users,) how many relevant items the user has, ranked or not;
- k: how many ranks count;

and returns one value per user (n_users,) float64: NaN for a user without a relevant item.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.data import Bools

Counts = NDArray[np.integer]
Values = NDArray[np.float64]
RankingMetric = Callable[[Bools, Counts, int], Values]


def recall(hits: Bools, relevant: Counts, k: int) -> Values:
    """Share of the relevant items among the first k: Σ_{i≤k} rel_i / R (trec_eval's recall)."""
    return _per_relevant(hits[:, :k].sum(axis=1), relevant)


def hit_rate(hits: Bools, relevant: Counts, k: int) -> Values:
    """1 where any of the first k is relevant, else 0 (trec_eval's success)."""
    return np.where(relevant > 0, hits[:, :k].any(axis=1), np.nan)


def mrr(hits: Bools, relevant: Counts, k: int) -> Values:
    """1 / rank of the first relevant item, 0 where it is beyond k (Voorhees 1999)."""
    cut = hits[:, :k]
    first = np.where(cut.any(axis=1), 1.0 / (cut.argmax(axis=1) + 1.0), 0.0)
    return np.where(relevant > 0, first, np.nan)


def ndcg(hits: Bools, relevant: Counts, k: int) -> Values:
    """Discounted gain over the best one possible at k (Järvelin and Kekäläinen 2002).

    Σ_{i≤k} rel_i / log2(i + 1), divided by the same sum over min(R, k) relevant items in front:
    binary relevance, ideal list cut at k (trec_eval's ndcg_cut).
    """
    discounts = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(relevant, k)]
    return _per_relevant(hits[:, :k] @ discounts[: hits[:, :k].shape[1]], ideal)


def mean_ap(hits: Bools, relevant: Counts, k: int) -> Values:
    """Average precision at k: Σ_{i≤k} rel_i · precision@i / R; its mean over users is MAP.

    Divided by all R relevant items, not by min(R, k), as trec_eval's map_cut does (Buckley and
    Voorhees 2000); a user with more than k relevant items cannot reach 1.
    """
    cut = hits[:, :k]
    precision = np.cumsum(cut, axis=1) / np.arange(1, cut.shape[1] + 1)
    return _per_relevant((precision * cut).sum(axis=1), relevant)


RANKING_METRICS: Mapping[str, RankingMetric] = {
    "ndcg": ndcg,
    "recall": recall,
    "map": mean_ap,
    "mrr": mrr,
    "hit_rate": hit_rate,
}
"""The ranking metrics by the names of the metrics table."""


def _per_relevant(numerator: NDArray[np.number], denominator: NDArray[np.number]) -> Values:
    values = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=values, where=denominator > 0)
    return values
