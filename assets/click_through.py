"""What users chose of what they were shown, by the version that answered."""

from typing import Any

import polars as pl

from assets.drift_pictures import click_through_over_time
from assets.table_asset import Making, table_asset
from crossmodal.workspace import Workspace

_MOST_VERSIONS = 20
"""The latest are shown next to the table: each night makes one, and Dagster keeps all it shows."""


def _figures(workspace: Workspace) -> dict[str, Any]:
    """The rate of the version that answered last, for Dagster's plot over its runs."""
    by_version = workspace.lake.version("click_through").summary["by_version"]
    if not by_version:
        return {}
    newest = by_version[0]
    return {name: newest[name] for name in ("rate", "impressions", "answered_by")}


@table_asset(
    inputs=["reported_events"],
    pictures=("click_through",),
    figures=_figures,
    group="evaluation",
    kinds={"polars", "parquet"},
    code_version="2",
)
def click_through(making: Making) -> None:
    """Impressions and choices of each version, by day and by rank, with 95 % intervals."""
    from models.drift.clicks import rates, shown_items, totals

    reports = making.lake.scan("reported_events")
    shown = shown_items(reports)
    found = rates(shown)
    click_through_over_time(making.workspace.paths.pictures / "click_through.png", found)
    impressions = reports.filter(pl.col("event_type") == "impression")
    reported = int(impressions.select(pl.len()).collect().item())
    making.lake.write(
        "click_through",
        found,
        making.stamp,
        by_version=totals(shown).head(_MOST_VERSIONS).to_dicts(),
        impressions_reported=reported,
        impressions_shown=shown.height,
    )
