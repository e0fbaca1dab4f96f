"""Pictures of what changes over time: drift, and click-through."""

from pathlib import Path

import polars as pl

from assets.pictures import figure_of, save

_MOST_LINES = 8


def click_through_over_time(path: Path, rates: pl.DataFrame) -> None:
    """Left each version's rate by day, right by rank, with 95 % intervals.

    Args:
        path: of the PNG.
        rates: rows of `models.drift.clicks.RATES`.
    """
    figure = figure_of(9.0, 3.0)
    versions = rates["answered_by"].unique(maintain_order=True).to_list()[-_MOST_LINES:]
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
