"""Nearest items in the shared space: to an item, or to what someone typed."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Floats
from models.ranking import top_k
from serving.champion import Champion

_RANK_OFFSET = 60
"""Of reciprocal rank fusion, as in its paper."""


@dataclass(frozen=True)
class Match:
    """One item found.

    Attributes:
        item: its dense index.
        score: of the fused ranks; only their order means something.
        cosines: of each modality by which the item was found.
    """

    item: int
    score: float
    cosines: Mapping[str, float]


def nearest(
    champion: Champion, queries: Mapping[str, Floats], allowed: Bools, k: int
) -> list[Match]:
    """The k items nearest to a query vector in each modality, fused by their ranks.

    An item's score is Σ 1 / (60 + its rank in the modality) over the modalities in which it is
    among the nearest (reciprocal rank fusion, Cormack, Clarke and Büttcher 2009): cosines of
    different modalities are not on one scale.

    Args:
        champion: holds the vectors.
        queries: a unit vector (384,) for each modality that is compared.
        allowed: (n_items,) what may be found.
        k: most items.
    """
    fused = np.zeros(len(allowed), dtype=np.float32)
    cosines: dict[str, Floats] = {}
    for modality, query in queries.items():
        vectors = champion.vectors[modality]
        scores = vectors.unit @ query
        scores[~(allowed & vectors.present)] = -np.inf
        best = top_k(scores[None], k, champion.ties).items[0]
        best = best[best >= 0]
        fused[best] += 1 / (_RANK_OFFSET + 1 + np.arange(len(best), dtype=np.float32))
        cosines[modality] = scores
    fused[fused == 0] = -np.inf
    found = top_k(fused[None], k, champion.ties).items[0]
    return [
        Match(
            int(item),
            float(fused[item]),
            {name: float(own[item]) for name, own in cosines.items() if np.isfinite(own[item])},
        )
        for item in found[found >= 0]
    ]


def queries_like(champion: Champion, item: int) -> dict[str, Floats]:
    """The vectors of an item, for each modality that it has."""
    return {name: own.unit[item] for name, own in champion.vectors.items() if own.present[item]}
