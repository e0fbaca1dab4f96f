"""What is left of many small p values once all of them were looked at."""

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def holm(p: Values) -> Values:
    """Adjusted p values (n,) of the n comparisons of one table (Holm 1979).

    With the p sorted upwards, adjusted_i = max_{j ≤ i} min(1, (n - j + 1) p_j). To call each
    comparison whose adjusted p is at most α a difference is wrong about any of them with a chance
    of at most α, however the comparisons depend on each other.

    A bootstrap of s resamples gives no p below 2 / (s + 1), and its least adjusted one is n times
    that: draw at least 2 n / α of them.

    Args:
        p: (n,) unadjusted; NaN, a comparison that could not be made, stays NaN and does not count.
    """
    made = np.flatnonzero(~np.isnan(p))
    order = made[np.argsort(p[made], kind="stable")]
    remaining = len(order) - np.arange(len(order))
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(remaining * p[order]))
    return adjusted
