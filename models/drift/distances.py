"""How far two samples are apart, with the distance that chance alone would bring about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, wasserstein_distance

Numbers = NDArray[np.float64]
Vectors = NDArray[np.float32]

_BINS = 10
_LEAST_EXPECTED = 5
_BLOCK = 256


@dataclass(frozen=True)
class Sizes:
    """How much two samples are worth.

    Attributes:
        reference: independent rows of the one, at least 1.
        current: of the other, at least 1.
        chance: how often, at most, a distance of two samples of the same may exceed its `noise`.
    """

    reference: float
    current: float
    chance: float

    @property
    def variance(self) -> float:
        """Of a difference of two means, in units of the variance of a row."""
        return 1 / self.reference + 1 / self.current


@dataclass(frozen=True)
class Distance:
    """How far apart two samples are.

    Attributes:
        value: the distance.
        noise: what two samples of the same exceed with a probability of at most about `chance`.
    """

    value: float
    noise: float


def psi(reference: Numbers, current: Numbers, sizes: Sizes) -> Distance:
    """Population stability index of two histograms: Σ (p - q) ln(p / q).

    Two samples of the same have (1/n + 1/m) χ² with a degree of freedom less than there are bins.
    So that this holds, bins of which less than 5 rows of the smaller sample are expected are one.

    Args:
        reference: (b,) rows per bin, some above 0.
        current: (b,) the same bins of the other sample, some above 0.
        sizes: of the samples.
    """
    there = reference + current > 0
    shares = reference[there] / reference.sum(), current[there] / current.sum()
    first, second = _merged(shares[0], shares[1], sizes)
    p, q = (_smoothed(first, sizes.reference), _smoothed(second, sizes.current))
    value = float(((p - q) * np.log(p / q)).sum())
    freedom = len(p) - 1
    noise = sizes.variance * float(chi2.isf(sizes.chance, freedom)) if freedom else 0.0
    return Distance(value, noise)


def _merged(first: Numbers, second: Numbers, sizes: Sizes) -> tuple[Numbers, Numbers]:
    n, m = sizes.reference, sizes.current
    pooled = (n * first + m * second) / (n + m)
    rare = pooled * min(n, m) < _LEAST_EXPECTED
    if not rare.any():
        return first, second
    merged = [np.append(shares[~rare], shares[rare].sum()) for shares in (first, second)]
    return merged[0], merged[1]


def _smoothed(shares: Numbers, size: float) -> Numbers:
    return np.asarray((shares * size + 0.5) / (size + 0.5 * len(shares)))


def decile_edges(reference: Numbers) -> Numbers:
    """Inner edges, at most 10, that cut a sample into bins of about a tenth each.

    A number of which there are many has a bin of its own, also the least one: what is below it in
    another sample is in the first bin.
    """
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, _BINS + 1)[1:-1]))
    least = reference.min()
    return edges if least < edges[0] else np.append(np.nextafter(least, -np.inf), edges)


def binned(values: Numbers, edges: Numbers) -> Numbers:
    """Rows per bin (len(edges) + 1,): up to and including the first edge, and so on."""
    bins = np.searchsorted(edges, values, side="left")
    return np.bincount(bins, minlength=len(edges) + 1).astype(np.float64)


def of_categories(counts: Mapping[str, float], names: Sequence[str]) -> Numbers:
    """Rows per category (len(names),), 0 for those that do not occur."""
    return np.array([counts.get(name, 0) for name in names], dtype=np.float64)


@dataclass(frozen=True)
class Histogram:
    """A sample of numbers as equal bins hold it.

    Attributes:
        edges: (b + 1,) of the bins, or two equal ones and a single bin where all are the same.
        counts: (b,) rows per bin, some above 0.
        deviation: standard deviation of the sample.
    """

    edges: Numbers
    counts: Numbers
    deviation: float


def wasserstein(reference: Histogram, current: Histogram, sizes: Sizes) -> Distance:
    """The Wasserstein distance of two samples, in standard deviations of the reference.

    At x, the shares below it of two samples of the same differ by √(2/π · F(1 - F) · variance) on
    average, which the distance adds up over x. The noise is this mean, how far above it a distance
    comes by chance (Gaussian concentration), and what the bins' widths can add.
    """
    middles = [(one.edges[1:] + one.edges[:-1]) / 2 for one in (reference, current)]
    unit = reference.deviation or current.deviation or 1.0
    value = float(wasserstein_distance(*middles, reference.counts, current.counts)) / unit
    below = np.cumsum(reference.counts)[:-1] / reference.counts.sum()
    spread = float((np.sqrt(below * (1 - below)) * np.diff(middles[0])).sum()) / unit
    mean, above_it = np.sqrt(2 / np.pi) * spread, np.sqrt(2 * np.log(1 / sizes.chance))
    widths = sum(float(np.diff(one.edges).max()) for one in (reference, current)) / 2 / unit
    return Distance(value, float((mean + above_it) * np.sqrt(sizes.variance)) + widths)


def mean_shift(vectors: Vectors, reference: Numbers, current: Numbers, sizes: Sizes) -> Distance:
    """How far the mean vector has moved, in units of how far vectors are from their mean.

    The length of the difference of two means of the same is a weighted sum of χ² (the eigenvalues
    of the covariance), taken as one χ² of the same mean and variance (Satterthwaite 1946).

    Args:
        vectors: (n, d) distinct vectors.
        reference: (n,) how often each occurs in the one sample, some above 0.
        current: (n,) in the other.
        sizes: of the samples.
    """
    weights = reference / reference.sum()
    middle = weights @ vectors
    moved = (current / current.sum()) @ vectors - middle
    centred = (vectors - middle) * np.sqrt(weights)[:, None]
    covariance = centred.T @ centred
    total, squares = float(np.trace(covariance)), float(np.square(covariance).sum())
    if total <= 0:
        return Distance(float(np.linalg.norm(moved)), 0.0)
    quantile = float(chi2.isf(sizes.chance, total * total / squares)) * squares / total
    return Distance(
        float(np.linalg.norm(moved)) / np.sqrt(total),
        float(np.sqrt(sizes.variance * quantile / total)),
    )


def has_near_duplicate(
    vectors: Vectors, rows: NDArray[np.int64], cosine: float
) -> NDArray[np.bool_]:
    """Whether some other vector is as close as this to each of the rows (m,).

    Args:
        vectors: (n, d) unit vectors.
        rows: (m,) which of them are looked at.
        cosine: least cosine of near-duplicates.
    """
    found = [
        (vectors[rows[at : at + _BLOCK]] @ vectors.T >= cosine).sum(axis=1) > 1
        for at in range(0, len(rows), _BLOCK)
    ]
    return np.concatenate(found) if found else np.zeros(0, dtype=bool)
