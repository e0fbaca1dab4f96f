"""Models of the library RecTools; each event counts once, and its time orders it.

The library has no list for a user of whose items it knows none: no score is above -inf there.
"""

import logging
import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pytorch_lightning import seed_everything
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models.base import ModelBase

from .exchange import Events, Floats, Ints, Task
from .rectools_networks import bert4rec, esasrec, hstu
from .rectools_two_stage import two_stage
from .tuning import Peer, Settings

_DEPTH = 4
"""Lengths of a list that a network is asked for: equal scores beyond the list do not matter."""


class RecToolsModel:
    """Any model of the library, asked by its own `recommend`."""

    def __init__(self, model: ModelBase, depth: int | None = _DEPTH) -> None:
        """Wraps a model; `depth` lists are asked for, or all that the model finds."""
        self._model, self._depth = model, depth

    def fit(self, events: Events, task: Task) -> None:
        """Learns from the events."""
        self._n_items = task.n_items
        self._asked = task.n_items if self._depth is None else self._depth * task.k
        self._frame = _frame(events)
        self._dataset = Dataset.construct(self._frame)
        seed_everything(task.seed, verbose=False)
        self._model.fit(self._dataset)

    def score(self, users: Ints, histories: Sequence[Ints]) -> Floats:
        """Scores (n, n_items) of the items that `recommend` lists, -inf for the others."""
        scores = np.full((len(users), self._n_items), -np.inf, dtype=np.float32)
        known = users[[len(history) > 0 for history in histories]]
        if not len(known):
            return scores
        recommended = self._model.recommend(
            users=known,
            dataset=self._dataset,
            k=min(self._asked, self._n_items),
            filter_viewed=True,
            add_rank_col=False,
            on_unsupported_targets="ignore",
            context=self._context(known),
        )
        rows = np.searchsorted(users, recommended[Columns.User].to_numpy())
        scores[rows, recommended[Columns.Item].to_numpy()] = recommended[Columns.Score].to_numpy()
        return scores

    def predict(self, users: Ints, items: Ints) -> Floats:
        """Not a model of values."""
        raise NotImplementedError

    def _context(self, users: Ints) -> pd.DataFrame | None:
        """The time of the request for a model that reads it: that of the user's last event."""
        if not self._model.require_recommend_context:
            return None
        mine = self._frame[self._frame[Columns.User].isin(users)]
        return mine.groupby(Columns.User, as_index=False).last().drop(columns=Columns.Item)


def build(name: str, settings: Settings, seed: int) -> Peer:
    """The model of that name."""
    # Lightning and pandas tell of their own habits at every call.
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.simplefilter("ignore", UserWarning)
    if name == "TwoStage":
        return RecToolsModel(two_stage(seed, settings), depth=None)
    networks = {"eSASRec": esasrec, "HSTU": hstu, "BERT4Rec": bert4rec}
    return RecToolsModel(networks[name](**settings))


def _frame(events: Events) -> pd.DataFrame:
    times = events.timestamps.astype("datetime64[us]").astype("datetime64[ns]")
    return pd.DataFrame(
        {
            Columns.User: events.users,
            Columns.Item: events.items,
            Columns.Weight: np.ones(len(events)),
            Columns.Datetime: times,
        }
    )
