"""What is known of items without a single event, and what users who have some make of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.baselines import ALS
from models.data import Floats, Histories, Ints
from models.explanation import BEHAVIOUR, POPULARITY
from models.hmdf.numbers import ItemNumbers, numbers_of
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.taste_map import Tastes
from models.ranking import top_k
from models.reindexed import translated

_ATTRIBUTES = "attributes"


@dataclass(frozen=True)
class ItemContent:
    """What is known of items without a single event.

    Attributes:
        factors: matrix factorisation of the others, which makes a user of a history.
        tastes: what content predicts of each item.
        similarity: nearness of an item to others, by modality.
        numbers: an item's year and the like.
        stands_for: (n_items,) each item itself and, of those that came after the fit, the nearest
            that had events; -1 where none is near.
    """

    factors: ALS
    tastes: Tastes
    similarity: ContentSimilarity
    numbers: ItemNumbers
    stands_for: Ints

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the f features."""
        return (
            *(f"{name}_taste" for name in self.similarity.spaces),
            "predicted_popularity",
            "user_events",
            *self.similarity.names,
            *self.numbers.names(),
        )

    @property
    def reads(self) -> tuple[str, ...]:
        """What each feature is a figure of: a part of this name, or a modality."""
        return (
            *self.similarity.spaces,
            POPULARITY,
            BEHAVIOUR,
            *self.similarity.reads,
            *(_ATTRIBUTES for _ in self.numbers.names()),
        )

    def vectors(self, users: Histories) -> Floats:
        """Users (n_users, f) by what they did."""
        if self._has_grown:
            users = translated(users, self.stands_for)
        return self.factors.user_vectors(users)

    @cached_property
    def _has_grown(self) -> bool:
        """Whether any item came after the fit, which the factors do not know."""
        themselves = np.arange(len(self.stands_for))
        return not np.array_equal(self.stands_for, themselves)

    def candidates(
        self, users: Histories, vectors: Floats, among: Ints, most: int, ties: Ints
    ) -> tuple[Ints, Ints]:
        """The items of `among` nearest to each user's taste, without those the user had.

        Args:
            users: their histories.
            vectors: theirs.
            among: (k,) dense indexes.
            most: items of each user at most.
            ties: (n_items,) the order among equal scores.

        Returns:
            Rows (r,), ascending, and items (r,).
        """
        if not len(among):
            return np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32)
        if len(among) <= most:
            return _never_had(users, among, len(ties))
        scores = vectors @ self.tastes.whole[among].T
        nearest = top_k(scores, min(most, len(among)), ties, items=among, exclude=users).items
        rows, places = np.nonzero(nearest >= 0)
        return rows.astype(np.int32), nearest[rows, places]

    def features(self, users: Histories, vectors: Floats, rows: Ints, items: Ints) -> Floats:
        """Features (r, f) float32 of pairs of a user row, ascending, and an item."""
        by_modality = self.tastes.by_modality[:, items]
        return np.column_stack(
            [
                np.einsum("rf,mrf->rm", vectors[rows], by_modality),
                self.tastes.popularity[items],
                np.log1p(users.lengths)[rows],
                self.similarity.cosines(users, rows, items),
                numbers_of(self.numbers, users, rows, items),
            ]
        ).astype(np.float32)


def _never_had(users: Histories, among: Ints, n_items: int) -> tuple[Ints, Ints]:
    """Rows (r,) and items (r,): of each user all those of `among` that the user never had."""
    had = np.zeros((len(users), n_items), dtype=bool)
    had[np.repeat(np.arange(len(users)), users.lengths), users.items] = True
    rows, places = np.nonzero(~had[:, among])
    return rows.astype(np.int32), among[places]
