"""Parts of the users, and parts of the items, that are looked at on their own."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Dataset, Histories, Interactions, Longs
from models.evaluation._ranking import Relevance

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_HEAD_SHARE = 0.2


@dataclass(frozen=True)
class Segment:
    """A part of a test. The ranking stays the same; what is counted differs.

    Attributes:
        name: as the metrics table calls it.
        users: (n_users,) rows that count; None means all.
        items: (n_items,) only these count as relevant; None means all.
    """

    name: str
    users: Bools | None = None
    items: Bools | None = None


def segments(
    dataset: Dataset, histories: Histories, test: Interactions, relevance: Relevance
) -> tuple[Segment, ...]:
    """All segments that hold at least one relevant pair; `all` comes first.

    - activity-low, -mid, -high: terciles of the users by the length of their history;
    - recency-hour, -between, -day: first test event within an hour of the last known one, after
      a day, or between; left out where events of the test lie before the known ones;
    - items-head, -tail: the 20 % of the warm items with most training events, of equal ones the
      first of the catalogue, and the other warm ones;
    - items-cold, -warm: items without and with a training event;
    - missing-<modality>: relevant items that lack the modality.
    """
    made = [
        Segment("all"),
        *_activity(histories),
        *_recency(histories, test),
        *_popularity(dataset),
        *_missing(dataset),
    ]
    return tuple(segment for segment in made if _counts(segment, relevance))


def _counts(segment: Segment, relevance: Relevance) -> bool:
    relevant = relevance.counts(segment.items) > 0
    return bool((relevant if segment.users is None else relevant & segment.users).any())


def _activity(histories: Histories) -> Iterator[Segment]:
    lengths = histories.lengths
    low, high = np.quantile(lengths, [1 / 3, 2 / 3]) if len(lengths) else (0, 0)
    yield Segment("activity-low", users=lengths <= low)
    yield Segment("activity-mid", users=(lengths > low) & (lengths <= high))
    yield Segment("activity-high", users=lengths > high)


def _recency(histories: Histories, test: Interactions) -> Iterator[Segment]:
    gaps, known = _gaps(histories, test)
    if (gaps[known] < 0).any():
        return
    yield Segment("recency-hour", users=known & (gaps <= _HOUR))
    yield Segment("recency-between", users=known & (gaps > _HOUR) & (gaps <= _DAY))
    yield Segment("recency-day", users=known & (gaps > _DAY))


def _gaps(histories: Histories, test: Interactions) -> tuple[Longs, Bools]:
    """Microseconds (n_users,) from the last known to the first test event, and who has both."""
    first = np.searchsorted(test.users, histories.users, side="left")
    last = histories.offsets[1:] - 1
    known = (histories.lengths > 0) & (first < len(test))
    known[known] &= test.users[first[known]] == histories.users[known]
    gaps = np.zeros(len(histories), dtype=np.int64)
    gaps[known] = test.timestamps[first[known]] - histories.timestamps[last[known]]
    return gaps, known


def _popularity(dataset: Dataset) -> Iterator[Segment]:
    counts = np.bincount(dataset.train.items, minlength=dataset.n_items)
    warm = counts > 0
    by_count = np.argsort(-counts, kind="stable")
    head = np.zeros(dataset.n_items, dtype=bool)
    head[by_count[: int(_HEAD_SHARE * warm.sum())]] = True
    yield Segment("items-head", items=head)
    yield Segment("items-tail", items=warm & ~head)
    yield Segment("items-warm", items=warm)
    yield Segment("items-cold", items=~warm)


def _missing(dataset: Dataset) -> Iterator[Segment]:
    for name, table in dataset.tokens.items():
        absent = np.ones(dataset.n_items, dtype=bool)
        absent[table.items] = False
        yield Segment(f"missing-{name}", items=absent)
