"""The table of drift: a row per run, measure and subject. Without what measures it."""

import polars as pl

DRIFT = "drift"
SCHEMA: dict[str, pl.DataType] = {
    "until": pl.Datetime("us", "UTC"),
    "since": pl.Datetime("us", "UTC"),
    "measure": pl.String(),
    "subject": pl.String(),
    "reference": pl.Float64(),
    "current": pl.Float64(),
    "value": pl.Float64(),
    "noise": pl.Float64(),
    "limit": pl.Float64(),
    "drifted": pl.Boolean(),
}
"""`until` is the newest event of the run; `limit` is null where a subject is not judged."""

STATISTICS = {"item_statistics": "item_id", "user_statistics": "user_id"}
"""Views of features that are numbers, and whose they are. Tables have the same names."""


def newest_run(history: pl.DataFrame) -> pl.DataFrame:
    """The rows of the last run that measured drift."""
    return history.filter(pl.col("until") == pl.col("until").max())


def said(rows: pl.DataFrame) -> str:
    """Judged rows in words, separated by semicolons."""
    return "; ".join(
        f"{row['measure']} of {row['subject']} {row['value']:.2f} (limit {row['limit']:g})"
        for row in rows.iter_rows(named=True)
    )
