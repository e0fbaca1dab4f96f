"""How well a model ranks the events that came after the newest one that it could learn from.

Prequential evaluation, or test-then-train (Dawid 1984; Gama, Sebastião and Rodrigues 2013): each
new event first judges the model that answers, and only then may a model learn from it. So every
event judges once, and no fit has seen what judges it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.baselines.popularity import Popularity
from models.data import Dataset, Interactions, Vocabulary
from models.evaluation import (
    PairedDifference,
    Relevance,
    paired_difference,
    per_user_metrics,
    rank_all,
    tested,
)
from models.protocol import Recommender
from models.ranking import tie_breaks

K = 10
"""Length of the lists that are judged."""


@dataclass(frozen=True)
class NextEvents:
    """What the events after an instant say of a model.

    Attributes:
        events: how many there are, also of users who only did again what they had done.
        users: who have something to find.
        ndcg: mean NDCG@10 of the model's lists over these users; NaN for no user, as all means.
        popularity_ndcg: of the items that were chosen most up to the instant.
        hit_rate: share of the users whose list of 10 holds something that they chose.
        popularity_hit_rate: the same of the most chosen items.
        difference: NDCG@10 of the model less that of popularity, on the same users.
    """

    events: int
    users: int
    ndcg: float
    popularity_ndcg: float
    hit_rate: float
    popularity_hit_rate: float
    difference: PairedDifference


def judged_by_next(
    model: Recommender,
    events: Interactions,
    vocabularies: tuple[Vocabulary, Vocabulary],
    since: int,
    *,
    samples: int = 1000,
    seed: int = 42,
) -> NextEvents:
    """Judges lists made at an instant by the events after it.

    Args:
        model: fitted to events up to `since` at most; it ranks in the indexes of the items.
        events: all of them, sorted by user, then time; what is later than `since` judges, and the
            rest is what the users had done.
        vocabularies: of the users and of the items.
        since: UTC microseconds.
        samples: resamples of the users behind the interval.
        seed: draws them, and orders equal scores.
    """
    user_ids, item_ids = vocabularies
    later = events.timestamps > since
    past, following = events.take(~later), events.take(later)
    nothing = past.take(np.zeros(len(past), dtype=bool))
    known = Dataset(user_ids, item_ids, past, nothing, {}, np.zeros((len(past), 0), np.float32))
    histories, relevance = tested(past, following, len(item_ids))
    ties = tie_breaks(item_ids.ids, seed)

    def figures(ranker: Recommender) -> Mapping[tuple[str, int], np.ndarray]:
        return _figures(rank_all(ranker, histories, ties, K).items, relevance)

    mine, popular = figures(model), figures(Popularity(seed).fit(known))
    return NextEvents(
        len(following),
        len(histories),
        _mean(mine["ndcg", K]),
        _mean(popular["ndcg", K]),
        _mean(mine["hit_rate", K]),
        _mean(popular["hit_rate", K]),
        paired_difference(mine["ndcg", K], popular["ndcg", K], samples, seed),
    )


def _figures(lists: np.ndarray, relevance: Relevance) -> Mapping[tuple[str, int], np.ndarray]:
    return per_user_metrics(relevance.hits(lists), relevance.counts(), (K,))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
