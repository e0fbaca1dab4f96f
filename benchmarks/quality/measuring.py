"""Figures of lists and predictions; ours and the peers' go through the same lines."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assets.datasets import SplitData
from benchmarks.peers.exchange import Answer
from benchmarks.quality.handover import K, tested_users
from models.data import Dataset, Floats, Histories, Ints
from models.evaluation import (
    EvaluationConfig,
    MetricRow,
    Relevance,
    evaluate,
    evaluate_ratings,
    known_events,
    segments,
)
from models.splits.names import RANDOM

HEADLINE = ("ndcg", 10)
COMPARED = ("all", "recency-day")


class ListError(ValueError):
    """Lists that no model may give."""


@dataclass(frozen=True)
class Measured:
    """Figures of one model on one split.

    Attributes:
        rows: all of them.
        per_user: NDCG@10 (n_users,) of the tested users; empty for ratings.
    """

    rows: tuple[MetricRow, ...]
    per_user: np.ndarray


class Listed:
    """Finished lists as a model: the item at place p of a user's list scores -p, others -inf."""

    def __init__(self, name: str, users: Ints, lists: Ints, n_items: int) -> None:
        self.name = name
        self._row_of = np.full(int(users.max(initial=0)) + 1, -1)
        self._row_of[users] = np.arange(len(users))
        self._lists, self._n_items = lists, n_items

    def fit(self, dataset: Dataset) -> "Listed":
        """Nothing is left to learn."""
        return self

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items)."""
        lists = self._lists[self._row_of[users.users]]
        scores = np.full((len(users), self._n_items), -np.inf, dtype=np.float32)
        rows, places = np.nonzero(lists >= 0)
        scores[rows, lists[rows, places]] = -places
        return scores if items is None else scores[:, items]


class Predicted:
    """Finished predictions of the test's events as a model."""

    def __init__(self, name: str, predictions: Floats) -> None:
        self.name, self._predictions = name, predictions

    def predict_ratings(self, users: Ints, items: Ints) -> Floats:
        """The predictions, which are in the order of the test's events."""
        return self._predictions


def measure(name: str, answer: Answer, data: SplitData, config: EvaluationConfig) -> Measured:
    """All figures of one answer.

    Raises:
        ListError: the lists hold what they may not.
    """
    if data.name == RANDOM:
        if answer.predictions.shape != data.test.values.shape:
            raise ListError(f"{name} gave no value for each event of the test.")
        model = Predicted(name, answer.predictions)
        rows = evaluate_ratings(model, data.test, split=data.name, run_id=name, config=config)
        return Measured(rows, np.zeros(0))
    users = tested_users(data)
    require_lists(name, answer.lists, users, data)
    evaluation = evaluate(
        Listed(name, users, answer.lists, data.dataset.n_items),  # type: ignore[arg-type]
        data.dataset,
        data.test,
        split=data.name,
        run_id=name,
        candidates=data.candidates,
        categories=data.categories,
        config=config,
    )
    return Measured(evaluation.rows, evaluation.per_user[HEADLINE])


def require_lists(name: str, lists: Ints, users: Ints, data: SplitData) -> None:
    """Checks that the lists hold candidates, none twice, and nothing the users had done.

    Raises:
        ListError: they do not.
    """
    if lists.shape != (len(users), K):
        raise ListError(f"{name} gave lists of shape {lists.shape}, not {(len(users), K)}.")
    rows, places = np.nonzero(lists >= 0)
    items = lists[rows, places].astype(np.int64)
    if items.max(initial=0) >= data.dataset.n_items or not data.candidates[items].all():
        raise ListError(f"{name} listed an item that is no candidate.")
    keys = rows * data.dataset.n_items + items
    past = Histories.of(known_events(data.dataset), users)
    done = np.repeat(np.arange(len(past)), past.lengths) * data.dataset.n_items + past.items
    if len(np.unique(keys)) < len(keys) or np.isin(keys, done).any():
        raise ListError(f"{name} listed an item twice, or one that the user had done.")


def segment_users(data: SplitData, names: Sequence[str] = COMPARED) -> dict[str, np.ndarray]:
    """Which of the tested users (n_users,) each segment of users holds."""
    users = tested_users(data)
    histories = Histories.of(known_events(data.dataset), users)
    relevance = Relevance.of(data.test, histories, data.dataset.n_items)
    everyone = np.ones(len(users), dtype=bool)
    return {
        part.name: everyone if part.users is None else part.users
        for part in segments(data.dataset, histories, data.test, relevance)
        if part.name in names
    }
