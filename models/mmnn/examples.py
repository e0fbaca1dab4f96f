"""Training examples: an event, and what its user had done strictly before it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data import Floats, Histories, Interactions
from models.training import minibatches

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Recent:
    """The last events of a batch of users, newest first, padded.

    Attributes:
        items: (b, l) int64 dense item indexes, 0 where there is no event.
        values: (b, l) standardised values.
        present: (b, l) bool.
    """

    items: Tensor
    values: Tensor
    present: Tensor

    def to(self, device: torch.device) -> "Recent":
        """The same on a device."""
        return Recent(self.items.to(device), self.values.to(device), self.present.to(device))


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of the training values."""

    mean: float
    deviation: float

    def __call__(self, values: Floats) -> Floats:
        """Standardised values."""
        return ((values - self.mean) / self.deviation).astype(np.float32)

    @staticmethod
    def of(values: Floats) -> "Scale":
        """The scale of these values; a constant has deviation 1, no values have mean 0."""
        if not len(values):
            return Scale(0.0, 1.0)
        return Scale(float(values.mean()), float(values.std()) or 1.0)


def recent(
    starts: Rows, stops: Rows, events: Interactions | Histories, scale: Scale, length: int
) -> Recent:
    """The last `length` events of each range `starts[i]:stops[i]`, newest first."""
    longest = int((stops - starts).max(initial=0))
    rows = stops[:, None] - 1 - np.arange(max(1, min(length, longest)))
    present = rows >= starts[:, None]
    if not len(events.items):
        empty = torch.zeros(present.shape)
        return Recent(empty.long(), empty, torch.from_numpy(present))
    rows = np.where(present, rows, 0)
    items = np.where(present, events.items[rows], 0).astype(np.int64)
    values = np.where(present, scale(events.values[rows]), np.float32(0))
    return Recent(torch.from_numpy(items), torch.from_numpy(values), torch.from_numpy(present))


def recent_of(users: Histories, scale: Scale, length: int) -> Recent:
    """The last events of each user's whole history."""
    return recent(users.offsets[:-1], users.offsets[1:], users, scale, length)


def prefixes(events: Interactions) -> tuple[Rows, Rows]:
    """For each event the range (n,), (n,) of its user's events strictly before its instant.

    Events of one instant do not see each other, so their order in the table tells nothing.
    """
    n = len(events)
    if not n:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    new_user = np.r_[True, np.diff(events.users) != 0]
    new_instant = new_user | np.r_[True, np.diff(events.timestamps) != 0]
    position = np.arange(n, dtype=np.int64)
    starts = np.maximum.accumulate(np.where(new_user, position, 0))
    stops = np.maximum.accumulate(np.where(new_instant, position, 0))
    return starts, stops


def period_of(timestamps: NDArray[np.int64], n_periods: int) -> tuple[Rows, Rows]:
    """Cuts time into stretches of about equally many events.

    Returns:
        The period (n,) of each event, and the instant (n_periods,) at which each begins. An event
        is never before the beginning of its period.
    """
    shares = np.arange(n_periods) / n_periods
    begins = np.unique(np.quantile(timestamps, shares, method="lower"))
    return np.searchsorted(begins, timestamps, side="right") - 1, begins.astype(np.int64)


def period_batches(
    periods: Rows, size: int, generator: torch.Generator
) -> Iterator[tuple[int, Rows]]:
    """Every event once, in shuffled batches of one period each: (period, rows)."""
    batches = []
    for period in np.unique(periods):
        rows = np.flatnonzero(periods == period)
        batches += [
            (int(period), rows[chosen.numpy()])
            for chosen in minibatches(len(rows), size, generator)
        ]
    for turn in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[turn]
