"""How well a mapped vector finds the text of its own item."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.data import Floats

_BLOCK = 1024


def ranks(queries: Floats, anchors: Floats) -> NDArray[np.int64]:
    """Rank (n,) of each item's own text among all n texts, 0 for the best, by cosine.

    Equal scores count half of those they tie with, so that constant vectors rank by chance.
    """
    return np.concatenate([*_rank_blocks(queries, anchors), np.zeros(0, dtype=np.int64)])


def recall_at(own_ranks: NDArray[np.int64], k: int) -> float:
    """Share of the items whose own text is among the k best."""
    return float((own_ranks < k).mean()) if len(own_ranks) else 0.0


def _rank_blocks(queries: Floats, anchors: Floats) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        scores = block @ anchors.T
        rows = np.arange(len(block))
        own = scores[rows, start + rows][:, None]
        above = (scores > own).sum(axis=1)
        ties = (scores == own).sum(axis=1) - 1
        yield (above + ties // 2).astype(np.int64)
