"""Checks of drift: they warn, since what has changed is for people to judge."""

from collections.abc import Iterator

import dagster as dg
import polars as pl

from assets.drift_table import DRIFT, newest_run, said
from crossmodal.workspace import Workspace
from models.drift import names

_CHECKS = {
    names.PSI: ("events", "Events are distributed as before."),
    names.WASSERSTEIN: ("features", "Features that Feast serves are distributed as before."),
    names.MEAN_SHIFT: ("embeddings", "Events are about items with embeddings as before."),
    names.NEAR_DUPLICATES: ("near_duplicates", "There are as many near-duplicates as before."),
    names.MISSING: ("missing_modalities", "Items lack modalities as often as before."),
    names.FALLBACK: ("fallback_answers", "Few of the answers that apps have shown are fallbacks."),
    names.CLICK_THROUGH: (
        "click_through",
        "The newest version is chosen as often as those before.",
    ),
}


def drift_checks() -> Iterator[dg.AssetChecksDefinition]:
    """A check per measure; each has the distances of its subjects as metadata."""
    for measure, (name, description) in _CHECKS.items():
        yield _check(measure, name, description)


def _check(measure: str, name: str, description: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=DRIFT, name=name, description=description)
    def check(workspace: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
        return judged(newest_run(workspace.lake.read(DRIFT)), measure)

    return check


def judged(rows: pl.DataFrame, measure: str) -> dg.AssetCheckResult:
    """What the newest run says by one measure.

    Args:
        rows: of `assets.drift.SCHEMA`, of one run.
        measure: its name.
    """
    of_measure = rows.filter(pl.col("measure") == measure)
    known = of_measure.filter(pl.col("limit").is_not_null()).sort("value", descending=True)
    drifted = known.filter("drifted")
    if of_measure.is_empty():
        found = "There is nothing to compare, before or since."
    elif known.is_empty():
        found = "There are too few users, before or since, to judge."
    elif drifted.is_empty():
        found = f"Nothing has drifted; the largest of {known.height} is {said(known.head(1))}."
    else:
        found = f"Drifted: {said(drifted)}. `crossmodal drift` shows more."
    return dg.AssetCheckResult(
        passed=drifted.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=found,
        metadata=dict(of_measure.select("subject", "value").iter_rows()),
    )
