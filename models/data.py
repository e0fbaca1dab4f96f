"""The typed arrays every model reads.

Ids are strings outside and dense int32 indexes inside: a `Dataset` holds both vocabularies, and no
model sees a raw id. All timestamps are UTC microseconds (int64).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Longs = NDArray[np.int64]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Vocabulary:
    """Ids and their dense indexes: the id at position i has index i."""

    ids: tuple[str, ...]

    @cached_property
    def index_of(self) -> Mapping[str, int]:
        """The dense index of every id."""
        return {key: index for index, key in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def indexes(self, ids: Sequence[str]) -> Ints:
        """Dense indexes (n,) of ids; -1 where an id is unknown."""
        return np.array([self.index_of.get(key, -1) for key in ids], dtype=np.int32)


@dataclass(frozen=True)
class Interactions:
    """Events in parallel arrays (n,), sorted by user, then time.

    Events of one user and instant are in an order that says nothing of the item
    (`models.ties.chronological_order`), so that a model of sequences may take it as it is.

    Attributes:
        users: dense user index.
        items: dense item index.
        values: strength or stars, as the source gave them.
        timestamps: UTC microseconds.
    """

    users: Ints
    items: Ints
    values: Floats
    timestamps: Longs

    def __len__(self) -> int:
        return len(self.users)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> "Interactions":
        """The events at `rows` (a mask or indexes), in their order."""
        return Interactions(
            self.users[rows], self.items[rows], self.values[rows], self.timestamps[rows]
        )

    def newest(self, n_users: int) -> Longs:
        """When each user (n_users,) did something last; the earliest instant for who did not."""
        instants = np.full(n_users, np.iinfo(np.int64).min, dtype=np.int64)
        np.maximum.at(instants, self.users, self.timestamps)
        return instants


@dataclass(frozen=True)
class Histories:
    """What a batch of users did, oldest first, as compressed rows.

    A known user, a user of a request and a user who did nothing are all one row here, so that a
    model scores any of them the same way.

    Attributes:
        offsets: (n_users + 1,); user u's events are `offsets[u]:offsets[u + 1]`.
        items: (n_events,) dense item indexes.
        values: (n_events,) values of the events.
        timestamps: (n_events,) UTC microseconds.
        users: (n_users,) index in the training vocabulary, -1 for a user it has not.
    """

    offsets: Longs
    items: Ints
    values: Floats
    timestamps: Longs
    users: Ints

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def lengths(self) -> Longs:
        """Events per user (n_users,)."""
        return np.diff(self.offsets)

    def rows(self, start: int, stop: int) -> "Histories":
        """The users `start:stop`."""
        low, high = self.offsets[start], self.offsets[min(stop, len(self))]
        return Histories(
            self.offsets[start : stop + 1] - low,
            self.items[low:high],
            self.values[low:high],
            self.timestamps[low:high],
            self.users[start:stop],
        )

    def newest(self, most: int) -> "Histories":
        """The same users with at most so many events each, the newest."""
        lengths = np.minimum(self.lengths, most)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        rows = np.repeat(self.offsets[1:] - offsets[1:], lengths) + np.arange(offsets[-1])
        return Histories(
            offsets, self.items[rows], self.values[rows], self.timestamps[rows], self.users
        )

    def preceded_by(self, items: Ints) -> "Histories":
        """The same users as if each had first, at time 0, done these items (k,) too."""
        added = np.tile(items.astype(np.int32), len(self))
        zeros = np.zeros(len(added))
        rows = np.arange(len(self))
        owners = np.concatenate([np.repeat(rows, len(items)), np.repeat(rows, self.lengths)])
        order = np.argsort(owners, kind="stable")
        return Histories(
            self.offsets + np.arange(len(self) + 1) * len(items),
            np.concatenate([added, self.items])[order],
            np.concatenate([zeros.astype(self.values.dtype), self.values])[order],
            np.concatenate([zeros.astype(np.int64), self.timestamps])[order],
            self.users,
        )

    @staticmethod
    def of(events: Interactions, users: Ints) -> "Histories":
        """The histories of `users` (dense indexes) among `events` sorted by user, then time."""
        starts = np.searchsorted(events.users, users, side="left")
        stops = np.searchsorted(events.users, users, side="right")
        lengths = stops - starts
        offsets = np.zeros(len(users) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Histories(
            offsets,
            events.items[rows],
            events.values[rows],
            events.timestamps[rows],
            users.astype(np.int32),
        )

    @staticmethod
    def empty(n_users: int = 1) -> "Histories":
        """Users who did nothing yet."""
        return Histories(
            np.zeros(n_users + 1, dtype=np.int64),
            np.zeros(0, dtype=np.int32),
            np.zeros(0, dtype=np.float32),
            np.zeros(0, dtype=np.int64),
            np.full(n_users, -1, dtype=np.int32),
        )


NEVER = int(np.iinfo(np.int64).max)
"""In place of the instant of what has not happened."""


@dataclass(frozen=True)
class Impressions:
    """What users were shown in answers, in parallel arrays (n,), in any order.

    Attributes:
        users: dense user index.
        items: dense item index.
        timestamps: when the item was shown, in UTC microseconds.
        acted_at: when the user first acted on the item, before or after that; `NEVER` if the user
            has not.
    """

    users: Ints
    items: Ints
    timestamps: Longs
    acted_at: Longs

    def __len__(self) -> int:
        return len(self.users)

    @staticmethod
    def none() -> "Impressions":
        """Nothing was shown to anybody."""
        nothing, never = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
        return Impressions(nothing, nothing, never, never)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.integer]) -> "Impressions":
        """The impressions at `rows` (a mask or indexes), in their order."""
        return Impressions(
            self.users[rows], self.items[rows], self.timestamps[rows], self.acted_at[rows]
        )

    def known_at(self, instants: Longs) -> "Impressions":
        """What was known of each user at an instant (n_users,): nothing shown or done later."""
        known = self.take(self.timestamps <= instants[self.users])
        is_later = known.acted_at > instants[known.users]
        return replace(known, acted_at=np.where(is_later, NEVER, known.acted_at))


@dataclass(frozen=True)
class TokenTable:
    """One modality of the items, with the instant from which each row was known.

    Rows are sorted by item, then `known_at`. A modality whose content does not change in time has
    one row an item. An item without a row does not have the modality: there is no zero vector.

    Attributes:
        n_items: size of the item vocabulary.
        items: (n_rows,) dense item index.
        known_at: (n_rows,) UTC microseconds.
        features: (n_rows, d) the tower's own features, not standardised.
    """

    n_items: int
    items: Ints
    known_at: Longs
    features: Floats

    def at(self, instant: int | None = None) -> tuple[Floats, Bools]:
        """Features (n_items, d) and presence (n_items,) of what was known before `instant`.

        None means everything known. Absent items have presence False and zeros, to be masked.
        """
        rows = np.arange(len(self.items))
        if instant is not None:
            rows = rows[self.known_at < instant]
        features = np.zeros((self.n_items, self.features.shape[1]), dtype=np.float32)
        present = np.zeros(self.n_items, dtype=bool)
        features[self.items[rows]] = self.features[rows]
        present[self.items[rows]] = True
        return features, present

    def without(self, items: Bools) -> "TokenTable":
        """The table without the rows of the items where the mask (n_items,) is True."""
        keep = ~items[self.items]
        return replace(
            self,
            items=self.items[keep],
            known_at=self.known_at[keep],
            features=self.features[keep],
        )


@dataclass(frozen=True)
class Dataset:
    """Everything a model may learn from, and nothing it may not.

    Attributes:
        user_ids: vocabulary of the users.
        item_ids: vocabulary of all candidate items, also of those without any event.
        train: events to learn from.
        validation: events that choose hyperparameters and stop training.
        tokens: per modality, what is known of the items; a modality nobody has is left out.
        context: (len(train), c) point-in-time statistics of each training event, from the feature
            store; zero columns where there are none.
        context_names: names of the c statistics.
        impressions: what answers showed to users by the end of these events; none by default.
    """

    user_ids: Vocabulary
    item_ids: Vocabulary
    train: Interactions
    validation: Interactions
    tokens: Mapping[str, TokenTable]
    context: Floats
    context_names: tuple[str, ...] = ()
    impressions: Impressions = field(default_factory=Impressions.none)

    @property
    def n_users(self) -> int:
        """Size of the user vocabulary."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Size of the item vocabulary."""
        return len(self.item_ids)

    def histories(self, users: Ints | None = None) -> Histories:
        """Training histories of `users` (dense indexes), of everyone by default."""
        everyone = np.arange(self.n_users, dtype=np.int32)
        return Histories.of(self.train, everyone if users is None else users)

    def with_tokens(self, tokens: Mapping[str, TokenTable]) -> "Dataset":
        """The same events with other item tokens: for ablations and controls."""
        return replace(self, tokens=tokens)
