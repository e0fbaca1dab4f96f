"""Items that a model does not know, by those it does that are most like them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from models.data import Dataset, Floats, Histories, Ints
from models.distinct import distinct
from models.explaining import Masks, explain
from models.explanation import Explanation
from models.extending import further_ties
from models.protocol import Ranking, Recommender, score_given
from models.ranking import rank
from models.reindexed import translated


@dataclass(frozen=True)
class Neighbourhood:
    """Known items near to an unknown one.

    Attributes:
        items: (k,) dense indexes, the nearest first; none where nothing is near.
        weights: (k,) positive.
    """

    items: Ints
    weights: Floats


class ByNeighbours:
    """A fitted model over a catalogue with further items that only their neighbours speak for.

    score(u, j) = Σ_i w_i score(u, i) / Σ_i w_i over the neighbours i that the model can score. An
    event on such an item counts as one on its nearest neighbour. An item without neighbours cannot
    be scored (-inf).

    Args:
        model: fitted on n items.
        further: what is near to each item from n on.
        ties: (n,) the order of equal scores.
        masks: of the model, where it has some; see `models.explaining.masks_of`.
    """

    def __init__(
        self,
        model: Recommender,
        further: Sequence[Neighbourhood],
        ties: Ints,
        masks: Masks | None = None,
    ) -> None:
        self.name = model.name
        self._model, self._masks, self._n_items = model, masks, len(ties)
        places = self._n_items + np.arange(len(further), dtype=np.int32)
        self._ties = further_ties(ties, places)
        self._near, self._weights = _side_by_side(further)
        nearest = np.where(self._weights[:, 0] > 0, self._near[:, 0], -1)
        self._stands_for = np.append(np.arange(self._n_items), nearest).astype(np.int32)

    def fit(self, dataset: Dataset) -> Self:
        """A wrapper learns nothing: fit the model itself."""
        raise TypeError("A model with further items cannot be fitted; fit the model behind it.")

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default; -inf where nothing is near.

        The model scores `items` and what is near to them, and no more.
        """
        past = translated(users, self._stands_for)
        if items is None:
            known = self._model.score(past)
            needed = distinct(self._near).astype(np.int32)
            near_by = score_given(self._model, past, needed)
            further = _means(near_by[:, np.searchsorted(needed, self._near)], self._weights)
            return np.concatenate([known, further], axis=1, dtype=np.float32)
        new = items >= self._n_items
        slots = items[new] - self._n_items
        near, weights = self._near[slots], self._weights[slots]
        needed = distinct(np.concatenate([items[~new], near.ravel()])).astype(np.int32)
        known = score_given(self._model, past, needed)
        scores = np.empty((len(users), len(items)), dtype=np.float32)
        scores[:, ~new] = known[:, np.searchsorted(needed, items[~new])]
        scores[:, new] = _means(known[:, np.searchsorted(needed, near)], weights)
        return scores

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items per user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self._ties, exclude=exclude)

    def explain(self, users: Histories, items: Ints) -> Explanation:
        """What moved the scores of items (n_users, k); for a further item, its nearest's score."""
        stands = np.where(items >= 0, self._stands_for[items], -1)
        past = translated(users, self._stands_for)
        explanation = explain(self._model, past, stands, self._masks)
        return replace(
            explanation,
            past_items=by_own_items(users, explanation.past_items, self._stands_for, self._n_items),
            nearest=np.where(items >= self._n_items, stands, -1).astype(np.int32),
        )

    def save(self, folder: Path) -> None:
        """A wrapper has nothing to keep: save the model itself."""
        raise TypeError("A model with further items cannot be saved; save the model behind it.")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """A wrapper is never on disk: load the model itself."""
        raise TypeError("A model with further items is on no disk; load the model behind it.")


def by_own_items(users: Histories, past_items: Ints, stands_for: Ints, n_known: int) -> Ints:
    """Past items (n_users, k, 3) with a user's own further items in place of what stood for them.

    A known item that stood for a further one is replaced by that one, by the newest of several;
    not if the user did the known item too.

    Args:
        users: what they did.
        past_items: as they were judged.
        stands_for: (n_items,) what stood for each item.
        n_known: items from there on have another that stands for them.
    """
    named = past_items.copy()
    owners = np.repeat(np.arange(len(users)), users.lengths)
    for event in np.flatnonzero(users.items >= n_known):
        item, row = users.items[event], owners[event]
        nearest = stands_for[item]
        if nearest >= 0 and nearest not in users.items[owners == row]:
            named[row][past_items[row] == nearest] = item
    return named


def _side_by_side(further: Sequence[Neighbourhood]) -> tuple[Ints, Floats]:
    """Items (f, k) and weights (f, k) of neighbourhoods, weight 0 where one has fewer than k."""
    widest = max((len(near.items) for near in further), default=0)
    shape = (len(further), max(1, widest))
    items, weights = np.zeros(shape, dtype=np.int32), np.zeros(shape, dtype=np.float32)
    for row, near in enumerate(further):
        items[row, : len(near.items)], weights[row, : len(near.items)] = near.items, near.weights
    return items, weights


def _means(scores: Floats, weights: Floats) -> Floats:
    """Weighted means (u, f) of the finite scores (u, f, k), weights (f, k); -inf where none is."""
    known = np.isfinite(scores)
    total = (known * weights).sum(axis=2)
    summed = (np.where(known, scores, 0) * weights).sum(axis=2)
    mean = np.divide(summed, total, out=np.full(total.shape, -np.inf), where=total > 0)
    return np.asarray(mean, dtype=np.float32)
