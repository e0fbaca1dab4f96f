"""The metrics table."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import polars as pl


@dataclass(frozen=True)
class MetricRow:
    """One figure with its 95 % interval.

    Attributes:
        run_id: the run that measured it.
        model: name of the model.
        split: name of the split.
        segment: part of the users or items; `all` is everyone.
        metric: ndcg, recall, map, mrr, hit_rate, coverage, gini, novelty, diversity, calibration,
            mse or rmse.
        k: list length; None for rating errors.
        value: mean over users, or the figure of all lists or events together.
        ci_low: lower end; None for a figure of all lists together, which has no mean.
        ci_high: upper end.
        n_users: users behind the figure.
    """

    run_id: str
    model: str
    split: str
    segment: str
    metric: str
    k: int | None
    value: float
    ci_low: float | None
    ci_high: float | None
    n_users: int


SCHEMA = pl.Schema(
    {
        "run_id": pl.String,
        "model": pl.String,
        "split": pl.String,
        "segment": pl.String,
        "metric": pl.String,
        "k": pl.Int32,
        "value": pl.Float64,
        "ci_low": pl.Float64,
        "ci_high": pl.Float64,
        "n_users": pl.Int32,
    }
)


def metrics_frame(rows: Iterable[MetricRow]) -> pl.DataFrame:
    """The rows as the metrics table."""
    return pl.DataFrame([asdict(row) for row in rows], schema=SCHEMA)
