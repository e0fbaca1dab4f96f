"""Measures of drift between older and newer events: each subject's distance, and its noise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.drift.distances import (
    Distance,
    Numbers,
    Sizes,
    Vectors,
    binned,
    decile_edges,
    has_near_duplicate,
    mean_shift,
    of_categories,
    psi,
)
from models.drift.intervals import effective_size, noise_of_shares
from models.drift.names import MEAN_SHIFT, MISSING, NEAR_DUPLICATES, PSI

CHANCE = 1e-4
"""How often, at most about, a subject's distance exceeds its noise where nothing has changed."""

_SAMPLED = 500
_NEAR = 0.999


@dataclass(frozen=True)
class Measured:
    """One subject by one measure.

    Attributes:
        measure: its name, of `models.drift.names`.
        subject: of what, such as `value` or `image`.
        reference: effective number of independent rows before.
        current: the same, since.
        distance: how far apart they are.
        judged: False for what changes as a platform grows, and is only shown.
    """

    measure: str
    subject: str
    reference: float
    current: float
    distance: Distance
    judged: bool = True

    def is_judged(self, least: float) -> bool:
        """Whether both windows have at least so many independent rows, and it is to be judged."""
        return self.judged and min(self.reference, self.current) >= least

    def has_drifted(self, limit: float, least: float) -> bool:
        """Whether the distance is above the limit, and above what chance explains."""
        return self.is_judged(least) and self.distance.value > max(limit, self.distance.noise)


def sizes_of(rows: pl.DataFrame) -> Sizes | None:
    """How much the rows of both windows are worth; None where one window has none.

    Args:
        rows: `owner`, whose each row is, and `current`, whether it is of the newer window.
    """
    reference, current = (
        effective_size(rows.filter(pl.col("current") == newer)["owner"]) for newer in (False, True)
    )
    return Sizes(reference, current, CHANCE) if reference and current else None


def of_events(events: pl.DataFrame, categories: pl.DataFrame) -> Iterator[Measured]:
    """The distribution of events over types, values and the categories of their items.

    Of users, those count who have such events: few may have any with a value or a category.

    Args:
        events: owner, item_id, event_type, value and current.
        categories: item_id and `category`, one row per category of an item.
    """
    valued = events.filter(pl.col("value").is_not_null())
    if sizes := sizes_of(valued):
        older, newer = (
            valued.filter(pl.col("current") == current)["value"].to_numpy().astype(float)
            for current in (False, True)
        )
        edges = decile_edges(older)
        yield _psi("value", binned(older, edges), binned(newer, edges), sizes)
    if sizes := sizes_of(events):
        types = events.group_by("event_type", "current").agg(n=pl.len())
        yield _psi("type", *_per_name(types, "event_type"), sizes)
    named = events.join(categories, on="item_id", how="semi")
    if sizes := sizes_of(named):
        items = named.group_by("item_id", "current").agg(n=pl.len())
        yield _psi("category", *_per_name(items.join(categories, on="item_id"), "category"), sizes)


def _per_name(counts: pl.DataFrame, column: str) -> tuple[Numbers, Numbers]:
    """The sum of `n` per name in a column, before and since, in the same order."""
    sums = counts.group_by(column, "current").agg(pl.col("n").sum())
    names = sums[column].unique().sort().to_list()
    older, newer = (
        dict(sums.filter(pl.col("current") == current).select(column, "n").iter_rows())
        for current in (False, True)
    )
    return of_categories(older, names), of_categories(newer, names)


def _psi(subject: str, older: Numbers, newer: Numbers, sizes: Sizes) -> Measured:
    return Measured(PSI, subject, sizes.reference, sizes.current, psi(older, newer, sizes))


@dataclass(frozen=True)
class Embeddings:
    """The items that have a modality.

    Attributes:
        item_ids: (n,) theirs.
        vectors: (n, d) unit vectors, in the same order.
    """

    item_ids: pl.Series
    vectors: Vectors


def of_modality(
    events: pl.DataFrame, modality: str, embeddings: Embeddings, seed: int
) -> Iterator[Measured]:
    """Of one modality: how many events lack it, where its mean is, and how many are duplicates.

    Items count as often as events are about them. To find near-duplicates, 500 events of each
    window are drawn.

    Args:
        events: owner, item_id and current.
        modality: its name.
        embeddings: of the items that have it.
        seed: of the draw.
    """
    sizes = sizes_of(events)
    if sizes is None:
        return
    has = pl.col("item_id").is_in(embeddings.item_ids.implode())
    missing = events.group_by("current").agg(share=1 - has.mean())
    yield _shares(MISSING, modality, dict(missing.iter_rows()), sizes)
    having = events.filter(has)
    sizes = sizes_of(having)
    if sizes is None:
        return
    places = pl.DataFrame({"item_id": embeddings.item_ids}).with_row_index("place")
    counts = having.group_by("item_id", "current").agg(n=pl.len()).join(places, on="item_id")
    weights = {current: _weights(counts, current, len(places)) for current in (False, True)}
    shift = mean_shift(embeddings.vectors, weights[False], weights[True], sizes)
    yield Measured(MEAN_SHIFT, modality, sizes.reference, sizes.current, shift)
    yield _near_duplicates(modality, embeddings.vectors, weights, sizes, seed)


def _weights(counts: pl.DataFrame, current: bool, n_items: int) -> Numbers:
    rows = counts.filter(pl.col("current") == current)
    weights: Numbers = np.zeros(n_items)
    weights[rows["place"].to_numpy()] = rows["n"].to_numpy()
    return weights


def _near_duplicates(
    modality: str, vectors: Vectors, weights: Mapping[bool, Numbers], sizes: Sizes, seed: int
) -> Measured:
    rng = np.random.default_rng(seed)
    shares = {}
    for current in (False, True):
        chances = weights[current] / weights[current].sum()
        drawn, times = np.unique(rng.choice(len(vectors), _SAMPLED, p=chances), return_counts=True)
        shares[current] = float(has_near_duplicate(vectors, drawn, _NEAR) @ times / _SAMPLED)
    drawn_sizes = Sizes(min(sizes.reference, _SAMPLED), min(sizes.current, _SAMPLED), sizes.chance)
    return _shares(NEAR_DUPLICATES, modality, shares, drawn_sizes)


def _shares(measure: str, subject: str, shares: Mapping[bool, float], sizes: Sizes) -> Measured:
    """How much two shares differ, either way."""
    n, m = sizes.reference, sizes.current
    pooled = (n * shares[False] + m * shares[True]) / (n + m)
    distance = Distance(
        abs(shares[True] - shares[False]), noise_of_shares(pooled, n, m, sizes.chance)
    )
    return Measured(measure, subject, n, m, distance)
