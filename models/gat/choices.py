"""Who chose what: the edges between users and items."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.data import Bools, Floats, Interactions, Ints, Longs
from models.sequences import Scale

_DAY = 86_400_000_000


@dataclass(frozen=True)
class Choices:
    """The training events as edges, sorted by user, then time.

    Attributes:
        n_items: size of the item vocabulary.
        offsets: (n_users + 1,); user u's choices are the rows `offsets[u]:offsets[u + 1]`.
        items: (n,) dense item indexes.
        values: (n,) standardised values.
        recency: (n,) 1 for the newest event of all, less the older an event is.
    """

    n_items: int
    offsets: Longs
    items: Ints
    values: Floats
    recency: Floats

    def __len__(self) -> int:
        return len(self.items)

    @property
    def n_users(self) -> int:
        """Size of the user vocabulary."""
        return len(self.offsets) - 1

    @cached_property
    def users(self) -> Ints:
        """The user (n,) of each row."""
        return np.repeat(np.arange(self.n_users, dtype=np.int32), np.diff(self.offsets))

    @cached_property
    def by_item(self) -> Longs:
        """The rows (n,) sorted by item."""
        return np.argsort(self.items, kind="stable")

    @cached_property
    def item_offsets(self) -> Longs:
        """(n_items + 1,); item i's rows are at `offsets[i]:offsets[i + 1]` of `by_item`."""
        return np.searchsorted(self.items[self.by_item], np.arange(self.n_items + 1))

    @property
    def chosen(self) -> Bools:
        """Which items (n_items,) somebody chose."""
        return np.diff(self.item_offsets) > 0

    @staticmethod
    def of(events: Interactions, n_users: int, n_items: int, scale: Scale) -> "Choices":
        """The edges of events sorted by user, then time."""
        newest = events.timestamps.max(initial=0)
        days = (newest - events.timestamps) / _DAY
        return Choices(
            n_items,
            np.searchsorted(events.users, np.arange(n_users + 1)),
            events.items,
            scale(events.values),
            (1 - np.log1p(days) / 4).astype(np.float32),
        )
