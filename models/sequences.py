"""Training examples: an event, and what its user had done strictly before it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.data import Bools, Floats, Histories, Interactions
from models.training import minibatches

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """Some events of each user of a batch, padded.

    Attributes:
        items: (b, l) int64 dense item indexes, 0 where there is no event.
        values: (b, l) standardised values.
        present: (b, l) bool.
    """

    items: Tensor
    values: Tensor
    present: Tensor

    def to(self, device: torch.device) -> "Events":
        """The same on a device."""
        return Events(self.items.to(device), self.values.to(device), self.present.to(device))


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
        # Rounding gives a constant a deviation, and hides that of numbers next to each other.
        deviation = float(values.std()) if np.ptp(values) > 0 else 0.0
        return Scale(float(values.mean()), deviation or 1.0)


def recent(
    starts: Rows, stops: Rows, events: Interactions | Histories, scale: Scale, length: int
) -> Events:
    """The last `length` events of each range `starts[i]:stops[i]`, newest first."""
    longest = int((stops - starts).max(initial=0))
    rows = stops[:, None] - 1 - np.arange(max(1, min(length, longest)))
    return _padded(rows, rows >= starts[:, None], events, scale)


def upcoming(
    starts: Rows, stops: Rows, events: Interactions | Histories, scale: Scale, length: int
) -> Events:
    """The first `length` events of each range `starts[i]:stops[i]`, oldest first."""
    longest = int((stops - starts).max(initial=0))
    rows = starts[:, None] + np.arange(max(1, min(length, longest)))
    return _padded(rows, rows < stops[:, None], events, scale)


def _padded(rows: Rows, present: Bools, events: Interactions | Histories, scale: Scale) -> Events:
    if not len(events.items):
        empty = torch.zeros(present.shape)
        return Events(empty.long(), empty, torch.from_numpy(present))
    rows = np.where(present, rows, 0)
    items = np.where(present, events.items[rows], 0).astype(np.int64)
    values = np.where(present, scale(events.values[rows]), np.float32(0))
    return Events(torch.from_numpy(items), torch.from_numpy(values), torch.from_numpy(present))


def recent_of(users: Histories, scale: Scale, length: int) -> Events:
    """The last events of each user's whole history."""
    return recent(users.offsets[:-1], users.offsets[1:], users, scale, length)


def prefixes(events: Interactions) -> tuple[Rows, Rows, Rows]:
    """For each event where its user's events start, those of its instant start, and the user's end.

    What was known at the event is `starts:stops`, strictly before its instant; what came then is
    `stops:ends`. Events of one instant do not see each other.
    """
    n = len(events)
    if not n:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing
    new_user = np.r_[True, np.diff(events.users) != 0]
    new_instant = new_user | np.r_[True, np.diff(events.timestamps) != 0]
    position = np.arange(n, dtype=np.int64)
    starts = np.maximum.accumulate(np.where(new_user, position, 0))
    stops = np.maximum.accumulate(np.where(new_instant, position, 0))
    user_ends = np.append(np.flatnonzero(new_user)[1:], n)
    return starts, stops, user_ends[np.cumsum(new_user) - 1]


def period_of(timestamps: NDArray[np.int64], n_periods: int) -> tuple[Rows, Rows]:
    """Cuts time into stretches of about equally many events.

    Returns:
        The period (n,) of each event, and the instant (n_periods,) at which each begins. An event
        is never before the beginning of its period.
    """
    if not len(timestamps):
        return np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.int64)
    shares = np.arange(n_periods) / n_periods
    begins = np.unique(np.quantile(timestamps, shares, method="lower"))
    return np.searchsorted(begins, timestamps, side="right") - 1, begins.astype(np.int64)


def draw_rows(events: Interactions, wanted: int, generator: torch.Generator) -> Rows:
    """Rows of at most `wanted` events without repetition, sorted.

    A user with n events gets a share that grows with √n: those who did most do not decide alone.
    """
    if len(events) <= wanted:
        return np.arange(len(events), dtype=np.int64)
    counts = np.bincount(events.users)[events.users]
    # The largest u^(1/w) are a draw by weight w without repetition (Efraimidis, Spirakis 2006).
    uniform = torch.rand(len(events), generator=generator, dtype=torch.float64).numpy()
    keys = np.log(np.maximum(uniform, np.finfo(float).tiny)) * np.sqrt(counts)
    return np.sort(np.argpartition(-keys, wanted)[:wanted]).astype(np.int64)


def knowledge_batches(
    targets: Rows, periods: Rows, size: int, generator: torch.Generator
) -> Iterator[tuple[int, Rows]]:
    """Every target once, in shuffled batches: (period, rows).

    A batch may know what was known when `period` began, which is never after its rows. A row's
    period is drawn from its own and all earlier ones: batches of one stretch of time each would
    pull the weights from one time's taste to another's.
    """
    target_periods = periods[targets]
    draw = torch.rand(len(targets), generator=generator, dtype=torch.float64).numpy()
    chosen_periods = (draw * (target_periods + 1)).astype(np.int64)
    batches = []
    for period in np.unique(chosen_periods):
        rows = targets[chosen_periods == period]
        batches += [
            (int(period), rows[chosen.numpy()])
            for chosen in minibatches(len(rows), size, generator)
        ]
    for turn in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[turn]
