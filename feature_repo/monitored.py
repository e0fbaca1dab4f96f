"""Statistics of features between two instants, by Feast's own monitoring.

Feast describes one stretch of time: rows, nulls, moments, percentiles and a histogram per feature.
It compares nothing, and cannot describe lists, such as embeddings, which it takes for numbers.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crossmodal.paths import StatePaths
from feature_repo.store import close_store, open_store

if TYPE_CHECKING:
    from feast import FeatureStore

_BINS = 200
_RESOLUTION = timedelta(microseconds=1)
_INSTANTS = ("first_event_at", "last_event_at")
"""Numbers that say when something was, and grow with time alone."""


@dataclass(frozen=True)
class FeatureStatistics:
    """A numeric feature in one stretch of time, with at least one value.

    Attributes:
        name: of the feature.
        edges: (b + 1,) of equal bins; two equal ones where all values are the same.
        counts: (b,) values per bin.
        deviation: standard deviation of the values; 0 for a single one.
    """

    name: str
    edges: NDArray[np.float64]
    counts: NDArray[np.float64]
    deviation: float


Statistics = dict[str, FeatureStatistics]


@dataclass(frozen=True)
class Stretches:
    """Two stretches of time next to each other, by the instants of rows.

    Attributes:
        after: the older one begins after this instant.
        cut: the last instant of the older one; the newer one has everything after it.
    """

    after: datetime
    cut: datetime


def statistics_before_and_after(
    paths: StatePaths, views: Iterable[str], stretches: Stretches
) -> Iterator[tuple[str, Statistics, Statistics]]:
    """Numbers of each view's features in two stretches of time, as Feast counts them.

    Args:
        paths: a home with definitions applied.
        views: names of views whose sources are files.
        stretches: of time.

    Raises:
        NotAppliedError: no run has applied the definitions yet.
        ValueError: a view has no table.
    """
    store = open_store(paths)
    try:
        for view in views:
            older = _between(store, view, stretches.after, stretches.cut)
            yield view, older, _between(store, view, stretches.cut, None)
    finally:
        close_store(store)


def _between(
    store: "FeatureStore", view: str, after: datetime, until: datetime | None
) -> Statistics:
    from feast.types import Float32, Float64, Int32, Int64

    from feature_repo.asof_offline_store import AsofDuckDBOfflineStore

    known = store.get_feature_view(view)
    numeric = [
        (field.name, "numeric")
        for field in known.features
        if field.dtype in (Float32, Float64, Int32, Int64) and not field.name.endswith(_INSTANTS)
    ]
    source = known.batch_source
    if source is None:
        raise ValueError(f"The view {view} has no table, so that Feast cannot describe it.")
    found = AsofDuckDBOfflineStore.compute_monitoring_metrics(
        store.config,
        source,
        numeric,
        source.timestamp_field,
        _wall_clock(after + _RESOLUTION),
        _wall_clock(until) if until else None,
        histogram_bins=_BINS,
    )
    return {
        one["feature_name"]: FeatureStatistics(
            one["feature_name"],
            np.array(one["histogram"]["bins"], dtype=np.float64),
            np.array(one["histogram"]["counts"], dtype=np.float64),
            one["stddev"] or 0.0,
        )
        for one in found
        if one["histogram"] is not None
    }


def _wall_clock(instant: datetime) -> datetime:
    """What Feast must be given for DuckDB to compare with this instant.

    Feast writes a time without its zone, which DuckDB takes for one of the machine's own zone.
    """
    return instant.astimezone().replace(tzinfo=UTC)
