"""Models of the library implicit; each event counts once, whatever its value."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from .exchange import Events, Floats, Ints, Task
from .tuning import Peer, Settings


class FactorModel:
    """ALS or BPR: scores are products of a user's and an item's factors."""

    def __init__(self, kind: type, settings: Settings, seed: int) -> None:
        self._model = kind(**settings, random_state=seed)

    def fit(self, events: Events, task: Task) -> None:
        """Learns from the events."""
        # implicit runs its own threads; BLAS threads inside each slow it down by an order.
        with threadpool_limits(1, "blas"):
            self._model.fit(_matrix(events, task), show_progress=False)
        self._seen = _seen(events, task)

    def score(self, users: Ints, histories: Sequence[Ints]) -> Floats:
        """Scores (n, n_items)."""
        scores = self._model.user_factors[users] @ self._model.item_factors.T
        return np.where(self._seen, scores, -np.inf)

    def predict(self, users: Ints, items: Ints) -> Floats:
        """Not a model of values."""
        raise NotImplementedError


class NeighbourModel:
    """Item-based neighbours: the similarities of an item to those of the history, added."""

    def __init__(self, kind: type, settings: Settings) -> None:
        self._model = kind(**settings)

    def fit(self, events: Events, task: Task) -> None:
        """Learns from the events."""
        self._choices = _matrix(events, task)
        self._model.fit(self._choices, show_progress=False)
        self._seen = _seen(events, task)

    def score(self, users: Ints, histories: Sequence[Ints]) -> Floats:
        """Scores (n, n_items)."""
        scores = (self._choices[users] @ self._model.similarity).toarray()
        return np.where(self._seen, scores, -np.inf)

    def predict(self, users: Ints, items: Ints) -> Floats:
        """Not a model of values."""
        raise NotImplementedError


def build(name: str, settings: Settings, seed: int) -> Peer:
    """The model of that name: `als`, `bpr` or `item_knn`."""
    return {"als": _als, "bpr": _bpr, "item_knn": _item_knn}[name](settings, seed)


def _als(settings: Settings, seed: int) -> Peer:
    """Implicit ALS (Hu, Koren and Volinsky 2008)."""
    from implicit.cpu.als import AlternatingLeastSquares

    return FactorModel(AlternatingLeastSquares, settings, seed)


def _bpr(settings: Settings, seed: int) -> Peer:
    """BPR (Rendle et al. 2009)."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    return FactorModel(BayesianPersonalizedRanking, settings, seed)


def _item_knn(settings: Settings, seed: int) -> Peer:
    """Neighbours by the weighting that the settings name."""
    from implicit.nearest_neighbours import (
        BM25Recommender,
        CosineRecommender,
        ItemItemRecommender,
        TFIDFRecommender,
    )

    kinds = {
        "counts": ItemItemRecommender,
        "cosine": CosineRecommender,
        "tfidf": TFIDFRecommender,
        "bm25": BM25Recommender,
    }
    rest = {key: value for key, value in settings.items() if key != "weighting"}
    return NeighbourModel(kinds[settings["weighting"]], rest)


def _matrix(events: Events, task: Task) -> sparse.csr_matrix:
    """Choices (n_users, n_items), 1 where there was an event."""
    # The neighbours' compiled code takes no other type; the factors' code converts it.
    ones = np.ones(len(events), dtype=np.float64)
    shape = (task.n_users, task.n_items)
    matrix = sparse.csr_matrix((ones, (events.users, events.items)), shape=shape)
    matrix.data[:] = 1
    return matrix


def _seen(events: Events, task: Task) -> np.ndarray:
    return np.bincount(events.items, minlength=task.n_items) > 0
