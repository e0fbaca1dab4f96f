"""Errors of models that predict ratings."""

from typing import Protocol, runtime_checkable

import numpy as np

from models.data import Floats, Interactions, Ints
from models.evaluation._bootstrap import bootstrap_ratio
from models.evaluation._evaluate import EvaluationConfig
from models.evaluation._rows import MetricRow


@runtime_checkable
class RatingPredictor(Protocol):
    """A model that predicts values on the scale of the training values."""

    name: str

    def predict_ratings(self, users: Ints, items: Ints) -> Floats:
        """Predictions (n,) for pairs of dense indexes."""
        ...


def evaluate_ratings(
    model: RatingPredictor,
    test: Interactions,
    *,
    split: str,
    run_id: str,
    config: EvaluationConfig | None = None,
) -> tuple[MetricRow, ...]:
    """MSE and RMSE over the test events, with intervals that resample users with all their events.

    Args:
        model: fitted without the test events.
        test: events whose values are predicted.
        split: name for the rows.
        run_id: name for the rows.
        config: resamples and seed.
    """
    settings = config or EvaluationConfig()
    predicted = model.predict_ratings(test.users, test.items).astype(np.float64)
    errors = (predicted - test.values) ** 2
    _, rows = np.unique(test.users, return_inverse=True)
    counts = np.bincount(rows).astype(np.float64)[:, None]
    squared = np.bincount(rows, weights=errors).astype(np.float64)[:, None]
    intervals = bootstrap_ratio(squared, counts, settings.samples, settings.seed)
    mse = (float(intervals.value[0]), float(intervals.low[0]), float(intervals.high[0]))
    rmse = tuple(np.sqrt(mse).tolist())
    return tuple(
        MetricRow(run_id, model.name, split, "all", name, None, value, low, high, len(counts))
        for name, (value, low, high) in (("mse", mse), ("rmse", rmse))
    )
