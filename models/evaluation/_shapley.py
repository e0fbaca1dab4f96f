"""A fair share of a model's accuracy for each of its modalities."""

from math import factorial

import numpy as np
from numpy.typing import NDArray

from models.evaluation._masking import SubsetValues

Values = NDArray[np.float64]


def shapley_values(subsets: SubsetValues) -> Values:
    """Exact Shapley values (m, n_users) of the modalities, user by user (Shapley 1953).

    φ_j = Σ_{S ∌ j} |S|! (m - |S| - 1)! / m! · (v(S ∪ j) - v(S)): what modality j adds, averaged
    over all orders in which the modalities could have been given to the model. The φ of a user add
    up to v(all) - v(none). Because they are linear in v, the mean over users is the Shapley value
    of the mean, and `bootstrap_interval` of the transpose gives its interval.
    """
    m = len(subsets.modalities)
    rows = np.arange(2**m)
    sizes = np.array([row.bit_count() for row in range(2**m)])
    chances = np.array([factorial(s) * factorial(m - s - 1) / factorial(m) for s in range(m)])
    shares = np.empty((m, subsets.values.shape[1]))
    for j in range(m):
        without = rows[rows >> j & 1 == 0]
        added = subsets.values[without | 1 << j] - subsets.values[without]
        shares[j] = chances[sizes[without]] @ added
    return shares
