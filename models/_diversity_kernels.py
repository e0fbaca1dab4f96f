"""The most relevant items that are unlike one another, compiled."""

import numpy as np

from models.compiling import compiled, compiled_in_any_order
from models.data import Bools, Floats, Ints


@compiled
def choose(vectors: Floats, scale: Floats, relevance: Floats, diversity: float, out: Ints) -> None:
    """Fills `out` (k,) with the places of `models.diversity.marginal_relevance`.

    Args:
        vectors: (n, d) of the items.
        scale: (n,) 1 over their lengths.
        relevance: (n,) from 0 to 1.
        diversity: from 0 to 1.
        out: (k,), k at most n.
    """
    closest = np.zeros(len(vectors), dtype=np.float32)
    left = np.ones(len(vectors), dtype=np.bool_)
    newest = int(np.argmax(relevance))
    for rank in range(len(out)):
        if rank:
            newest = _next(vectors, scale, relevance, diversity, newest, closest, left)
        out[rank], left[newest] = newest, False


@compiled
def _next(
    vectors: Floats,
    scale: Floats,
    relevance: Floats,
    diversity: float,
    newest: int,
    closest: Floats,
    left: Bools,
) -> int:
    """The best item that is left, once each knows how near it is to the newest of the list."""
    best, most = -1, np.float32(-np.inf)
    # Subtracted before it is rounded: next to 1 relevance still decides between equals.
    weight, rest = np.float32(diversity), np.float32(1.0 - diversity)
    for item in range(len(vectors)):
        if left[item]:
            cosine = _product(vectors, item, newest) * scale[item] * scale[newest]
            # Rounding must not make one of two equal items nearer than the other.
            closest[item] = max(closest[item], min(cosine, np.float32(1)))
            value = rest * relevance[item] - weight * closest[item]
            if best < 0 or value > most:
                best, most = item, value
    return best


@compiled_in_any_order
def _product(vectors: Floats, first: int, second: int) -> np.float32:
    total = np.float32(0)
    for column in range(vectors.shape[1]):
        total += vectors[first, column] * vectors[second, column]
    return total
