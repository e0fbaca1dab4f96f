"""How sure a share is, and how much two samples of the same differ by chance."""

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import norm

Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

_LEVEL = 0.95


def wilson(hits: Counts, n: Counts, level: float = _LEVEL) -> tuple[Shares, Shares]:
    """Ends of the interval (Wilson 1927) of shares, each (m,); 0 and 1 where n is 0.

    Args:
        hits: (m,) how many of the n.
        n: (m,) of how many.
        level: share of such intervals that hold the truth.
    """
    z = float(norm.ppf(0.5 + level / 2))
    share = hits / np.maximum(n, 1)
    middle = (hits + z * z / 2) / (n + z * z)
    half = z / (n + z * z) * np.sqrt(n * share * (1 - share) + z * z / 4)
    # Rounded, the interval of no hit could begin above 0, and that of hits alone end below 1.
    low, high = np.where(hits == 0, 0.0, middle - half), np.where(hits == n, 1.0, middle + half)
    return low, high


def effective_size(owners: pl.Series) -> float:
    """How many independent rows the rows of some users are worth, at least: (Σ n_u)² / Σ n_u².

    A user's rows are alike, so that many rows of few users say little (Kish 1965, for rows of one
    user that are all the same).

    Args:
        owners: whose each row is.
    """
    counts = owners.value_counts()["count"].to_numpy().astype(np.float64)
    return float(counts.sum() ** 2 / np.square(counts).sum()) if len(counts) else 0.0


def noise_of_shares(share: float, n: float, m: float, chance: float) -> float:
    """The difference of two shares that chance alone exceeds with at most about this probability.

    Args:
        share: of both samples together.
        n: size of the one, at least 1.
        m: of the other, at least 1.
        chance: the probability.
    """
    # A share of 0 or 1 in a sample is none in the truth: one hit and one miss are added.
    smoothed = (share * (n + m) + 1) / (n + m + 2)
    spread = np.sqrt(smoothed * (1 - smoothed) * (1 / n + 1 / m))
    continuity = (1 / n + 1 / m) / 2
    return float(norm.isf(chance / 2) * spread + continuity)
