"""What is known of users, items and both together besides scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.data import Floats, Histories, Interactions, Ints, Longs
from models.explanation import BEHAVIOUR, POPULARITY
from models.hmdf._statistics_kernels import events_within
from models.hmdf.item_links import LASTING, WINDOWS

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_PERIODS = {"7d": 7, "30d": 30, "90d": 90, "365d": 365}

_OF_USERS = ("user_events", "user_mean_value", "user_events_1h", "user_events_24h")
_OF_ITEMS = (
    "item_events",
    *(f"item_events_{name}" for name in _PERIODS),
    "item_trend",
    "item_mean_value",
    "days_since_item_was_chosen",
    "days_since_item_was_first_chosen",
    "days_to_middle_of_item",
    *(f"item_events_above_{window}" for window in WINDOWS),
)

NAMES = (*_OF_USERS, *_OF_ITEMS)
READS = (*(BEHAVIOUR for _ in _OF_USERS), *(POPULARITY for _ in _OF_ITEMS))
"""What each of `NAMES` is a figure of."""


@dataclass(frozen=True)
class ItemStatistics:
    """What events say of the items, strictly before a slice.

    Attributes:
        times: (n,) UTC microseconds of all events, sorted by item, then time.
        starts: (n_items + 1,); item i's times are `starts[i]:starts[i + 1]`.
        values: (n_items,) mean value; NaN for an item without events.
    """

    times: Longs
    starts: Longs
    values: Floats

    @staticmethod
    def of(events: Interactions, n_items: int) -> "ItemStatistics":
        """The statistics of some events."""
        order = np.lexsort((events.timestamps, events.items))
        counts = np.bincount(events.items, minlength=n_items)
        sums = np.bincount(events.items, events.values, minlength=n_items)
        mean = np.divide(sums, counts, out=np.full(n_items, np.nan), where=counts > 0)
        starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return ItemStatistics(events.timestamps[order], starts, mean.astype(np.float32))

    @cached_property
    def log_counts(self) -> Floats:
        """log(1 + events) of each item (n_items,)."""
        return np.log1p(np.diff(self.starts)).astype(np.float32)

    @cached_property
    def newest(self) -> float:
        """The newest event in UTC microseconds; NaN where there is none."""
        return float(self.times.max()) if len(self.times) else float("nan")

    def within(self, items: Ints, now: np.ndarray, days: Sequence[int]) -> Longs:
        """Events (r, p) of items in so many days before each `now` (r,), in UTC microseconds.

        0 where `now` is NaN.
        """
        found = np.empty((len(items), len(days)), dtype=np.int64)
        backs = np.array(days, dtype=np.int64) * _DAY
        events_within(self.times, self.starts, items, now, backs, found)
        return found


def statistics_of(statistics: ItemStatistics, users: Histories, rows: Ints, items: Ints) -> Floats:
    """The numbers of `NAMES` (r, s) for pairs of a user row and an item.

    Days count from a user's last event and, for who has done nothing yet, from the newest event of
    all; NaN where there is nothing to count from.

    Args:
        statistics: of the items.
        users: their histories.
        rows: (r,) rows of `users`.
        items: (r,) dense item indexes.
    """
    lengths = users.lengths
    last = np.append(users.timestamps, 0)[users.offsets[1:] - 1].astype(np.float64)
    now = np.where(lengths > 0, last, statistics.newest)
    columns = [
        *(column[rows] for column in _of_users(users, now)),
        *_of_items(statistics, items, now[rows]),
        *(statistics.log_counts[items] - mean[rows] for mean in _taken_to(statistics, users)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _of_users(users: Histories, now: np.ndarray) -> tuple[np.ndarray, ...]:
    """The numbers (n_users,) of `_OF_USERS`."""
    lengths = users.lengths
    owners = np.repeat(np.arange(len(users)), lengths)
    sums = np.bincount(owners, users.values, minlength=len(users))
    mean = np.divide(sums, lengths, out=np.full(len(users), np.nan), where=lengths > 0)
    ago = now[owners] - users.timestamps
    within = (np.bincount(owners, ago < most, minlength=len(users)) for most in (_HOUR, _DAY))
    return np.log1p(lengths), mean, *(np.log1p(counts) for counts in within)


def _of_items(statistics: ItemStatistics, items: Ints, now: np.ndarray) -> tuple[np.ndarray, ...]:
    """The numbers (r,) of `_OF_ITEMS` that do not depend on what the user chose."""
    first, end = statistics.starts[items], statistics.starts[items + 1]
    known = end > first
    times = np.append(statistics.times, 0).astype(np.float64)
    newest, oldest, middle = (
        np.where(known, times[place], np.nan) for place in (end - 1, first, (first + end) // 2)
    )
    within = np.log1p(statistics.within(items, now, list(_PERIODS.values()))).T
    return (
        np.log1p(end - first),
        *within,
        within[-2] - within[-1],
        statistics.values[items],
        (now - newest) / _DAY,
        (now - oldest) / _DAY,
        (now - middle) / _DAY,
    )


def _taken_to(statistics: ItemStatistics, users: Histories) -> list[np.ndarray]:
    """How much chosen the items of each window are (n_users,): their mean log(1 + events)."""
    from_end = np.repeat(users.offsets[1:], users.lengths) - 1 - np.arange(len(users.items))
    counted = from_end < len(LASTING)
    owners = np.repeat(np.arange(len(users)), users.lengths)[counted]
    chosen = statistics.log_counts[users.items[counted]]
    means = []
    for weights in LASTING.T:
        own = weights[from_end[counted]]
        total = np.bincount(owners, own, minlength=len(users))
        summed = np.bincount(owners, own * chosen, minlength=len(users))
        nothing = np.full(len(users), np.nan)
        means.append(np.divide(summed, total, out=nothing, where=total > 0))
    return means
