"""Pictures of what changes over time: drift, and click-through."""

from pathlib import Path

import polars as pl

from assets.pictures import figure_of, save
from models.drift.clicks import latest_versions

_MOST_LINES = 8
_COLUMNS = 3


def click_through_over_time(path: Path, rates: pl.DataFrame) -> None:
    """Left the rate of the latest versions by day, right by rank, with 95 % intervals.

    Args:
        path: of the PNG.
        rates: rows of `models.drift.clicks.RATES`.
    """
    figure = figure_of(9.0, 3.0)
    versions = latest_versions(rates, _MOST_LINES)
    for place, by in enumerate(("day", "rank"), start=1):
        axes = figure.add_subplot(1, 2, place)
        for version in versions:
            line = rates.filter((pl.col("answered_by") == version) & pl.col(by).is_not_null())
            value = line["rate"].to_numpy()
            ends = [value - line["rate_low"].to_numpy(), line["rate_high"].to_numpy() - value]
            at = line[by].to_numpy()
            axes.errorbar(at, value, yerr=ends, marker="o", markersize=3, label=version)
        axes.set_title(f"Share chosen of what was shown, by {by}", fontsize=8)
        axes.tick_params(labelsize=6)
        if by == "day":
            axes.tick_params(axis="x", rotation=30)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    if versions:
        axes.legend(fontsize=6)
    save(figure, path)


def drift_over_time(path: Path, history: pl.DataFrame) -> None:
    """One panel per measure: each subject's distance by run, and the limit.

    Args:
        path: of the PNG.
        history: rows of `assets.drift.SCHEMA`.
    """
    from matplotlib.figure import Figure

    panels = history.partition_by("measure", maintain_order=True)
    n_rows = max(1, -(-len(panels) // _COLUMNS))
    # To fit margins to the labels would take longer than all that is measured.
    figure = Figure(figsize=(4.4 * _COLUMNS, 2.4 * n_rows))
    figure.subplots_adjust(0.04, 0.2 / n_rows, 0.99, 1 - 0.14 / n_rows, 0.14, 0.4)
    for place, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(n_rows, _COLUMNS, place)
        for line in panel.partition_by("subject", maintain_order=True):
            at, value = line["until"].dt.date().to_numpy(), line["value"].to_numpy()
            axes.plot(at, value, marker="o", markersize=3, label=line["subject"][0])
        for limit in panel["limit"].drop_nulls().tail(1):
            axes.axhline(limit, color="black", linewidth=0.8, linestyle=":")
        days = panel["until"].dt.date().unique().sort()
        axes.set_xticks([days[0], days[-1]])
        axes.set_title(panel["measure"][0], fontsize=8)
        axes.tick_params(labelsize=6)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=5)
    save(figure, path)
