"""Models of the library cornac. Each sees the items with an event alone, as cornac's own splits do.

A setting named `values` says what an event counts: `ones`, or `stars`, its value. All others are
the library's own.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from cornac import models
from cornac.data import Dataset, ImageModality, SequentialDataset

from .exchange import Events, Floats, Ints, Task
from .tuning import Peer, Settings


class Catalogue:
    """The items that have an event, under indexes without gaps."""

    def __init__(self, events: Events, n_items: int) -> None:
        self.items = np.unique(events.items)
        self.place = np.full(n_items, -1, dtype=np.int64)
        self.place[self.items] = np.arange(len(self.items))

    def spread(self, scores: Floats) -> Floats:
        """Scores (n, n_known) as (n, n_items), -inf for the other items."""
        wide = np.full((len(scores), len(self.place)), -np.inf, dtype=np.float32)
        wide[:, self.items] = scores
        return wide


class CornacModel:
    """A model that knows its users by what it has learned from them."""

    def __init__(self, kind: type, settings: Settings, seed: int) -> None:
        parameters = {key: value for key, value in settings.items() if key != "values"}
        self._stars = settings.get("values", "ones") == "stars"
        self._model = kind(**parameters, **_accepted(kind, {"seed": seed, "verbose": False}))

    def fit(self, events: Events, task: Task) -> None:
        """Learns from the events."""
        self._catalogue = Catalogue(events, task.n_items)
        data = self._data(_last_of_pairs(events), task)
        self._model.fit(data)

    def _data(self, events: Events, task: Task) -> Dataset:
        return Dataset(
            num_users=task.n_users,
            num_items=len(self._catalogue.items),
            uid_map=_identity(task.n_users),
            iid_map=_identity(len(self._catalogue.items)),
            uir_tuple=_triples(events, self._catalogue, self._stars),
            seed=task.seed,
        )

    def score(self, users: Ints, histories: Sequence[Ints]) -> Floats:
        """Scores (n, n_items)."""
        scores = [np.asarray(self._model.score(int(user))).ravel() for user in users]
        return self._catalogue.spread(np.array(scores))

    def predict(self, users: Ints, items: Ints) -> Floats:
        """Values (n,); an item without an event gets the mean, with the user's bias if there is."""
        places = self._catalogue.place[items]
        known = places >= 0
        values = np.full(len(users), self._model.default_score(), dtype=np.float32)
        if getattr(self._model, "u_biases", None) is not None:
            values += self._model.u_biases[users]
        values[known] = [
            self._model.rate(int(user), int(place))
            for user, place in zip(users[known], places[known], strict=True)
        ]
        return values


class SequenceModel(CornacModel):
    """A next-item model: a user's history is one session, and it ranks what comes next."""

    def _data(self, events: Events, task: Task) -> SequentialDataset:
        if isinstance(self._model, models.GRU4Rec):
            # Its batch is of sessions that run side by side; it fails where there are fewer.
            sessions = int((np.bincount(events.users) > 1).sum())
            self._model.batch_size = min(self._model.batch_size, sessions)
        return SequentialDataset(
            num_users=task.n_users,
            num_sessions=task.n_users,
            num_items=len(self._catalogue.items),
            uid_map=_identity(task.n_users),
            sid_map=_identity(task.n_users),
            iid_map=_identity(len(self._catalogue.items)),
            uir_tuple=_triples(events, self._catalogue, stars=False),
            session_indices=events.users,
            timestamps=events.timestamps,
            seed=task.seed,
        )

    def score(self, users: Ints, histories: Sequence[Ints]) -> Floats:
        """Scores (n, n_items)."""
        scores = []
        for user, history in zip(users, histories, strict=True):
            places = self._catalogue.place[history]
            scores.append(self._model.score(int(user), places[places >= 0].tolist()))
        return self._catalogue.spread(np.array(scores))


class ContentModel(CornacModel):
    """VBPR and its kin: cornac calls the features an image; here they are all of the content.

    Where the candidates have no events, scores are made of content alone: what a model learned of
    an item without events would be its random start.
    """

    def _data(self, events: Events, task: Task) -> Dataset:
        data = super()._data(events, task)
        features = task.features[self._catalogue.items].astype(np.float32)
        image = ImageModality(features=features)
        data.add_modalities(item_image=image)
        self._task = task
        return data

    def score(self, users: Ints, histories: Sequence[Ints]) -> Floats:
        """Scores (n, n_items)."""
        if not self._task.content_only:
            return super().score(users, histories)
        model, features = self._model, self._task.features
        # AMR has one set of user factors and no bias of the content.
        tastes = model.theta_user if hasattr(model, "theta_user") else model.gamma_user
        scores = tastes[users] @ (features @ model.emb_matrix).T
        if getattr(model, "beta_prime", None) is not None:
            scores = scores + (features @ model.beta_prime).ravel()
        return scores


def build(name: str, settings: Settings, seed: int) -> Peer:
    """The cornac model of that name."""
    kind = getattr(models, name)
    if issubclass(kind, models.NextItemRecommender):
        return SequenceModel(kind, settings, seed)
    if name in ("VBPR", "AMR"):
        return ContentModel(kind, settings, seed)
    return CornacModel(kind, settings, seed)


def _accepted(kind: type, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What of `wanted` the model can be given."""
    known = kind._get_init_params()  # type: ignore[attr-defined]
    return {key: value for key, value in wanted.items() if key in known}


def _identity(n: int) -> OrderedDict[int, int]:
    return OrderedDict(zip(range(n), range(n), strict=True))


def _triples(
    events: Events, catalogue: Catalogue, stars: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = events.values if stars else np.ones(len(events))
    places = catalogue.place[events.items]
    return events.users.astype(np.int64), places, values.astype(np.float64)


def _last_of_pairs(events: Events) -> Events:
    """Each user and item once, as it was last: cornac would add repeated values."""
    width = int(events.items.max()) + 1
    keys = events.users.astype(np.int64) * width + events.items
    _, places = np.unique(keys[::-1], return_index=True)
    rows = np.sort(len(keys) - 1 - places)
    return Events(
        events.users[rows], events.items[rows], events.values[rows], events.timestamps[rows]
    )
