"""Which events stand near each other in histories, and counts of such pairs block by block."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.baselines._cooccurrence_kernels import add_gram, leave_out_far, weigh_pairs
from models.data import Floats, Interactions, Ints, Longs

_MOST_ENTRIES = 1 << 24
"""Bounds the memory, however many pairs there are: 8 bytes for each."""


@dataclass(frozen=True)
class Windows:
    """The events that each event is paired with, itself left out.

    Attributes:
        begins: (n_events,) the first of them.
        ends: (n_events,) the one after the last.
    """

    begins: Longs
    ends: Longs

    @staticmethod
    def after(users: Ints, steps: int) -> "Windows":
        """The next `steps` events of the same user.

        Args:
            users: (n_events,) ascending.
            steps: how many.
        """
        events = np.arange(len(users))
        return Windows(events + 1, np.minimum(events + 1 + steps, _bounds(users)[1]))

    @staticmethod
    def before(users: Ints, steps: int) -> "Windows":
        """The last `steps` events of the same user; see `after`."""
        events = np.arange(len(users))
        return Windows(np.maximum(events - steps, _bounds(users)[0]), events)

    @staticmethod
    def around(events: Interactions, steps: int, most: int) -> "Windows":
        """The next and the last `steps` events of the same user that are not too far in time.

        Args:
            events: sorted by user, then time.
            steps: how many in either direction.
            most: microseconds between the two events of a pair, at most.
        """
        begins = Windows.before(events.users, steps).begins
        ends = Windows.after(events.users, steps).ends
        leave_out_far(_compact(events.timestamps, np.int64), most, begins, ends)
        return Windows(begins, ends)

    @staticmethod
    def whole(users: Ints) -> "Windows":
        """All events of the same user; see `after`."""
        return Windows(*_bounds(users))

    @property
    def longest(self) -> int:
        """The largest distance between two paired events."""
        events = np.arange(len(self.begins))
        return int(max((events - self.begins).max(initial=1), (self.ends - events).max(initial=1)))


def pair_weights(
    items: Ints,
    n_items: int,
    windows: Windows,
    weights: NDArray[np.float64],
    rows: Longs | Ints,
    n_rows: int,
    most_entries: int = _MOST_ENTRIES,
) -> Iterator[sparse.csr_array]:
    """Σ of the weights of pairs, by the row of the first event and the item of the second.

    Args:
        items: (n_events,) dense item indexes.
        n_items: size of the item vocabulary.
        windows: which events are paired.
        weights: (longest,) of a pair by the distance between its events less 1.
        rows: (n_events,) the row of each event as the first of a pair.
        n_rows: how many rows there are.
        most_entries: room for the sums of one block, unless one row needs more.

    Yields:
        Blocks (r, n_items) float32, row after row, the columns of each row ascending.
    """
    columns_of = _compact(items, np.int32)
    begins, ends = _compact(windows.begins, np.int64), _compact(windows.ends, np.int64)
    order = np.argsort(rows, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_rows))])
    paired = np.concatenate([[0], np.cumsum((ends - begins)[order])])
    room = np.minimum(np.diff(paired[starts]), n_items)
    for first, stop in _blocks(room, most_entries):
        row_ends = np.empty(stop - first, dtype=np.int64)
        most = int(room[first:stop].sum())
        columns, values = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.float32)
        count = weigh_pairs(
            order,
            starts[first : stop + 1],
            columns_of,
            begins,
            ends,
            weights,
            n_items,
            row_ends,
            columns,
            values,
        )
        parts = values[:count], columns[:count], np.concatenate([[0], row_ends])
        yield sparse.csr_array(parts, shape=(stop - first, n_items))


def gram(choices: sparse.csr_array) -> Floats:
    """XᵀX (m, m) float32 of a matrix X (n, m) of ones, on and below its diagonal; 0 above it.

    Args:
        choices: X, the columns of each row ascending.
    """
    by_column = sparse.csr_array(choices.T)
    product = np.zeros((choices.shape[1], choices.shape[1]), dtype=np.float32)
    add_gram(*_entries(choices), *_entries(by_column), product)
    return product


def _entries(matrix: sparse.csr_array) -> tuple[Longs, Ints]:
    return _compact(matrix.indptr, np.int64), _compact(matrix.indices, np.int32)


def _compact(values: np.ndarray, dtype: type[np.integer]) -> np.ndarray:
    """One kind of array: numba would compile another variant for each other one, in seconds."""
    return np.require(values, dtype, ["C", "W"])


def _bounds(users: Ints) -> tuple[Longs, Longs]:
    """Where the history that holds each event (n_events,) begins, and where it ends."""
    lengths = np.bincount(users)
    ends = np.cumsum(lengths)
    return (ends - lengths)[users], ends[users]


def _blocks(room: Longs, most: int) -> Iterator[tuple[int, int]]:
    """Consecutive rows that need at most `most` together, or one row that needs more."""
    before = np.concatenate([[0], np.cumsum(room)])
    first = 0
    while first < len(room):
        fitting = np.searchsorted(before, before[first] + most, side="right") - 1
        stop = max(first + 1, int(fitting))
        yield first, stop
        first = stop
