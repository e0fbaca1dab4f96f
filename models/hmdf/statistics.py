"""What is known of users, items and both together beside the retrievers' scores."""

from dataclasses import dataclass

import numpy as np

from models.data import Floats, Histories, Interactions, Ints

_SECOND = 1_000_000
_DAY = 86_400 * _SECOND
_MONTH = 30 * _DAY

NAMES = (
    "user_events",
    "user_mean_value",
    "item_events",
    "item_events_30d",
    "item_mean_value",
    "days_since_item_was_chosen",
    "days_since_item_was_first_chosen",
    "days_to_middle_of_item",
)


@dataclass(frozen=True)
class ItemStatistics:
    """What events say of the items, strictly before a slice.

    Attributes:
        times: (n,) UTC microseconds of all events, sorted by item, then time.
        starts: (n_items + 1,); item i's times are `starts[i]:starts[i + 1]`.
        values: (n_items,) mean value; NaN for an item without events.
    """

    times: np.ndarray
    starts: np.ndarray
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


def statistics_of(statistics: ItemStatistics, users: Histories, rows: Ints, items: Ints) -> Floats:
    """The numbers of `NAMES` (r, 8) for pairs of a user row and an item.

    Days count from a user's last event; NaN where there is nothing to count from.

    Args:
        statistics: of the items.
        users: their histories.
        rows: (r,) rows of `users`.
        items: (r,) dense item indexes.
    """
    lengths = users.lengths
    busy = lengths > 0
    sums = np.add.reduceat(np.append(users.values, 0), users.offsets[:-1]) * busy
    mean = np.divide(sums, lengths, out=np.full(len(users), np.nan), where=busy)
    last = np.append(users.timestamps, 0)[users.offsets[1:] - 1].astype(np.float64)
    now = np.where(busy, last, np.nan)[rows]
    first, end = statistics.starts[items], statistics.starts[items + 1]
    known = end > first
    times = np.append(statistics.times, 0).astype(np.float64)
    newest, oldest, middle = (
        np.where(known, times[place], np.nan) for place in (end - 1, first, (first + end) // 2)
    )
    columns = (
        np.log1p(lengths)[rows],
        mean[rows],
        np.log1p(end - first),
        np.log1p(_within_a_month(statistics, items, now)),
        statistics.values[items],
        (now - newest) / _DAY,
        (now - oldest) / _DAY,
        (now - middle) / _DAY,
    )
    return np.stack(columns, axis=1).astype(np.float32)


def _within_a_month(statistics: ItemStatistics, items: Ints, now: np.ndarray) -> np.ndarray:
    """Events (r,) of each item in the 30 days before `now`; 0 where there is no now."""
    n_items = len(statistics.starts) - 1
    owner = np.repeat(np.arange(n_items), np.diff(statistics.starts))
    # In whole seconds, item and time make one exact sortable number however many items there are.
    seconds = statistics.times // _SECOND
    origin = int(seconds.min()) if len(seconds) else 0
    width = int(seconds.max()) - origin + 2 if len(seconds) else 2
    keys = owner * width + (seconds - origin)
    first = items.astype(np.int64) * width
    asked = np.nan_to_num(now, nan=0.0).astype(np.int64) // _SECOND - origin
    upper, lower = (
        np.searchsorted(keys, first + np.clip(asked - back, 0, width - 1))
        for back in (0, _MONTH // _SECOND)
    )
    return np.where(np.isnan(now), 0, upper - lower)
