"""Errors of predicted ratings, on the scale of the ratings; NaN where there are none."""

import numpy as np
from numpy.typing import NDArray


def mse(predicted: NDArray[np.floating], actual: NDArray[np.floating]) -> float:
    """Mean squared error: Σ (r̂ - r)² / n."""
    if not len(actual):
        return float("nan")
    return float(np.mean((predicted.astype(np.float64) - actual.astype(np.float64)) ** 2))


def rmse(predicted: NDArray[np.floating], actual: NDArray[np.floating]) -> float:
    """Root of the mean squared error (the Netflix prize's measure)."""
    return float(np.sqrt(mse(predicted, actual)))
