"""What past items say of others: sparse item-to-item weights of several kinds."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.data import Floats, Histories, Interactions, Ints, Longs
from models.hmdf._candidate_kernels import LinkTable, Sums, add_past, clear, gather, nearness
from models.hmdf._event_kernels import add_by_event
from models.hmdf.link_weights import (
    Periods,
    contemporary_weights,
    lasting_weights,
    strongest_first,
)


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
        values: the weights, the largest of each row first.
        middles: (periods,) UTC microseconds.
    """

    kinds: tuple[str, ...]
    n_items: int
    starts: Longs
    columns: Ints
    values: Floats
    middles: Longs

    @staticmethod
    def of(
        events: Interactions, n_users: int, n_items: int, each: Callable[..., Iterable[Any]] = map
    ) -> "ItemLinks":
        """Counts and solves every kind.

        Args:
            events: what is known, sorted by user, then time.
            n_users: size of the user vocabulary.
            n_items: size of the item vocabulary.
            each: makes every kind; `map` of a pool makes several at the same time.
        """
        lasting, periods = lasting_weights(events, n_users, n_items), Periods.of(events.timestamps)
        changing = partial(contemporary_weights, events, n_items, periods)
        weights = list(each(_made, [*lasting.values(), changing]))
        whole = strongest_first(sparse.csr_array(sparse.vstack(weights)))
        return ItemLinks(
            tuple(lasting),
            n_items,
            whole.indptr.astype(np.int64),
            whole.indices.astype(np.int32),
            whole.data.astype(np.float32),
            periods.middles,
        )

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the s sums, in their order."""
        lasting = ("_".join(parts) for parts in product(self.kinds, WINDOWS))
        return (*lasting, *_CHANGING_NAMES)

    def sums(self, user: Histories) -> Floats:
        """All sums (n_items, s) of all items for one row; for many, `candidates.best_of_all`."""
        sums = np.empty((self.n_items, len(self.names)), dtype=np.float32)
        with self.room() as room:
            add_past(self.table, user.items, now_of(user)[0], room)
            for item in range(self.n_items):
                gather(self.table, room, item, sums[item])
            clear(room)
        return sums

    def by_past_event(self, user: Histories, items: Ints, counts: Floats) -> Floats:
        """What each past event of one user adds to sums of items: (m, n_events).

        Args:
            user: one row.
            items: (m,) dense item indexes.
            counts: (m, s) how much each sum of `names` counts for each item.
        """
        effects = np.zeros((len(items), len(user.items)), dtype=np.float32)
        place = np.full(self.n_items, -1, dtype=np.int32)
        place[items] = np.arange(len(items), dtype=np.int32)
        near = nearness(self.table, now_of(user)[0])
        add_by_event(self.table, user.items, near, place, counts, effects)
        return effects

    @contextmanager
    def room(self) -> Iterator[Sums]:
        """Empty room for the sums of one user after the other, to be left empty.

        It is kept for the next, since asking for new memory takes as long as adding up a history.
        """
        try:
            room = self._rooms.pop()
        except IndexError:
            room = self._new_room()
        yield room
        # Where the block failed, nobody knows what is left in it.
        self._rooms.append(room)

    def _new_room(self) -> Sums:
        kinds, widest = len(self.kinds) + 1, max(len(WINDOWS), len(_CHANGING_NAMES))
        return Sums(
            np.zeros((kinds, widest, self.n_items), dtype=np.float32),
            np.empty((kinds, self.n_items + 1), dtype=np.int32),
            np.zeros(kinds, dtype=np.int64),
            np.zeros(self.n_items, dtype=np.bool_),
            np.zeros(self.n_items, dtype=np.bool_),
        )

    @cached_property
    def _rooms(self) -> list[Sums]:
        """Those that nobody uses at the moment: as many as threads have ever asked at once."""
        return []

    @cached_property
    def table(self) -> LinkTable:
        """The weights as compiled code reads them."""
        return LinkTable(
            self.n_items,
            len(self.kinds),
            self.starts,
            self.columns,
            self.values,
            _MOST_READ,
            WINDOW_WEIGHTS,
            _CONTEMPORARY_WINDOW_WEIGHTS,
            self.middles / _DAY,
            np.array(list(_MEMORIES.values())),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """The weights as named arrays, to be kept as state."""
        return {f"links.{name}": getattr(self, name) for name in _STORED}

    @staticmethod
    def of_arrays(
        arrays: Mapping[str, np.ndarray], kinds: Sequence[str], n_items: int
    ) -> "ItemLinks":
        """The links whose arrays `arrays` named."""
        return ItemLinks(tuple(kinds), n_items, *(arrays[f"links.{name}"] for name in _STORED))


def _made(make: Callable[[], sparse.csr_array]) -> sparse.csr_array:
    return make()


def now_of(users: Histories) -> NDArray[np.float64]:
    """The day of each user's newest event (n_users,), counted from 1970; 0 where there is none."""
    newest = np.append(users.timestamps, 0)[users.offsets[1:] - 1]
    return np.where(users.lengths > 0, newest, 0) / _DAY


def _weights(windows: Mapping[str, Window]) -> Floats:
    """Weights (longest, w) of the events of each window, newest first; 0 beyond a window."""
    rank = np.arange(max(window.last for window in windows.values()))
    columns = [np.power(window.decay, rank) * (rank < window.last) for window in windows.values()]
    return np.stack(columns, axis=1).astype(np.float32)


WINDOW_WEIGHTS = _weights(WINDOWS)
"""Weights (longest, windows) of the newest events of a history, the newest first."""

_NEW_EVENTS = 10
"""Newest events of a history, all of whose weights count."""

_OF_OLD = 50
"""Weights of each event before them that count, the largest ones: old ones say little each."""

_AGES = np.arange(len(WINDOW_WEIGHTS))
_MOST_READ = np.where(_AGES < _NEW_EVENTS, 1 << 30, _OF_OLD).astype(np.int64)
_CONTEMPORARY_WINDOW_WEIGHTS = _weights(_CONTEMPORARY_WINDOWS)
_CHANGING_NAMES = tuple(
    "_".join(parts) for parts in product((_CONTEMPORARY,), _CONTEMPORARY_WINDOWS, _MEMORIES)
)
_STORED = ("starts", "columns", "values", "middles")
