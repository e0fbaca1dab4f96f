"""Models of one table compared with others, on the same users."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.evaluation._bootstrap import paired_differences, paired_ratios
from models.evaluation._holm import holm

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """One model compared with another one, with 95 % intervals over users.

    Attributes:
        difference: mean of the one less mean of the other, from `ci_low` to `ci_high`.
        p: two-sided, of the paired bootstrap, that there is no difference.
        p_holm: p corrected for all comparisons of the table (Holm 1979).
        ratio: mean of the one over mean of the other, from `ratio_low` to `ratio_high`; NaN where
            the other found nothing.
        n_users: users that both were asked about.
    """

    difference: float
    ci_low: float
    ci_high: float
    p: float
    p_holm: float
    ratio: float
    ratio_low: float
    ratio_high: float
    n_users: int


def compared(
    values: Values,
    other: Values,
    samples: int,
    seed: int,
    counts: Values | None = None,
    tables: Sequence[int] | None = None,
) -> list[Comparison]:
    """Each column of `values` (n_users, m) compared with that of `other`.

    Users are drawn once for all columns, so that many tables at once take hardly longer than one.

    Args:
        values: a figure per user and model.
        other: figures of the same users.
        samples: resamples of the users.
        seed: draws them.
        counts: (n_users,) how many figures each user's figure sums up; 1 by default.
        tables: (m,) the table of each column, all of one by default: p values are corrected for
            the comparisons of their own table.
    """
    differences = paired_differences(values, other, samples, seed, counts)
    ratios = paired_ratios(values, other, samples, seed)
    p = np.array([difference.p for difference in differences])
    table_of = np.zeros(len(p), dtype=np.int64) if tables is None else np.asarray(tables)
    adjusted = np.empty(len(p))
    for table in np.unique(table_of):
        adjusted[table_of == table] = holm(p[table_of == table])
    return [
        Comparison(
            difference.mean,
            difference.low,
            difference.high,
            difference.p,
            p_holm,
            ratio.ratio,
            ratio.low,
            ratio.high,
            difference.n_users,
        )
        for difference, p_holm, ratio in zip(differences, adjusted.tolist(), ratios, strict=True)
    ]
