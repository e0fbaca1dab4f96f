"""What the events of items and users say of pairs of both, compiled."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.compiling import compiled
from models.data import Floats, Ints, Longs

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR

Doubles = NDArray[np.float64]


class ItemTimes(NamedTuple):
    """The events of items.

    Attributes:
        times: (n,) UTC microseconds of all events, sorted by item, then time.
        starts: (n_items + 1,) where each item's times begin.
        values: (n_items,) mean value; NaN for an item without events.
        log_counts: (n_items,) log(1 + events).
    """

    times: Longs
    starts: Longs
    values: Floats
    log_counts: Floats


class Pasts(NamedTuple):
    """The histories of users, oldest event first.

    Attributes:
        offsets: (n_users + 1,) where each history begins.
        items: (n_events,) dense indexes.
        values: (n_events,) of the events.
        timestamps: (n_events,) UTC microseconds.
    """

    offsets: Longs
    items: Ints
    values: Floats
    timestamps: Longs


@compiled
def describe_users(pasts: Pasts, log_counts: Floats, windows: Floats, out: Doubles) -> None:
    """Describes the history of each user.

    Args:
        pasts: of the users.
        log_counts: (n_items,) log(1 + events) of each item.
        windows: (longest, w) how much each event counts in each window, the newest event first.
        out: (n_users, 4 + w) is filled: log(1 + events), mean value, log(1 + events of the hour
            and of the day before the newest one), and of each window the mean log(1 + events) of
            its items. NaN where there is nothing.
    """
    for user in range(len(out)):
        first, last = pasts.offsets[user], pasts.offsets[user + 1]
        row = out[user]
        row[:] = np.nan
        row[0], row[2], row[3] = np.log1p(last - first), 0, 0
        if first == last:
            continue
        total, of_hour, of_day = 0.0, 0, 0
        for event in range(first, last):
            ago = pasts.timestamps[last - 1] - pasts.timestamps[event]
            total += pasts.values[event]
            of_hour += ago < _HOUR
            of_day += ago < _DAY
        row[1], row[2], row[3] = total / (last - first), np.log1p(of_hour), np.log1p(of_day)
        for window in range(windows.shape[1]):
            weighed, weights = 0.0, 0.0
            for rank in range(min(last - first, len(windows))):
                weight = windows[rank, window]
                weighed += weight * log_counts[pasts.items[last - 1 - rank]]
                weights += weight
            row[4 + window] = weighed / weights


@compiled
def describe_items(
    log: ItemTimes, rows: Ints, items: Ints, now: Doubles, days: Longs, out: Floats
) -> None:
    """Describes the events of each pair's item, seen from the instant of the pair's user.

    Args:
        log: the events of the items.
        rows: (r,) user row of each pair.
        items: (r,) item of each pair.
        now: (n_users,) UTC microseconds; NaN where nothing is known.
        days: (p,) lengths of stretches of time before now, ascending; at least two.
        out: (r, p + 6) is filled: log(1 + events) of all time and of each stretch, the last but one
            of them less the last, mean value, and days since the newest event, the oldest and the
            middle one.
    """
    most = len(days)
    for row in range(len(items)):
        item, instant, features = items[row], now[rows[row]], out[row]
        first, last = log.starts[item], log.starts[item + 1]
        features[0] = np.log1p(last - first)
        if np.isnan(instant):
            features[1 : most + 1] = 0
        else:
            times, upto = log.times[first:last], np.int64(instant)
            upper = np.searchsorted(times, upto)
            for place in range(most):
                since = np.searchsorted(times, upto - days[place] * _DAY)
                features[1 + place] = np.log1p(upper - since)
        features[most + 1] = features[most - 1] - features[most]
        features[most + 2] = log.values[item]
        features[most + 3 :] = np.nan
        if last > first:
            features[most + 3] = (instant - log.times[last - 1]) / _DAY
            features[most + 4] = (instant - log.times[first]) / _DAY
            features[most + 5] = (instant - log.times[(first + last) // 2]) / _DAY


@compiled
def describe_past_numbers(
    offsets: Longs, items: Ints, numbers: Floats, mean: Floats, largest: Floats
) -> None:
    """Mean and largest of the numbers of what each user chose; NaN where none is known.

    Args:
        offsets: (n_users + 1,) where each history begins.
        items: (n_events,) of the histories.
        numbers: (n_items, c); NaN where one is not known.
        mean: (n_users, c) is filled.
        largest: (n_users, c) is filled.
    """
    for user in range(len(mean)):
        for column in range(numbers.shape[1]):
            total, count, most = 0.0, 0, -np.inf
            for item in items[offsets[user] : offsets[user + 1]]:
                number = numbers[item, column]
                if np.isfinite(number):
                    total += number
                    count += 1
                    most = max(most, number)
            mean[user, column] = total / count if count else np.nan
            largest[user, column] = most if count else np.nan
