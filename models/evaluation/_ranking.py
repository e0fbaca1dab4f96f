"""Ranking every candidate for every user, and what of it is relevant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Bools, Dataset, Histories, Interactions, Ints, Longs
from models.distinct import distinct
from models.metrics import RANKING_METRICS
from models.protocol import Ranking, Recommender
from models.ranking import rank

Values = NDArray[np.float64]


def rank_all(
    model: Recommender,
    histories: Histories,
    ties: Ints,
    k: int,
    *,
    candidates: Bools | None = None,
    exclude: Histories | None = None,
    block: int = 512,
) -> Ranking:
    """The k best of all candidates for every user, none sampled.

    Args:
        model: scores whole blocks of users at once.
        histories: what each user had done; the rows of the result.
        ties: (n_items,) from `tie_breaks`: the order among equal scores.
        k: list length.
        candidates: (n_items,) which items may be shown; all by default.
        exclude: items never shown to a user; the user's history by default.
        block: users scored at once.
    """
    items = None if candidates is None else np.flatnonzero(candidates).astype(np.int32)
    hidden = histories if exclude is None else exclude
    return rank(model.score, histories, k, ties, items=items, exclude=hidden, block=block)


@dataclass(frozen=True)
class Relevance:
    """The relevant (user row, item) pairs of a test, each once.

    Attributes:
        keys: sorted row * n_items + item.
        n_users: number of rows.
        n_items: size of the item vocabulary.
    """

    keys: Longs
    n_users: int
    n_items: int

    @staticmethod
    def of(test: Interactions, histories: Histories, n_items: int) -> "Relevance":
        """What the users of `histories` did in the test.

        An item of a user's history cannot be shown to him, so a test event that repeats it is not
        relevant. An item nobody ever had stays relevant: who cannot rank it misses it.
        """
        row_of = np.full(1 + max(_largest(test.users), _largest(histories.users)), -1, np.int64)
        row_of[histories.users] = np.arange(len(histories))
        rows = row_of[test.users]
        keys = distinct(rows[rows >= 0] * n_items + test.items[rows >= 0])
        past = np.repeat(np.arange(len(histories)), histories.lengths) * n_items + histories.items
        places = np.searchsorted(keys, past)
        new = np.ones(len(keys), dtype=bool)
        new[places[np.append(keys, -1)[places] == past]] = False
        return Relevance(keys[new], len(histories), n_items)

    @property
    def rows(self) -> Longs:
        """The user row of each pair."""
        return self.keys // self.n_items

    @property
    def items(self) -> Longs:
        """The item of each pair."""
        return self.keys % self.n_items

    def counts(self, items: Bools | None = None) -> Longs:
        """Relevant items per user (n_users,), of those in the mask (n_items,) by default all."""
        rows = self.rows if items is None else self.rows[items[self.items]]
        return np.bincount(rows, minlength=self.n_users)

    def hits(self, lists: Ints, items: Bools | None = None) -> Bools:
        """Whether each entry of the lists (n_users, k) is relevant and in the mask (n_items,)."""
        keys = np.arange(self.n_users)[:, None] * self.n_items + lists
        places = np.searchsorted(self.keys, keys)
        relevant = np.append(self.keys, -1)[places] == keys
        counted: Bools = relevant & (lists >= 0)
        return counted if items is None else counted & items[lists]


def known_events(dataset: Dataset) -> Interactions:
    """Training and validation events together: all that a user of the test had done before it."""
    parts = (dataset.train, dataset.validation)
    together = Interactions(
        np.concatenate([part.users for part in parts]),
        np.concatenate([part.items for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.timestamps for part in parts]),
    )
    return together.take(np.lexsort((together.timestamps, together.users)))


def tested(past: Interactions, test: Interactions, n_items: int) -> tuple[Histories, Relevance]:
    """Histories of the users who have something to find, and what that is."""
    everyone = Histories.of(past, distinct(test.users).astype(np.int32))
    findable = Relevance.of(test, everyone, n_items).counts() > 0
    histories = Histories.of(past, everyone.users[findable])
    return histories, Relevance.of(test, histories, n_items)


def per_user_metrics(
    hits: Bools, relevant: NDArray[np.integer], cutoffs: Iterable[int]
) -> Mapping[tuple[str, int], Values]:
    """Every ranking metric at every cutoff, one value per user; NaN without a relevant item.

    Args:
        hits: (n_users, K) from `Relevance.hits`.
        relevant: (n_users,) from `Relevance.counts`.
        cutoffs: values of k, none above K.
    """
    return {
        (name, k): metric(hits, relevant, k)
        for name, metric in RANKING_METRICS.items()
        for k in cutoffs
    }


def _largest(indexes: Ints) -> int:
    return int(indexes.max()) if len(indexes) else -1
