"""Lists whose items are good and unlike one another."""

import numpy as np

from models.data import Floats, Ints


def marginal_relevance(
    vectors: Floats, lengths: Floats, relevance: Floats, k: int, diversity: float
) -> Ints:
    """The places (k,) of items of which each is relevant and unlike those chosen before it.

    Maximal marginal relevance (Carbonell and Goldstein 1998): the first is the most relevant one,
    the next the one with the highest (1 - diversity) · relevance - diversity · (its cosine to the
    nearest one chosen, where that is above 0). Of equal ones the first. As pyversity does, which
    takes twice as long, since it copies and scales vectors.

    Args:
        vectors: (n, d) of the items.
        lengths: (n,) of the vectors.
        relevance: (n,) from 0 to 1.
        k: at most n.
        diversity: from 0 to 1.
    """
    wanted = np.asarray((1 - diversity) * relevance, dtype=np.float32)
    scale = (1 / lengths).astype(np.float32)
    closest = np.zeros(len(vectors), dtype=np.float32)
    chosen = np.empty(k, dtype=np.int32)
    chosen[0] = newest = int(np.argmax(relevance))
    for rank in range(1, k):
        cosines = vectors @ vectors[newest]
        cosines *= scale
        cosines *= scale[newest]
        np.maximum(closest, cosines, out=closest)
        # Rounding must not make one of two equal items nearer than the other.
        np.minimum(closest, 1, out=closest)
        wanted[newest] = -np.inf
        chosen[rank] = newest = int(np.argmax(wanted - np.float32(diversity) * closest))
    return chosen
