"""Whether what comes in now differs from what the models learned from."""

from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

from assets.drift_pictures import drift_over_time
from assets.drift_table import DRIFT, SCHEMA, STATISTICS
from assets.features import newest_event
from assets.item_vectors import VECTOR_TABLES
from assets.registry import fitted_until, has_version, open_registry
from assets.table_asset import Making, table_asset
from assets.watching import Watched, watch
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.drift import names

if TYPE_CHECKING:
    from models.drift.measured import Measured

_MOST_RUNS = 400
_WHEN = ("until", "since")


def limits(settings: Settings) -> dict[str, float]:
    """The limit of each measure."""
    return {
        names.PSI: settings.drift_psi,
        names.WASSERSTEIN: settings.drift_wasserstein,
        names.MEAN_SHIFT: settings.drift_mean_shift,
        names.NEAR_DUPLICATES: settings.drift_near_duplicates,
        names.MISSING: settings.drift_missing,
        names.FALLBACK: settings.drift_fallback,
        names.CLICK_THROUGH: settings.drift_click_through,
    }


def _choices(workspace: Workspace) -> dict[str, Any]:
    settings = workspace.settings
    return {
        "limits": limits(settings),
        "least": settings.drift_least_users,
        "seed": settings.seed,
    }


@table_asset(
    inputs=["interactions", "items", "reported_events", *VECTOR_TABLES, *STATISTICS],
    # Feast describes features by its registry.
    after=["feature_registry"],
    choices=_choices,
    pictures=("drift",),
    group="evaluation",
    kinds={"feast", "polars", "parquet"},
    code_version="2",
)
def drift(making: Making) -> None:
    """How far newer events, features, embeddings and answers are from older ones, run by run.

    What the version that answers has learned from is older, and what came since is newer, so that
    this comes before another version learns from it.
    """
    watch(making, DRIFT, SCHEMA, partial(_with_this_run, making))


def _with_this_run(making: Making, before: pl.DataFrame) -> Watched:
    """The table with the rows of this run, and the figures of these rows; draws the picture."""
    from assets.drift_windows import cut_between, measured_of_events, measured_of_features
    from models.drift.clicks import shown_items
    from models.drift.of_answers import of_answers

    lake, settings = making.lake, making.settings
    until = newest_event(lake)
    former = _former(before, until)
    events = lake.scan_partitions("interactions").select("user_id", "event_timestamp")
    since = cut_between(events, _learned_until(making.workspace), settings.drift_least_users)
    chosen = limits(settings)
    measured = [
        *measured_of_events(lake, since, settings.seed),
        *measured_of_features(making.workspace, since),
        *of_answers(shown_items(lake.scan("reported_events")), chosen[names.FALLBACK]),
    ]
    rows = _rows(measured, settings).with_columns(
        since=pl.lit(since, SCHEMA["since"]),
        until=pl.lit(until, SCHEMA["until"]),
    )
    history = pl.concat([former, rows.select(former.columns)])
    drift_over_time(making.workspace.paths.pictures / "drift.png", history)
    return history, _figures(rows)


def _former(before: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """What earlier runs measured; a run with the same newest event is replaced."""
    history = before.filter(pl.col("until") < until)
    runs = history["until"].unique().sort()
    return history.filter(pl.col("until").is_in(runs.tail(_MOST_RUNS).implode()))


def _learned_until(workspace: Workspace) -> datetime | None:
    """The newest event that the version that answers could learn from, if that is known."""
    version = open_registry(workspace).champion()
    known = version is not None and has_version(workspace, version)
    return fitted_until(workspace, version) if known and version else None


def _rows(measured: Iterable["Measured"], settings: Settings) -> pl.DataFrame:
    """What was measured, with limits, in the columns of the table that do not say when."""
    chosen, least = limits(settings), settings.drift_least_users
    rows = []
    for one in measured:
        limit = chosen[one.measure]
        rows.append(
            {
                "measure": one.measure,
                "subject": one.subject,
                "reference": one.reference,
                "current": one.current,
                "value": one.distance.value,
                "noise": one.distance.noise,
                "limit": limit if one.is_judged(least) else None,
                "drifted": one.has_drifted(limit, least),
            }
        )
    columns = {name: kind for name, kind in SCHEMA.items() if name not in _WHEN}
    return pl.DataFrame(rows, schema=columns).sort("measure", "subject")


def _figures(rows: pl.DataFrame) -> dict[str, Any]:
    """Of this run: for Dagster's plots, the largest judged distance of each measure."""
    judged = rows.filter(pl.col("limit").is_not_null())
    largest = judged.group_by("measure").agg(pl.col("value").max()).sort("measure")
    return {
        "drifted": int(rows["drifted"].sum()),
        "judged": judged.height,
        **{f"largest_{measure}": value for measure, value in largest.iter_rows()},
    }
