"""iALS of the library irspack, plain and with the items' content; each event counts once."""

from collections.abc import Sequence

import numpy as np
from irspack import IALSRecommender
from scipy import sparse

from .exchange import Events, Floats, Ints, Task
from .tuning import Peer, Settings


class IALS:
    """iALS (Rendle et al. 2022, arXiv:2110.14037) on the items that have an event."""

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings, self._seed = settings, seed

    def fit(self, events: Events, task: Task) -> None:
        """Learns from the events."""
        self._seen = np.unique(events.items)
        self._task = task
        self._model = IALSRecommender(
            self._choices(events),
            random_seed=self._seed,
            **self._settings,
            **self._given(),
        )
        self._model.learn()

    def score(self, users: Ints, histories: Sequence[Ints]) -> Floats:
        """Scores (n, n_items)."""
        scores = np.full((len(users), self._task.n_items), -np.inf, dtype=np.float32)
        scores[:, self._seen] = self._model.get_score(users)
        return scores

    def predict(self, users: Ints, items: Ints) -> Floats:
        """Not a model of values."""
        raise NotImplementedError

    def _given(self) -> dict[str, Floats]:
        """What the model is given in addition to the events."""
        return {}

    def _choices(self, events: Events) -> sparse.csr_matrix:
        """(n_users, n_seen), 1 where there was an event."""
        columns = np.searchsorted(self._seen, events.items)
        shape = (self._task.n_users, len(self._seen))
        matrix = sparse.csr_matrix((np.ones(len(events)), (events.users, columns)), shape=shape)
        matrix.data[:] = 1
        return matrix


class FeatureIALS(IALS):
    """Feature-aware iALS: an item without events has the factors that its content leads to.

    Items without events are no part of the training, as the library's guide has it.
    """

    def score(self, users: Ints, histories: Sequence[Ints]) -> Floats:
        """Scores (n, n_items), of content alone."""
        return self._model.get_score_from_item_features(users, self._task.features)

    def _given(self) -> dict[str, Floats]:
        return {"item_features": self._task.features[self._seen]}


def build(name: str, settings: Settings, seed: int) -> Peer:
    """The model of that name."""
    return {"IALS": IALS, "FeatureIALS": FeatureIALS}[name](settings, seed)
