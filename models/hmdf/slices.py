"""Slices of time: what a user had done up to a share of it, and what came next."""

from dataclasses import replace

import numpy as np

from models.content import TIME_DEPENDENT
from models.data import Bools, Dataset, Floats, Interactions

_NINTHS = 9
_FEWEST_TO_HOLD = 5


def ninths(known: Interactions, first: int, last: int) -> Bools:
    """Which events (n,) lie in the ninths `first` (from 0) up to, not with, `last` of their user.

    Args:
        known: sorted by user, then time.
        first: first ninth.
        last: the ninth after the last one.
    """
    if not len(known):
        return np.zeros(0, dtype=bool)
    counts = np.bincount(known.users)
    begins = np.cumsum(counts) - counts
    place = np.arange(len(known)) - begins[known.users]
    low, high = (np.floor_divide(counts * edge, _NINTHS)[known.users] for edge in (first, last))
    return (place >= low) & (place < high)


def label_slices(slices: int) -> list[tuple[int, int]]:
    """The ninths (first, last + 1) whose events are labels, oldest first."""
    return [(_NINTHS - left, _NINTHS - left + 1) for left in range(slices, 0, -1)]


def before(dataset: Dataset, known: Interactions) -> Dataset:
    """A dataset whose events are `known`, each user's last one held out to stop the training.

    A retriever must not see the labels of its slice even to stop, so that it stops by an event of
    its own past. Modalities that users' behaviour makes are left out: what they hold of the slice's
    own events cannot be taken out again.
    """
    counts = np.bincount(known.users, minlength=dataset.n_users)
    ends = np.cumsum(counts)
    held = np.zeros(len(known), dtype=bool)
    held[ends[counts >= _FEWEST_TO_HOLD] - 1] = True
    train = known.take(~held)
    nothing: Floats = np.zeros((len(train), 0), dtype=np.float32)
    tokens = {name: table for name, table in dataset.tokens.items() if name not in TIME_DEPENDENT}
    return replace(
        dataset,
        train=train,
        validation=known.take(held),
        tokens=tokens,
        context=nothing,
        context_names=(),
    )
