"""What lists are like beyond hits. Lists are (n_users, k) dense item indexes, -1 where empty."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from models.data import Bools, Floats, Histories, Ints
from models.distinct import distinct

Values = NDArray[np.float64]


def coverage(lists: Ints, n_candidates: int) -> float:
    """Share of the candidate items that at least one list shows (Herlocker et al. 2004)."""
    if not n_candidates:
        return float("nan")
    return len(distinct(lists[lists >= 0])) / n_candidates


def gini(lists: Ints, candidates: Bools) -> float:
    """Inequality of how often items are shown: 0 all alike, near 1 a few take all.

    G = Σ_i (2 i - n - 1) x_i / (n Σ x), x sorted upwards over the n candidate items
    (Fleder and Hosanagar 2009).

    Args:
        lists: (n_users, k).
        candidates: (n_items,) items that could have been shown.
    """
    shown = np.bincount(lists[lists >= 0], minlength=len(candidates))[candidates]
    total, n = shown.sum(), len(shown)
    if not total:
        return float("nan")
    weights = 2 * np.arange(1, n + 1) - n - 1
    return float(weights @ np.sort(shown) / (n * total))


def novelty(lists: Ints, train_counts: NDArray[np.integer], n_train_users: int) -> Values:
    """Mean surprise of each user's list in bits (n_users,): -log2 p(item) (Zhou et al. 2010).

    p = (c + 1) / (U + 1) for an item that c of U users had in training, so that an item nobody had
    is the most surprising instead of infinitely so.
    """
    surprise = -np.log2((np.minimum(train_counts, n_train_users) + 1) / (n_train_users + 1))
    return _list_mean(surprise[lists], lists >= 0)


def intra_list_diversity(lists: Ints, vectors: Floats, present: Bools) -> Values:
    """Mean of 1 - cosine over the pairs of each list (n_users,) (Ziegler et al. 2005).

    Args:
        lists: (n_users, k).
        vectors: (n_items, d), of any length.
        present: (n_items,) items that have a vector; the others are left out. A list with fewer
            than two such items has no pair: NaN.
    """
    counted = (lists >= 0) & present[lists]
    rows, places = np.nonzero(counted)
    items, columns = np.unique(lists[rows, places], return_inverse=True)
    shown = vectors[items].astype(np.float64)
    length = np.linalg.norm(shown, axis=1, keepdims=True)
    unit = np.divide(shown, length, out=np.zeros_like(shown), where=length > 0)
    # The cosines of all pairs add up to the squared length of the sum, less those with themselves.
    members = csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(lists), len(items)))
    sums, themselves = members @ unit, members @ (unit * unit).sum(axis=1)
    n = counted.sum(axis=1)
    pairs = n * (n - 1)
    similarity = np.full(len(lists), np.nan)
    np.divide((sums * sums).sum(axis=1) - themselves, pairs, out=similarity, where=pairs > 0)
    return 1.0 - similarity


def calibration(lists: Ints, histories: Histories, categories: Floats) -> Values:
    """How far a list's categories are from those of the user's past, KL in nats (Steck 2018).

    KL(p || 0.99 q + 0.01 p), p the mean category distribution of the history, q of the list; 0 is
    perfectly calibrated. NaN where history or list has no category.

    Args:
        lists: (n_users, k).
        histories: the same users' past, row by row.
        categories: (n_items, c) rows that sum to 1, or to 0 for an item without a category.
    """
    rows = np.repeat(np.arange(len(histories)), histories.lengths)
    past = _summed(rows, histories.items, len(lists), categories)
    places, columns = np.nonzero(lists >= 0)
    shown = _summed(places, lists[places, columns], len(lists), categories)
    p, q = _normalised(past), _normalised(shown)
    mixed = 0.99 * q + 0.01 * p
    ratio = np.divide(p, mixed, out=np.ones_like(p), where=p > 0)
    divergence = (p * np.log(ratio)).sum(axis=1)
    return np.where((past.sum(axis=1) > 0) & (shown.sum(axis=1) > 0), divergence, np.nan)


def _summed(rows: NDArray[np.integer], items: Ints, n_rows: int, categories: Floats) -> Values:
    """Sum (n_rows, c) of the categories of each row's items."""
    shape = (n_rows, len(categories))
    had = csr_matrix((np.ones(len(rows)), (rows, items)), shape=shape)
    return np.asarray(had @ categories, dtype=np.float64)


def _normalised(counts: Values) -> Values:
    total = counts.sum(axis=1, keepdims=True)
    shares: Values = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    return shares


def _list_mean(values: Values, counted: Bools) -> Values:
    n = counted.sum(axis=1)
    means = np.full(len(values), np.nan)
    np.divide(np.where(counted, values, 0.0).sum(axis=1), n, out=means, where=n > 0)
    return means
