"""One model on one split: lists for everyone, and every figure of them."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models import metrics
from models.data import Bools, Dataset, Histories, Interactions, Ints
from models.distinct import distinct
from models.evaluation._bootstrap import bootstrap_interval
from models.evaluation._ranking import (
    Relevance,
    known_events,
    per_user_metrics,
    rank_all,
    tested,
)
from models.evaluation._rows import MetricRow
from models.evaluation._segments import Segment, segments
from models.protocol import Ranking, Recommender
from models.ranking import tie_breaks

Values = NDArray[np.float64]


@dataclass(frozen=True)
class EvaluationConfig:
    """How a model is judged.

    Attributes:
        cutoffs: list lengths.
        samples: bootstrap resamples behind every interval.
        seed: draws the resamples and orders equal scores.
        block: users scored at once.
    """

    cutoffs: tuple[int, ...] = (5, 10, 20, 50)
    samples: int = 1000
    seed: int = 42
    block: int = 512


@dataclass(frozen=True)
class Evaluation:
    """What came out.

    Attributes:
        rows: the figures, segment by segment.
        users: (n,) dense indexes of the users who had something to find.
        ranking: (n, max cutoff) their lists.
        per_user: (metric, k) to one value per user (n,), for paired comparisons.
    """

    rows: tuple[MetricRow, ...]
    users: Ints
    ranking: Ranking
    per_user: Mapping[tuple[str, int], Values]


@dataclass(frozen=True)
class _Judge:
    """Labels and intervals for the figures of one model on one split."""

    run_id: str
    model: str
    split: str
    config: EvaluationConfig

    def means(
        self, segment: str, values: Mapping[tuple[str, int], Values], users: Bools | None = None
    ) -> Iterator[MetricRow]:
        """Means over the users who have a value; columns of the same users are drawn together."""
        table = np.stack(list(values.values()), axis=1)
        measured = ~np.isnan(table) if users is None else ~np.isnan(table) & users[:, None]
        alike: defaultdict[bytes, list[int]] = defaultdict(list)
        for column, of_users in enumerate(measured.T):
            alike[of_users.tobytes()].append(column)
        found: dict[int, tuple[float, float, float]] = {}
        for columns in alike.values():
            own_users = table[measured[:, columns[0]]][:, columns]
            own = bootstrap_interval(own_users, self.config.samples, self.config.seed)
            figures = np.stack([own.value, own.low, own.high], axis=1).tolist()
            found |= dict(zip(columns, figures, strict=True))
        for column, (metric, k) in enumerate(values):
            value, low, high = found[column]
            n_users = int(measured[:, column].sum())
            yield self.row(segment, metric, k, value, n_users, (low, high))

    def row(
        self,
        segment: str,
        metric: str,
        k: int,
        value: float,
        n_users: int,
        interval: tuple[float | None, float | None] = (None, None),
    ) -> MetricRow:
        """One labelled figure."""
        return MetricRow(
            self.run_id,
            self.model,
            self.split,
            segment,
            metric,
            k,
            float(value),
            *interval,
            n_users,
        )


@dataclass(frozen=True)
class _Lists:
    """The lists of one evaluation with what their figures are made of."""

    ranking: Ranking
    histories: Histories
    candidates: Bools
    dataset: Dataset
    categories: NDArray[np.float32] | None


def evaluate(
    model: Recommender,
    dataset: Dataset,
    test: Interactions,
    *,
    split: str,
    run_id: str,
    candidates: Bools | None = None,
    known: Interactions | None = None,
    categories: NDArray[np.float32] | None = None,
    config: EvaluationConfig | None = None,
) -> Evaluation:
    """Ranks all candidates for every user of the test and measures the lists.

    Args:
        model: fitted on `dataset`.
        dataset: its training events say what is popular, cold and active; its text tokens say how
            alike two items are.
        test: events sorted by user, then time, that judge; pass `dataset.validation` to choose.
        split: name for the rows.
        run_id: name for the rows.
        candidates: (n_items,) which items are ranked; all by default.
        known: what the users had done when asked, sorted by user, then time; it is their history
            and is masked in their lists. `known_events(dataset)` by default; pass `dataset.train`
            where the validation events judge.
        categories: (n_items, c) category shares, for calibration; not measured without.
        config: cutoffs, resamples, seed.
    """
    settings = config or EvaluationConfig()
    past = known_events(dataset) if known is None else known
    ranked = np.ones(dataset.n_items, dtype=bool) if candidates is None else candidates
    histories, relevance = tested(past, test, dataset.n_items)
    ties = tie_breaks(dataset.item_ids.ids, settings.seed)
    ranking = rank_all(
        model, histories, ties, max(settings.cutoffs), candidates=ranked, block=settings.block
    )
    judge = _Judge(run_id, model.name, split, settings)
    parts = segments(dataset, histories, test, relevance)
    lists = _Lists(ranking, histories, ranked, dataset, categories)
    rows = [row for part in parts for row in _ranking_rows(judge, part, ranking, relevance)]
    return Evaluation(
        (*rows, *_list_rows(judge, lists)),
        histories.users,
        ranking,
        per_user_metrics(relevance.hits(ranking.items), relevance.counts(), settings.cutoffs),
    )


def _ranking_rows(
    judge: _Judge, segment: Segment, ranking: Ranking, relevance: Relevance
) -> Iterator[MetricRow]:
    hits = relevance.hits(ranking.items, segment.items)
    values = per_user_metrics(hits, relevance.counts(segment.items), judge.config.cutoffs)
    return judge.means(segment.name, values, segment.users)


def _list_rows(judge: _Judge, lists: _Lists) -> Iterator[MetricRow]:
    """What the lists are like beyond hits, for all users."""
    n_users, n_candidates = len(lists.histories), int(lists.candidates.sum())
    for k in judge.config.cutoffs:
        shown = lists.ranking.items[:, :k]
        coverage = metrics.coverage(shown, n_candidates)
        yield judge.row("all", "coverage", k, coverage, n_users)
        yield judge.row("all", "gini", k, metrics.gini(shown, lists.candidates), n_users)
    measured = {
        (name, k): measure(lists.ranking.items[:, :k])
        for name, measure in _list_measures(lists).items()
        for k in judge.config.cutoffs
    }
    known = {key: values for key, values in measured.items() if not np.isnan(values).all()}
    if known:
        yield from judge.means("all", known)


def _list_measures(lists: _Lists) -> dict[str, Callable[[Ints], Values]]:
    """The per-user list metrics that this dataset allows."""
    dataset, categories = lists.dataset, lists.categories
    pairs = distinct(dataset.train.users.astype(np.int64) * dataset.n_items + dataset.train.items)
    counts = np.bincount(pairs % dataset.n_items, minlength=dataset.n_items)
    n_train_users = len(distinct(dataset.train.users))
    measures: dict[str, Callable[[Ints], Values]] = {
        "novelty": lambda shown: metrics.novelty(shown, counts, n_train_users)
    }
    if "text" in dataset.tokens:
        vectors, present = dataset.tokens["text"].at()
        measures["diversity"] = lambda shown: metrics.intra_list_diversity(shown, vectors, present)
    if categories is not None:
        measures["calibration"] = lambda shown: metrics.calibration(
            shown, lists.histories, categories
        )
    return measures
