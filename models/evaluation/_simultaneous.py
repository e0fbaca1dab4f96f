"""Mean differences of several groups of users, with intervals that hold for all groups at once."""

import numpy as np
from numpy.typing import NDArray

from models.data import Bools
from models.evaluation._bootstrap import Intervals, resampled

Values = NDArray[np.float64]

_SHARE = 0.95


def simultaneous_intervals(
    differences: Values, members: Bools, samples: int = 1000, seed: int = 42
) -> Intervals:
    """Intervals of which, in 95 % of cases, not one misses its group's true mean.

    The users of a resample are drawn once for all groups. Each group's interval reaches as many of
    its standard errors to both sides as the group that strays furthest does in 95 % of the
    resamples (max-T, Westfall and Young 1993). So groups that share users cost little.

    Args:
        differences: (n_users,) without NaN.
        members: (n_users, m) the users of each group, at least one each.
        samples: resamples.
        seed: draws them.
    """
    weights = members.astype(np.float64)
    values = differences[:, None] * weights
    means = values.sum(axis=0) / weights.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        strayed = resampled(values, weights, samples, seed) - means
    # A resample without a user of a group says nothing of that group.
    strayed = np.where(np.isfinite(strayed), strayed, 0.0)
    errors = strayed.std(axis=0)
    # Where all users of a group differ alike, its mean strays by rounding alone.
    errors[errors < 1e-12] = 0.0
    furthest = np.abs(strayed / np.where(errors > 0, errors, np.inf)).max(axis=1, initial=0.0)
    reach = np.quantile(furthest, _SHARE) * errors
    return Intervals(means, means - reach, means + reach)
