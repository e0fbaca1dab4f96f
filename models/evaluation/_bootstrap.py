"""How sure a mean over users is, and how sure a difference between two models."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_COUNTS_AT_ONCE = 2_000_000
"""Resampling counts held in memory at a time: 16 MB, however many users there are."""

_COUNTS_KEPT = 10_000_000
"""Most counts of one draw that is kept: 10 MB, a thousand resamples of ten thousand users."""


@dataclass(frozen=True)
class Intervals:
    """Point estimates and 95 % intervals, one per column (m,) of the bootstrapped values."""

    value: Values
    low: Values
    high: Values


@dataclass(frozen=True)
class PairedDifference:
    """Mean of a - b over the users both have, its 95 % interval and two-sided p.

    All NaN where no user has both; p is the bootstrap's share of means on the other side of 0,
    doubled, and never below 2 / (samples + 1).
    """

    mean: float
    low: float
    high: float
    p: float
    n_users: int


@dataclass(frozen=True)
class PairedRatio:
    """Mean of a over mean of b for the users both have, and its 95 % interval.

    All NaN where no user has both or b is 0 for all of them; `high` is infinite where b is 0 in
    many resamples.
    """

    ratio: float
    low: float
    high: float
    n_users: int


def bootstrap_interval(values: Values, samples: int = 1000, seed: int = 42) -> Intervals:
    """Percentile bootstrap over users (Efron and Tibshirani 1993): users are drawn, not events.

    Args:
        values: (n_users,) or (n_users, m), without NaN; columns are resampled together.
        samples: resamples.
        seed: draws them.
    """
    columns = values[:, None] if values.ndim == 1 else values
    return bootstrap_ratio(columns, np.ones((len(columns), 1)), samples, seed)


def bootstrap_ratio(
    numerators: Values, denominators: Values, samples: int = 1000, seed: int = 42
) -> Intervals:
    """Intervals of Σ numerators / Σ denominators over resampled users.

    With the users' squared errors and counts this is an MSE over events whose interval still knows
    that a user's events belong together.

    Args:
        numerators: (n_users, m).
        denominators: (n_users, m) or (n_users, 1).
        samples: resamples.
        seed: draws them.
    """
    if not len(numerators):
        nothing = np.full(numerators.shape[1], np.nan)
        return Intervals(nothing, nothing, nothing)
    drawn = resampled(numerators, denominators, samples, seed)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return Intervals(numerators.sum(axis=0) / denominators.sum(axis=0), low, high)


def paired_difference(
    a: Values, b: Values, samples: int = 1000, seed: int = 42
) -> PairedDifference:
    """Compares two models on the same users: a bootstrap of the mean of a - b.

    Args:
        a: (n_users,) one metric of one model, NaN where it could not be measured.
        b: (n_users,) the same of the other, for the same users.
        samples: resamples.
        seed: draws them.
    """
    both = ~(np.isnan(a) | np.isnan(b))
    return paired_differences(a[both, None], b[both, None], samples, seed)[0]


def paired_differences(
    a: Values, b: Values, samples: int = 1000, seed: int = 42, counts: Values | None = None
) -> tuple[PairedDifference, ...]:
    """`paired_difference` of every column, with the users of a resample drawn once for all.

    Args:
        a: (n_users, m) without NaN.
        b: (n_users, m) column by column what `a` is compared with, for the same users.
        samples: resamples.
        seed: draws them.
        counts: (n_users,) of how many figures each user's is the sum; the mean is that of the
            figures, and those of a user stay together. 1 by default.
    """
    n_users, difference = len(a), a - b
    if not n_users:
        nan = float("nan")
        return tuple(PairedDifference(nan, nan, nan, nan, 0) for _ in difference.T)
    weights = np.ones((n_users, 1)) if counts is None else counts[:, None]
    drawn = resampled(difference, weights, samples, seed)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    beyond = 1 + np.minimum((drawn <= 0).sum(axis=0), (drawn >= 0).sum(axis=0))
    p = np.minimum(1.0, 2 * beyond / (samples + 1))
    means = difference.sum(axis=0) / weights.sum()
    columns = np.stack([means, low, high, p], axis=1).tolist()
    return tuple(
        PairedDifference(mean, least, most, beyond_0, n_users)
        for mean, least, most, beyond_0 in columns
    )


def paired_ratio(a: Values, b: Values, samples: int = 1000, seed: int = 42) -> PairedRatio:
    """How many times as good one model is as another: mean a / mean b over the same users.

    A resample draws users, and both means are of the users drawn.

    Args:
        a: (n_users,) one metric of one model, at least 0, NaN where it could not be measured.
        b: (n_users,) the same of the other, for the same users.
        samples: resamples.
        seed: draws them.
    """
    both = ~(np.isnan(a) | np.isnan(b))
    return paired_ratios(a[both, None], b[both, None], samples, seed)[0]


def paired_ratios(
    a: Values, b: Values, samples: int = 1000, seed: int = 42
) -> tuple[PairedRatio, ...]:
    """`paired_ratio` of every column, with the users of a resample drawn once for all.

    Args:
        a: (n_users, m) at least 0, without NaN.
        b: (n_users, m) column by column what `a` is compared with, for the same users.
        samples: resamples.
        seed: draws them.
    """
    n_users, nan = len(a), float("nan")
    if not n_users:
        return tuple(PairedRatio(nan, nan, nan, 0) for _ in a.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = resampled(a, b, samples, seed)
        ratio = a.sum(axis=0) / b.sum(axis=0)
    # A resample in which b is 0 gives no upper bound of the ratio.
    drawn = np.where(np.isfinite(drawn), drawn, np.inf)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0, method="inverted_cdf")
    rows = np.where(b.any(axis=0), [ratio, low, high], nan).T.tolist()
    return tuple(PairedRatio(value, least, most, n_users) for value, least, most in rows)


def resampled(numerators: Values, denominators: Values, samples: int, seed: int) -> Values:
    """The ratio of sums (samples, m) of each resample of the users.

    Args:
        numerators: (n_users, m).
        denominators: (n_users, m) or (n_users, 1).
        samples: resamples.
        seed: draws them.
    """
    n = len(numerators)
    drawn = _kept_draws(n, samples, seed) if n * samples <= _COUNTS_KEPT else None
    parts = []
    for counts in _draws(n, samples, seed) if drawn is None else drawn:
        weights = counts.astype(np.float64)
        parts.append((weights @ numerators) / (weights @ denominators))
    return np.concatenate(parts)


def _draws(n: int, samples: int, seed: int) -> Iterator[NDArray[np.unsignedinteger]]:
    """How often each of n users is in each resample: blocks (rows, n), `samples` rows in all."""
    generator = np.random.default_rng(seed)
    chunk = max(1, _COUNTS_AT_ONCE // n)
    for start in range(0, samples, chunk):
        rows = min(chunk, samples - start)
        drawn = generator.integers(0, n, size=(rows, n)) + n * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        yield counts.astype(np.uint8 if counts.max() < 256 else np.uint16)


@lru_cache(maxsize=16)
def _kept_draws(n: int, samples: int, seed: int) -> tuple[NDArray[np.unsignedinteger], ...]:
    """The same draws, kept: one evaluation asks for those of each segment once per model."""
    return tuple(_draws(n, samples, seed))
