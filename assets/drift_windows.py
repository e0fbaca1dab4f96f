"""Which events are older and which newer, and what drift measures of them."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from assets.drift_table import STATISTICS
from assets.item_vectors import VECTOR_TABLES
from crossmodal.lake import Lake
from crossmodal.modalities import MODALITIES
from crossmodal.workspace import Workspace
from models.assembly import matrix
from models.drift.distances import Histogram, wasserstein
from models.drift.intervals import effective_size
from models.drift.measured import (
    Embeddings,
    Measured,
    of_events,
    of_modality,
    sizes_of,
)
from models.drift.names import WASSERSTEIN

if TYPE_CHECKING:
    from feature_repo.monitored import FeatureStatistics

_NEWEST = 0.1
_JUDGED = ("value_mean", "value_std")
"""Ends of the names of features that are judged. Numbers of events follow traffic and age, so that
their change alone says nothing."""


def cut_between(events: pl.LazyFrame, fitted_until: datetime | None, least: float) -> datetime:
    """The last instant that counts as older.

    It is the newest event that the version that answers was fitted to, if what came since is enough
    to be judged, else the end of the oldest nine tenths of the events.

    Args:
        events: user_id and event_timestamp.
        fitted_until: time of that event; None if it is not known.
        least: effective number of users that is enough.
    """
    at = pl.col("event_timestamp")
    if fitted_until is not None:
        since = events.filter(at > fitted_until).select("user_id").collect()
        if effective_size(since["user_id"]) >= least:
            return fitted_until
    cut: datetime = events.select(at.quantile(1 - _NEWEST, "lower")).collect().item()
    return cut


def measured_of_events(lake: Lake, cut: datetime, seed: int) -> Iterator[Measured]:
    """The measures of events, and of the modalities of the items that they are about."""
    events = (
        lake.scan_partitions("interactions")
        .select(
            "item_id",
            "event_type",
            "value",
            owner=pl.col("user_id").hash(),
            current=pl.col("event_timestamp") > cut,
        )
        .collect()
    )
    items = lake.scan("items").select("item_id", category=pl.col("categories"))
    yield from of_events(events, items.explode("category").drop_nulls().collect())
    for modality, table in zip(MODALITIES, VECTOR_TABLES, strict=True):
        rows = lake.scan(table).select("item_id", "embedding").collect()
        embeddings = Embeddings(rows["item_id"], matrix(rows["embedding"]))
        yield from of_modality(events, modality, embeddings, seed)


def measured_of_features(workspace: Workspace, cut: datetime) -> Iterator[Measured]:
    """The features that Feast serves as numbers, from Feast's own statistics of two windows.

    Of the older events, as many count as there are newer ones, the last: counts and means change
    as histories grow, and would differ from those of all earlier times without any drift.
    """
    from feature_repo.events import KNOWN_AFTER
    from feature_repo.monitored import Stretches, statistics_before_and_after

    events = workspace.lake.scan_partitions("interactions").select("event_timestamp")
    stretches = Stretches(_as_many_before(events, cut) + KNOWN_AFTER, cut + KNOWN_AFTER)
    at = pl.col("event_timestamp")
    for view, older, newer in statistics_before_and_after(workspace.paths, STATISTICS, stretches):
        rows = workspace.lake.scan(view).filter(at > stretches.after)
        owned = rows.select(owner=pl.col(STATISTICS[view]).hash(), current=at > stretches.cut)
        sizes = sizes_of(owned.collect())
        if sizes is None:
            continue
        for name in sorted(older.keys() & newer.keys()):
            distance = wasserstein(_histogram(older[name]), _histogram(newer[name]), sizes)
            judged = name.endswith(_JUDGED)
            yield Measured(WASSERSTEIN, name, sizes.reference, sizes.current, distance, judged)


def _histogram(one: "FeatureStatistics") -> Histogram:
    return Histogram(one.edges, one.counts, one.deviation)


def _as_many_before(events: pl.LazyFrame, cut: datetime) -> datetime:
    """The instant after which there are as many events up to the cut as there are after it."""
    at = pl.col("event_timestamp")
    share = events.select((at > cut).mean()).collect().item()
    older = events.select(at.quantile(max(1 - 2 * share, 0), "lower"))
    begin: datetime = older.collect().item()
    return begin
