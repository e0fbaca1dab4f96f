"""What is known of users, items and both together besides scores."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.data import Floats, Histories, Interactions, Ints, Longs
from models.explanation import BEHAVIOUR, POPULARITY
from models.hmdf._statistics_kernels import ItemTimes, Pasts, describe_items, describe_users
from models.hmdf.item_links import WINDOW_WEIGHTS, WINDOWS

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
    def log(self) -> ItemTimes:
        """The same as compiled code reads it."""
        return ItemTimes(self.times, self.starts, self.values, self.log_counts)

    @cached_property
    def newest(self) -> float:
        """The newest event in UTC microseconds; NaN where there is none."""
        return float(self.times.max()) if len(self.times) else float("nan")


def statistics_of(statistics: ItemStatistics, users: Histories, rows: Ints, items: Ints) -> Floats:
    """The numbers of `NAMES` (r, s) for pairs of a user row and an item.

    Days count from a user's last event or, for a user without events, from the newest event of all;
    NaN where there is none.

    Args:
        statistics: of the items.
        users: their histories.
        rows: (r,) rows of `users`.
        items: (r,) dense item indexes.
    """
    newest = np.append(users.timestamps, 0)[users.offsets[1:] - 1].astype(np.float64)
    now = np.where(users.lengths > 0, newest, statistics.newest)
    # Columns: those of the user, those of the item, then one a window that compares the two.
    n_of_users, n_windows = len(_OF_USERS), WINDOW_WEIGHTS.shape[1]
    of_users = np.empty((len(users), n_of_users + n_windows))
    pasts = Pasts(users.offsets, users.items, users.values, users.timestamps)
    describe_users(pasts, statistics.log_counts, WINDOW_WEIGHTS, of_users)
    values = np.empty((len(items), len(NAMES)), dtype=np.float32)
    values[:, :n_of_users] = of_users[rows, :n_of_users]
    days = np.array(list(_PERIODS.values()), dtype=np.int64)
    of_items = values[:, n_of_users : len(NAMES) - n_windows]
    describe_items(statistics.log, rows, items, now, days, of_items)
    above_windows = statistics.log_counts[items, None] - of_users[rows, n_of_users:]
    values[:, len(NAMES) - n_windows :] = above_windows
    return values
