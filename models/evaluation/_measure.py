"""One metric of one model for each user: what ablations and controls compare."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.data import Bools, Dataset, Interactions
from models.evaluation._ranking import known_events, rank_all, tested
from models.metrics import RANKING_METRICS
from models.protocol import Recommender
from models.ranking import tie_breaks

Values = NDArray[np.float64]

Measure = Callable[[Recommender], Values]
"""What a model is worth to each user (n_users,): the same users, in one order, for any model."""


def user_measure(
    dataset: Dataset,
    test: Interactions,
    *,
    metric: str = "ndcg",
    k: int = 10,
    candidates: Bools | None = None,
    known: Interactions | None = None,
    seed: int = 42,
    block: int = 512,
) -> Measure:
    """A function from a model to one ranking metric of every user who has something to find.

    The figures are those of `evaluate`, without segments, lists and intervals. Histories and
    relevant items are made ready once, so that many variants of a model cost their scores alone.

    Args:
        dataset: vocabulary and known events.
        test: events sorted by user, then time, that judge.
        metric: a name of `models.metrics.RANKING_METRICS`.
        k: list length.
        candidates: (n_items,) which items are ranked; all by default.
        known: what the users had done when asked; `known_events(dataset)` by default.
        seed: orders equal scores.
        block: users scored at once.
    """
    past = known_events(dataset) if known is None else known
    histories, relevance = tested(past, test, dataset.n_items)
    ties = tie_breaks(dataset.item_ids.ids, seed)
    formula, relevant = RANKING_METRICS[metric], relevance.counts()

    def measure(model: Recommender) -> Values:
        ranking = rank_all(model, histories, ties, k, candidates=candidates, block=block)
        return formula(relevance.hits(ranking.items), relevant, k)

    return measure
