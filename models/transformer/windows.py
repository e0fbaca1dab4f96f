"""Stretches of users' sequences: what the decoder reads at once, and what it must foresee."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data import Bools, Floats, Histories, Interactions, Longs
from models.sequences import Rows, Scale

_SECOND = 1_000_000


@dataclass(frozen=True)
class Sequences:
    """What the decoder reads of b users, oldest first; place 0 of every row is the start.

    Attributes:
        places: (b, l) int64 rows of the codes, 0 where there is no event.
        gaps: (b, l) int64 bucket of the time since the event before.
        values: (b, l) standardised values.
        present: (b, l) bool; False at the start and after the last event.
    """

    places: Tensor
    gaps: Tensor
    values: Tensor
    present: Tensor

    def to(self, device: torch.device) -> "Sequences":
        """The same on a device."""
        return Sequences(
            self.places.to(device),
            self.gaps.to(device),
            self.values.to(device),
            self.present.to(device),
        )

    def among(self, items: Tensor) -> "Sequences":
        """The same with places among `items` (k,), sorted, which hold every item read."""
        places = torch.where(self.present, self.places, items[0])
        return replace(self, places=torch.searchsorted(items, places))


@dataclass(frozen=True)
class Log:
    """Events as the decoder reads them.

    Attributes:
        items: (n,) dense item indexes.
        gaps: (n,) bucket of the time since the user's event before.
        values: (n,) standardised values.
    """

    items: Longs
    gaps: Longs
    values: Floats

    @staticmethod
    def of(events: Interactions | Histories, begins: Rows, scale: Scale, n_buckets: int) -> "Log":
        """The log of events whose users' first rows are `begins`."""
        return Log(
            events.items.astype(np.int64),
            gap_buckets(events.timestamps, begins, n_buckets),
            scale(events.values),
        )

    def read(self, starts: Rows, stops: Rows) -> Sequences:
        """The events `starts[i]:stops[i]`, behind the start."""
        length = int((stops - starts).max(initial=0))
        rows = starts[:, None] - 1 + np.arange(length + 1)
        present = (rows >= starts[:, None]) & (rows < stops[:, None])
        return Sequences(
            _padded(self.items, rows, present),
            _padded(self.gaps, rows, present),
            _padded(self.values, rows, present),
            torch.from_numpy(present),
        )


def gap_buckets(timestamps: Longs, begins: Rows, n_buckets: int) -> Longs:
    """The bucket (n,) of the time since the event before.

    0 is less than a second, k less than 4^k seconds; the last is for all longer ones, and for
    users' first events, at the rows `begins`.
    """
    seconds = np.diff(timestamps, prepend=timestamps[:1]) / _SECOND
    buckets = np.floor(np.log2(np.maximum(seconds, 0.25)) / 2).astype(np.int64) + 1
    buckets = np.clip(buckets, 0, n_buckets - 1)
    buckets[begins[begins < len(buckets)]] = n_buckets - 1
    return buckets


def _padded(column: NDArray[np.generic], rows: Rows, present: Bools) -> Tensor:
    padded = np.zeros(rows.shape, dtype=column.dtype)
    padded[present] = column[rows[present]]
    return torch.from_numpy(padded)


@dataclass(frozen=True)
class Windows:
    """Some stretches of a log of events sorted by user, then time.

    Attributes:
        users: (w,) row of the first event of the window's user.
        reads: (w,) row of the first event that is read.
        firsts: (w,) row of the first event to foresee, sorted.
        stops: (w,) row after the last event to foresee; it is not read itself.
        ends: (w,) row after the last event of the window's user.
    """

    users: Rows
    reads: Rows
    firsts: Rows
    stops: Rows
    ends: Rows

    def __len__(self) -> int:
        return len(self.firsts)

    def take(self, chosen: Longs) -> "Windows":
        """The windows at the indexes."""
        return Windows(
            self.users[chosen],
            self.reads[chosen],
            self.firsts[chosen],
            self.stops[chosen],
            self.ends[chosen],
        )


def cut(events: Interactions, history: int, generator: torch.Generator) -> Windows:
    """Cuts every user's events into stretches, each event in one, at newly drawn places.

    A window foresees up to half of `history` events, and reads up to `history` events before the
    last of them.
    """
    length = window_length(history)
    begins = first_rows(events)
    counts = np.diff(np.append(begins, len(events)))
    shifts = torch.randint(length, (len(begins),), generator=generator).numpy()
    place = np.arange(len(events)) - np.repeat(begins - shifts, counts)
    new = place % length == 0
    new[begins] = True
    firsts = np.flatnonzero(new)
    stops = np.append(firsts[1:], len(events))[: len(firsts)]
    owner = np.searchsorted(begins, firsts, side="right") - 1
    users = begins[owner]
    return Windows(
        users, np.maximum(users, stops - 1 - history), firsts, stops, users + counts[owner]
    )


def window_length(history: int) -> int:
    """The most events that a window foresees."""
    return max(1, history // 2)


def first_rows(events: Interactions) -> Rows:
    """The row of each user's first event."""
    new = np.r_[True, np.diff(events.users) != 0][: len(events)]
    return np.flatnonzero(new)


def drawn_rows(windows: Windows, most: int, generator: torch.Generator) -> tuple[Rows, Bools]:
    """Rows (w, t) of up to `most` events to foresee a window, and which of them are there."""
    lengths = windows.stops - windows.firsts
    longest = int(lengths.max(initial=1))
    keys = torch.rand(len(windows), longest, generator=generator).numpy()
    keys[np.arange(longest) >= lengths[:, None]] = np.inf
    order = np.argsort(keys, axis=1)[:, :most]
    there = np.take_along_axis(keys, order, axis=1) < np.inf
    return windows.firsts[:, None] + np.where(there, order, 0), there


def had_from(windows: Windows, log: Log, candidates: Longs) -> Longs:
    """The place (w, c) in the sequence from which each candidate is in the user's past.

    The largest integer if it never is. `candidates` (c,) are sorted dense item indexes.
    """
    lengths = windows.stops - 1 - windows.users
    owner = np.repeat(np.arange(len(windows)), lengths)
    offsets = windows.users - (np.cumsum(lengths) - lengths)
    rows = np.arange(lengths.sum()) + offsets[owner]
    columns = np.searchsorted(candidates, log.items[rows]).clip(max=len(candidates) - 1)
    matches = candidates[columns] == log.items[rows]
    # Assigned from the last to the first, so that an item's first event decides.
    owner, columns, rows = (x[matches][::-1] for x in (owner, columns, rows))
    places = np.full((len(windows), len(candidates)), np.iinfo(np.int64).max)
    places[owner, columns] = rows - windows.reads[owner] + 1
    return places
