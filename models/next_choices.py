"""What a step of training reads: users up to an instant, what they chose next, and among what."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.data import Dataset
from models.retrieval_loss import CandidateDraw, Candidates
from models.sequences import (
    Events,
    Rows,
    Scale,
    draw_rows,
    knowledge_batches,
    prefixes,
    recent,
    upcoming,
)


class StepSizes(Protocol):
    """The settings of a network that say how much a step reads."""

    @property
    def history(self) -> int:
        """Newest events of a user that are read."""

    @property
    def horizon(self) -> int:
        """Events after an instant that are to be predicted."""

    @property
    def sampled_items(self) -> int:
        """Items that a step ranks, at most."""

    @property
    def batch_size(self) -> int:
        """Instants in a step."""

    @property
    def epoch_examples(self) -> int:
        """Instants in an epoch, at most."""


@dataclass(frozen=True)
class NextChoice:
    """Some instants of users.

    Attributes:
        past: what each user had done until then, newest first.
        wanted: what each user chose next.
        candidates: items that are ranked.
        needed: (n,) int64 sorted dense indexes of the candidates and of all of the past.
    """

    past: Events
    wanted: Events
    candidates: Candidates
    needed: Tensor


class NextChoices:
    """Draws instants of users and reads what a step needs of them.

    Args:
        dataset: with the events of the training.
        scale: of the values.
        sizes: how much a step reads.

    Attributes:
        counts: (n_items,) training events of each item.
    """

    def __init__(self, dataset: Dataset, scale: Scale, sizes: StepSizes) -> None:
        self._events, self._scale, self._sizes = dataset.train, scale, sizes
        self._starts, self.stops, self._ends = prefixes(dataset.train)
        self.counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
        self._candidates = CandidateDraw.of(self.counts, sizes.sampled_items)

    def batches(
        self, period_of_event: Rows, generator: torch.Generator
    ) -> Iterator[tuple[int, Rows]]:
        """An epoch: batches of rows of events, each with the period of knowledge it lies in."""
        rows = draw_rows(self._events, self._sizes.epoch_examples, generator)
        return knowledge_batches(rows, period_of_event, self._sizes.batch_size, generator)

    def read(self, rows: Rows, generator: torch.Generator) -> NextChoice:
        """What is known just before the events `rows`, and what is chosen from there on."""
        starts, stops, ends = self._starts[rows], self.stops[rows], self._ends[rows]
        past = recent(starts, stops, self._events, self._scale, self._sizes.history)
        wanted = upcoming(stops, ends, self._events, self._scale, self._sizes.horizon)
        candidates = self._candidates(wanted.items[wanted.present], generator)
        needed = torch.unique(torch.cat([candidates.items, past.items[past.present]]))
        return NextChoice(past, wanted, candidates, needed)

    def earliest_stops(self, rows: Rows, n_users: int) -> Rows:
        """Per user (n_users,) the first event that the instants `rows` must not know of."""
        until = np.full(n_users, len(self._events), dtype=np.int64)
        np.minimum.at(until, self._events.users[rows], self.stops[rows])
        return until
