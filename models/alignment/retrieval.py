"""How well a mapped vector finds the text of its own item."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.data import Floats

_BLOCK = 1024


@dataclass(frozen=True)
class Placements:
    """Where each item's own text stands among all n texts.

    Attributes:
        above: (n,) texts that score higher.
        ties: (n,) other texts that score the same.
    """

    above: NDArray[np.int64]
    ties: NDArray[np.int64]

    def recall_at(self, k: int) -> float:
        """Share of the items whose own text is among the k best.

        Ties count as if they were broken at random, so that constant vectors score chance.
        """
        return float(np.clip((k - self.above) / (self.ties + 1), 0.0, 1.0).mean())

    def gains(self) -> NDArray[np.float64]:
        """NDCG of each item, whose own text alone is relevant: smoother than recall at any k."""
        return np.asarray(1.0 / np.log2(2.0 + self.above + self.ties / 2), dtype=np.float64)


def placements(queries: Floats, anchors: Floats) -> Placements:
    """Placements, by cosine, of n own texts: queries and anchors are unit rows (n, dim)."""
    blocks = list(_blocks(queries, anchors))
    return Placements(
        np.concatenate([above for above, _ in blocks]), np.concatenate([ties for _, ties in blocks])
    )


def _blocks(
    queries: Floats, anchors: Floats
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    for start in range(0, len(queries), _BLOCK):
        block = queries[start : start + _BLOCK]
        scores = block @ anchors.T
        rows = np.arange(len(block))
        matching = scores[rows, start + rows][:, None]
        yield (scores > matching).sum(axis=1), (scores == matching).sum(axis=1) - 1
