"""Lists whose items are good and unlike one another."""

import numpy as np

from models._diversity_kernels import choose
from models.data import Floats, Ints


def marginal_relevance(
    vectors: Floats, lengths: Floats, relevance: Floats, k: int, diversity: float
) -> Ints:
    """The places (k,) of items that are each relevant and unlike those chosen before.

    Maximal marginal relevance (Carbonell and Goldstein 1998): the first is the most relevant one,
    each next one has the highest (1 - diversity) · relevance - diversity · (its cosine to the
    nearest chosen item, where above 0). Among equals, the first wins. The result is pyversity's,
    which takes three times as long, as it copies and scales vectors.

    Args:
        vectors: (n, d) of the items.
        lengths: (n,) of the vectors.
        relevance: (n,) from 0 to 1.
        k: at most n.
        diversity: from 0 to 1.
    """
    places = np.empty(k, dtype=np.int32)
    scale = (1 / lengths).astype(np.float32)
    choose(
        np.require(vectors, np.float32, ["C", "W"]),
        scale,
        np.require(relevance, np.float32, ["C", "W"]),
        float(diversity),
        places,
    )
    return places
