"""Slices of what is known: a past to fit retrievers on, and labels they have not seen."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from crossmodal.modalities import TIME_DEPENDENT
from models.data import Bools, Dataset, Interactions, Ints, Longs
from models.distinct import distinct

_PARTS = 9
_ITEM_FOLDS = 5
_FEWEST_TO_HOLD = 5


@dataclass(frozen=True)
class Slice:
    """One part of what is known.

    Attributes:
        past: events that retrievers are fitted on and histories are made of.
        labels: events that are to be predicted.
        candidates: (n_items,) what may be ranked for them.
    """

    past: Interactions
    labels: Interactions
    candidates: Bools


@dataclass(frozen=True)
class Fold:
    """Slices that trees are fitted to, and the one that says how good they are.

    Attributes:
        fitted: places of the slices.
        judge: the place of another one.
    """

    fitted: tuple[int, ...]
    judge: int


@dataclass(frozen=True)
class Slicing:
    """How what is known is cut, and which slices may judge trees of which others.

    Attributes:
        name: under which a fitted hybrid remembers it.
        cut: slices of a dataset's known events, so many of them, with a seed.
        folds: of so many slices.
    """

    name: str
    cut: Callable[[Dataset, Interactions, int, int], tuple[Slice, ...]]
    folds: Callable[[int], tuple[Fold, ...]]


def time_slices(dataset: Dataset, known: Interactions, slices: int, seed: int) -> tuple[Slice, ...]:
    """The last events of each user, in slices from the oldest: what comes next is to be predicted.

    If there are validation events, they are the last slice, and those before it are the last
    eighths of what each user had done until then. Otherwise all are ninths of what is known.

    Args:
        dataset: the catalogue and its validation events.
        known: its events.
        slices: how many.
        seed: not used, as nothing is drawn.
    """
    if not len(dataset.validation):
        return _last_parts(known, _PARTS, slices, dataset.n_items)
    before = _last_parts(dataset.train, _PARTS - 1, slices - 1, dataset.n_items)
    every_item = np.ones(dataset.n_items, dtype=bool)
    return (*before, Slice(dataset.train, dataset.validation, every_item))


def _last_parts(events: Interactions, parts: int, slices: int, n_items: int) -> tuple[Slice, ...]:
    """The last `slices` of so many equal parts of each user's events, each with those before it."""
    return tuple(
        Slice(
            events.take(between(events, 0, part, parts)),
            events.take(between(events, part, part + 1, parts)),
            np.ones(n_items, dtype=bool),
        )
        for part in range(parts - slices, parts)
    )


def item_slices(dataset: Dataset, known: Interactions, slices: int, seed: int) -> tuple[Slice, ...]:
    """Fifths of the items, as if nobody had touched them: who chooses them is to be predicted.

    Only items with events take part: one without may be just what is asked about later.

    Args:
        dataset: the catalogue.
        known: its events.
        slices: how many of the fifths are used.
        seed: draws the items.

    Raises:
        ValueError: more than five are asked for.
    """
    if slices > _ITEM_FOLDS:
        raise ValueError(f"There are {_ITEM_FOLDS} folds of items; {slices} slices were asked for.")
    chosen = distinct(known.items)
    fold_of = np.full(dataset.n_items, -1)
    fold_of[chosen] = np.random.default_rng(seed).permutation(len(chosen)) % _ITEM_FOLDS
    held = fold_of[known.items]
    return tuple(
        Slice(known.take(held != fold), known.take(held == fold), fold_of == fold)
        for fold in range(slices)
    )


def last_judges(slices: int) -> tuple[Fold, ...]:
    """The last slice judges trees of those before it: nothing may learn from what comes later."""
    return (Fold(tuple(range(slices - 1)), slices - 1),)


def each_judges(slices: int) -> tuple[Fold, ...]:
    """Each slice judges trees of all the others, since no order is among them."""
    return tuple(
        Fold(tuple(place for place in range(slices) if place != judge), judge)
        for judge in range(slices)
    )


def between(events: Interactions, first: int, last: int, parts: int) -> Bools:
    """Which events (n,) lie in the parts `first:last` of what their user did.

    Args:
        events: sorted by user, then time.
        first: first part, from 0.
        last: the part after the last one.
        parts: how many equal parts what a user did is cut into.
    """
    if not len(events):
        return np.zeros(0, dtype=bool)
    counts = np.bincount(events.users)
    begins = np.cumsum(counts) - counts
    place = np.arange(len(events)) - begins[events.users]
    low, high = (np.floor_divide(counts * edge, parts)[events.users] for edge in (first, last))
    return (place >= low) & (place < high)


def dataset_of(dataset: Dataset, known: Interactions) -> Dataset:
    """A dataset of `known` alone, with nothing held out.

    Modalities made of users' behaviour are left out, as what they hold of other events cannot be
    removed.
    """
    return replace(
        dataset,
        train=known,
        validation=known.take(np.zeros(len(known), dtype=bool)),
        tokens={
            name: table for name, table in dataset.tokens.items() if name not in TIME_DEPENDENT
        },
        context=np.zeros((len(known), 0), dtype=np.float32),
        context_names=(),
    )


def holding_out_last_events(dataset: Dataset, known: Interactions) -> Dataset:
    """`dataset_of`, with each user's last event held out to stop the training.

    A retriever must not see the labels of its slice even to stop, so that it stops by an event of
    its own past.
    """
    counts = np.bincount(known.users, minlength=dataset.n_users)
    ends = np.cumsum(counts)
    held = np.zeros(len(known), dtype=bool)
    held[ends[counts >= _FEWEST_TO_HOLD] - 1] = True
    return replace(dataset_of(dataset, known.take(~held)), validation=known.take(held))


def new_choices(part: Slice, n_items: int) -> tuple[Ints, Longs]:
    """Users (n_users,) who chose what they never had, and their pairs, row · n_items + item."""
    past, labels = part.past, part.labels
    chosen = distinct(labels.users.astype(np.int64) * n_items + labels.items)
    chosen = chosen[~np.isin(chosen, past.users.astype(np.int64) * n_items + past.items)]
    users = distinct(chosen // n_items)
    pairs = np.searchsorted(users, chosen // n_items) * n_items + chosen % n_items
    return users.astype(labels.users.dtype), pairs


OF_TIME = Slicing("time", time_slices, last_judges)
"""What comes next is to be predicted."""

OF_ITEMS = Slicing("items", item_slices, each_judges)
"""Who chooses what nobody has touched is to be predicted."""

SLICINGS = {slicing.name: slicing for slicing in (OF_TIME, OF_ITEMS)}
"""Both by name."""
