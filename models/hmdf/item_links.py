"""What past items say of others: sparse item-to-item weights of several kinds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy import sparse

from models.data import Floats, Histories, Interactions, Ints, Longs
from models.hmdf._link_kernels import add_by_event, add_to_all, add_to_some
from models.hmdf.link_weights import Periods, contemporary_weights, lasting_weights


@dataclass(frozen=True)
class Window:
    """The newest events of a history.

    Attributes:
        last: how many of them count.
        decay: weight of an event over that of the one after it.
    """

    last: int
    decay: float


WINDOWS: Mapping[str, Window] = {
    "last": Window(1, 1.0),
    "last_3": Window(3, 0.8),
    "last_10": Window(10, 0.85),
    "all": Window(100, 0.97),
}
"""From the item that was chosen a moment ago to all that a user is known by."""

_CONTEMPORARY = "contemporary"
_CONTEMPORARY_WINDOWS = {"last_3": Window(3, 0.8), "last_20": Window(20, 0.85)}
_MEMORIES = {"year": 365.0, "years": 1000.0}
"""Days, before or after, in which what others did counts e times less."""

_DAY = 86_400_000_000


@dataclass(frozen=True)
class ItemLinks:
    """Weights W_k(i, j) of several kinds k: how much a past item i speaks for an item j.

    A score of a kind in a window is Σ_r decay^r W_k(i_r, j) over the window's events r, i_0 the
    newest. Contemporary weights are counted period by period, and those of the periods that are
    near to the user's newest event count most: Σ_p exp(-|t_u - t_p| / τ) W_p(i, j).

    Attributes:
        kinds: names of the k lasting kinds.
        n_items: size of the item vocabulary.
        starts: (rows + 1,) where each row begins. Row k · n_items + i is item i in kind k; after
            the lasting kinds, period by period, come the contemporary ones.
        columns: item of each weight.
        values: the weights.
        middles: (periods,) UTC microseconds.
    """

    kinds: tuple[str, ...]
    n_items: int
    starts: Longs
    columns: Ints
    values: Floats
    middles: Longs

    @staticmethod
    def of(events: Interactions, n_users: int, n_items: int) -> "ItemLinks":
        """Counts and solves every kind.

        Args:
            events: what is known, sorted by user, then time.
            n_users: size of the user vocabulary.
            n_items: size of the item vocabulary.
        """
        lasting = dict(lasting_weights(events, n_users, n_items))
        periods = Periods.of(events.timestamps)
        changing = contemporary_weights(events, n_items, periods)
        whole = sparse.csr_array(sparse.vstack([*lasting.values(), changing]))
        return ItemLinks(
            tuple(lasting),
            n_items,
            whole.indptr.astype(np.int64),
            whole.indices.astype(np.int32),
            whole.data.astype(np.float32),
            periods.middles,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the s sums that `sums` gives."""
        lasting = product(self.kinds, WINDOWS)
        changing = product((_CONTEMPORARY,), _CONTEMPORARY_WINDOWS, _MEMORIES)
        return tuple("_".join(parts) for parts in (*lasting, *changing))

    def of_all(self, users: Histories, names: Sequence[str]) -> Floats:
        """Scores (names, n_users, n_items) of all items in the sums of these names."""
        found = np.zeros((len(names), len(users), self.n_items), dtype=np.float32)
        places_of = {self._column_of[name]: place for place, name in enumerate(names)}
        for user in range(len(users)):
            for past in self._past(users.rows(user, user + 1)):
                for column in range(past.weights.shape[1]):
                    place = places_of.get(past.first + column)
                    if place is not None:
                        own = np.ascontiguousarray(past.weights[:, column])
                        add_to_all(*self._table, past.rows, own, found[place, user])
        return found

    def sums(self, users: Histories, rows: Ints, items: Ints) -> Floats:
        """Scores (r, s) of pairs of a user row and an item, in every sum of `names`.

        Args:
            users: their histories.
            rows: (r,) rows of `users`, ascending.
            items: (r,) dense item indexes.
        """
        found = np.zeros((len(rows), len(self.names)), dtype=np.float32)
        ends = np.searchsorted(rows, np.arange(len(users) + 1))
        place = np.full(self.n_items, -1, dtype=np.int32)
        for user in range(len(users)):
            own = slice(ends[user], ends[user + 1])
            place[items[own]] = np.arange(own.stop - own.start, dtype=np.int32)
            for past in self._past(users.rows(user, user + 1)):
                add_to_some(*self._table, past.rows, past.weights, place, past.first, found[own])
            place[items[own]] = -1
        return found

    def by_past_event(self, user: Histories, items: Ints, counts: Floats) -> Floats:
        """What each past event of one user adds to sums of items: (m, n_events).

        Args:
            user: one row.
            items: (m,) dense item indexes.
            counts: (m, s) how much each sum of `names` counts for each item.
        """
        found = np.zeros((len(items), len(user.items)), dtype=np.float32)
        place = np.full(self.n_items, -1, dtype=np.int32)
        place[items] = np.arange(len(items), dtype=np.int32)
        for past in self._past(user):
            add_by_event(
                *self._table, past.rows, past.weights, past.events, place, past.first, counts, found
            )
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights as named arrays, to be kept as state."""
        return {f"links.{name}": getattr(self, name) for name in _STORED}

    @staticmethod
    def of_arrays(
        arrays: Mapping[str, np.ndarray], kinds: Sequence[str], n_items: int
    ) -> "ItemLinks":
        """The links whose arrays `arrays` named."""
        return ItemLinks(tuple(kinds), n_items, *(arrays[f"links.{name}"] for name in _STORED))

    @cached_property
    def _column_of(self) -> Mapping[str, int]:
        return {name: column for column, name in enumerate(self.names)}

    @property
    def _table(self) -> tuple[Longs, Ints, Floats]:
        return self.starts, self.columns, self.values

    def _past(self, user: Histories) -> Iterator["_Past"]:
        """The rows that one user's past events add to each kind's sums."""
        newest_first = user.items[::-1].astype(np.int64)
        weights = LASTING[: len(newest_first)]
        events = np.arange(len(newest_first), dtype=np.int64)[::-1]
        rows = newest_first[: len(weights)]
        for kind in range(len(self.kinds)):
            first = kind * len(WINDOWS)
            yield _Past(first, rows + kind * self.n_items, weights, events[: len(rows)])
        if not len(newest_first):
            return
        days = np.abs(user.timestamps[-1] - self.middles) / _DAY
        near = np.exp(-days[:, None] / np.array(list(_MEMORIES.values()))).astype(np.float32)
        recent = _CHANGING[: len(newest_first)]
        periods = len(self.kinds) + np.arange(len(self.middles), dtype=np.int64)
        yield _Past(
            len(self.kinds) * len(WINDOWS),
            (rows[: len(recent), None] + periods * self.n_items).ravel(),
            (recent[:, None, :, None] * near[None, :, None, :]).reshape(
                len(recent) * len(periods), -1
            ),
            np.repeat(events[: len(recent)], len(periods)),
        )


@dataclass(frozen=True)
class _Past:
    """Rows of the table that one user's past events add to some sums.

    Attributes:
        first: place of the first of w sums.
        rows: (e,) rows of the table.
        weights: (e, w) how much each row counts in each sum.
        events: (e,) place of the event in the history.
    """

    first: int
    rows: Longs
    weights: Floats
    events: Longs


def _weights(windows: Mapping[str, Window]) -> Floats:
    """Weights (longest, w) of the events of each window, newest first; 0 beyond a window."""
    rank = np.arange(max(one.last for one in windows.values()))
    columns = [np.power(one.decay, rank) * (rank < one.last) for one in windows.values()]
    return np.stack(columns, axis=1).astype(np.float32)


LASTING = _weights(WINDOWS)
"""Weights (longest, windows) of the newest events of a history, the newest first."""

_CHANGING = _weights(_CONTEMPORARY_WINDOWS)
_STORED = ("starts", "columns", "values", "middles")
