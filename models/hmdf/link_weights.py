"""How much one item speaks for another: counted, or solved for, and cut to the largest."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import sparse

from models.baselines.cooccurrence import Windows, gram, pair_weights
from models.baselines.ease import inverse
from models.baselines.neighbourhoods import cosines, largest
from models.baselines.recency import choice_matrix
from models.data import Floats, Interactions, Ints, Longs
from models.hmdf._link_kernels import largest_first

_ROWS = 1024
_HOUR = 3_600_000_000
_PERIOD = 180 * 24 * _HOUR
_NEIGHBOURS = 200
"""Weights kept for each item and kind, the largest ones."""

_MOST_WEIGHTS = 8_000_000
"""Weights of a lasting kind, at most; beyond, each item keeps fewer. All periods together have
three times as many, which bounds the links of a large catalogue to about 600 MB."""

_RIDGE = 300.0
"""Penalty of the linear model, λ."""

_MOST_ITEMS = 20_000
"""Most items that the linear model tells apart; its memory grows with their square."""

_SHRINKAGE = 5.0
"""Events added to each item's own, so that few are no proof."""


@dataclass(frozen=True)
class Periods:
    """Half years in which something was done, so that one stray instant makes no empty ones.

    Attributes:
        middles: (p,) the middle of each, ascending, in UTC microseconds.
    """

    middles: Longs

    @staticmethod
    def of(timestamps: Longs) -> "Periods":
        """The periods that hold these instants; one where there are none."""
        first = int(timestamps.min()) if len(timestamps) else 0
        held = np.unique((timestamps - first) // _PERIOD) if len(timestamps) else np.zeros(1)
        return Periods(first + _PERIOD * held.astype(np.int64) + _PERIOD // 2)

    def holding(self, timestamps: Longs) -> Longs:
        """The place (n,) of the period that holds each instant (n,) of those the periods are of."""
        return np.searchsorted(self.middles + _PERIOD // 2, timestamps, side="right")


def lasting_weights(
    events: Interactions, n_users: int, n_items: int
) -> dict[str, Callable[[], sparse.csr_array]]:
    """What makes each kind's weights (n_items, n_items), the largest of each row.

    None needs another, so that threads may make them side by side.
    """
    choices = choice_matrix(events.users, events.items, n_users, n_items)
    users = events.users
    counted = {
        "next": (partial(Windows.after, users, 3), 1.0, 0.3),
        "following": (partial(Windows.after, users, 20), 0.9, 0.3),
        "following_far": (partial(Windows.after, users, 50), 0.97, 0.4),
        "preceding": (partial(Windows.before, users, 20), 0.9, 0.3),
        "same_hour": (partial(Windows.around, events, 30, _HOUR), 1.0, 0.3),
    }
    return {
        "linear": partial(_linear, choices),
        "chosen_with": partial(_chosen_with, choices),
        **{kind: partial(_counted, events.items, n_items, *how) for kind, how in counted.items()},
    }


def _chosen_with(choices: sparse.csr_array) -> sparse.csr_array:
    alike = [_largest(block) for block in cosines(choices, 2 * _SHRINKAGE)]
    return _largest(sparse.csr_array(sparse.vstack(alike)))


def _counted(
    items: Ints,
    n_items: int,
    windows_of: Callable[[], Windows],
    step_decay: float,
    power: float,
    period_of: Longs | None = None,
    n_periods: int = 1,
    most: int = _MOST_WEIGHTS,
) -> sparse.csr_array:
    """The largest weights of pairs, damped by the popularity of both items.

    Args:
        items: (n_events,) dense item indexes.
        n_items: size of the item vocabulary.
        windows_of: which events are paired.
        step_decay: weight of a step further over the one before.
        power: how much popular items are held back.
        period_of: (n_events,) rows of another period are apart; by default there is one.
        n_periods: how many there are.
        most: weights in all.
    """
    windows = windows_of()
    damping = ((np.bincount(items, minlength=n_items) + _SHRINKAGE) ** -power).astype(np.float32)
    by_row = np.tile(damping, n_periods)
    weights = np.power(step_decay, np.arange(windows.longest))
    rows = items if period_of is None else period_of * n_items + items
    first, blocks = 0, []
    for block in pair_weights(items, n_items, windows, weights, rows, len(by_row)):
        stop = first + block.shape[0]
        block.data *= np.repeat(by_row[first:stop], np.diff(block.indptr))
        block.data *= damping[block.indices]
        blocks.append(_largest(block, most))
        first = stop
    return _largest(sparse.csr_array(sparse.vstack(blocks)), most)


def _linear(choices: sparse.csr_array) -> sparse.csr_array:
    """The weights of EASE (Steck 2019), see `models.baselines.ease`."""
    n_users, n_items = choices.shape
    counts = np.bincount(choices.indices, minlength=n_items)
    most_chosen = np.sort(np.argsort(-counts, kind="stable")[:_MOST_ITEMS])
    known = choices[:, most_chosen]
    if n_users < len(most_chosen):
        by_item = sparse.csr_array(known.T)
        alike = inverse(gram(by_item), _RIDGE)
        # A sparse product with any other layout copies all of it, once a block.
        user_side = np.ascontiguousarray(alike @ known, dtype=np.float32)  # K X: u n
        explained = np.asarray(known.multiply(user_side).sum(axis=0), dtype=np.float32)
        rows = (
            np.asarray(
                by_item[start : start + _ROWS] @ user_side / (1 - explained), dtype=np.float32
            )
            for start in range(0, len(most_chosen), _ROWS)
        )
    else:
        solved = inverse(gram(known), _RIDGE)
        solved /= -np.diag(solved)
        rows = (solved[start : start + _ROWS] for start in range(0, len(most_chosen), _ROWS))
    blocks = []
    for start, block in zip(range(0, len(most_chosen), _ROWS), rows, strict=True):
        place = np.arange(len(block))
        block[place, start + place] = 0
        # Negative weights are left out, so that no sum is a small difference of large terms.
        np.maximum(block, 0, out=block)
        blocks.append(_largest_of_dense(block))
    entries = sparse.coo_array(sparse.vstack(blocks))
    places = (most_chosen[entries.row], most_chosen[entries.col])
    return sparse.csr_array(sparse.coo_array((entries.data, places), shape=(n_items, n_items)))


def _largest(weights: sparse.csr_array, most: int = _MOST_WEIGHTS) -> sparse.csr_array:
    """The entries of each row that are furthest from 0, as many as fit among `most` in all."""
    return largest(weights, _fitting(np.diff(weights.indptr), most))


def _fitting(lengths: Longs, most: int) -> int:
    """How many entries of each row are kept, up to `_NEIGHBOURS`, so that all are at most `most`.

    With m kept per row there are Σ_rows min(length, m) entries; the largest m for which they fit,
    and at least 1.

    Args:
        lengths: (n_rows,) entries of each row.
        most: entries of all rows.
    """
    kept = np.arange(_NEIGHBOURS + 1)
    rows_of_length = np.bincount(np.minimum(lengths, _NEIGHBOURS), minlength=len(kept))
    rows_at_least = rows_of_length[::-1].cumsum()[::-1]
    entries_if_kept = np.concatenate([[0], rows_at_least[1:].cumsum()])
    return max(1, int(kept[entries_if_kept <= most].max()))


def strongest_first(weights: sparse.csr_array) -> sparse.csr_array:
    """The same weights with the entries of each row ordered by size, the largest first."""
    order = largest_first(weights.indptr.astype(np.int64), weights.data)
    parts = (weights.data[order], weights.indices[order], weights.indptr)
    return sparse.csr_array(parts, shape=weights.shape)


def _largest_of_dense(block: Floats) -> sparse.csr_array:
    """The `_NEIGHBOURS` numbers of each row (n,) that are furthest from 0."""
    most = min(_NEIGHBOURS, block.shape[1])
    columns = np.argpartition(-np.abs(block), most - 1, axis=1)[:, :most]
    columns.sort(axis=1)
    values = np.take_along_axis(block, columns, axis=1).astype(np.float32)
    starts = most * np.arange(len(block) + 1, dtype=np.int64)
    largest = sparse.csr_array((values.ravel(), columns.ravel(), starts), shape=block.shape)
    largest.eliminate_zeros()
    return largest


def contemporary_weights(events: Interactions, n_items: int, periods: Periods) -> sparse.csr_array:
    """What followed what in each period: (periods · n_items, n_items), damped by popularity.

    What a catalogue shows, and so what is chosen after what, changes over the years (Koren 2010).
    """
    return _counted(
        events.items,
        n_items,
        partial(Windows.after, events.users, 20),
        0.9,
        0.3,
        periods.holding(events.timestamps),
        len(periods.middles),
        3 * _MOST_WEIGHTS,
    )
