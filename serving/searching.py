"""Nearest items in the shared space: to an item, or to what someone typed, showed or played."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.data import Bools, Floats, Histories
from models.ranking import top_k
from serving.champion import Champion
from serving.shared_space import SharedSpace

_RANK_OFFSET = 60
"""Of reciprocal rank fusion, as in its paper."""

_POOL = 100
"""Items of each comparison at least, so that a longer list begins as a shorter one does."""

_ACROSS = 0.5
"""Weight of words for a picture or sound: they say less of it than another one does."""


@dataclass(frozen=True)
class Query:
    """One comparison.

    Attributes:
        modality: of the items.
        vector: (384,) unit vector in the shared space.
        weight: of the ranks that it gives.
        among: (n_items,) which items it is about; all that have the modality by default.
    """

    modality: str
    vector: Floats
    weight: float = 1.0
    among: Bools | None = None


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


def nearest(champion: Champion, queries: Sequence[Query], allowed: Bools, k: int) -> list[Match]:
    """The k items nearest to some queries, fused by their ranks.

    An item's score is Σ w / (60 + its rank) over the queries in which it is among the nearest
    (reciprocal rank fusion, Cormack, Clarke and Büttcher 2009): cosines of different modalities are
    not on one scale.

    Args:
        champion: holds the vectors.
        queries: what is compared.
        allowed: (n_items,) what may be found.
        k: most items.
    """
    fused = np.zeros(len(allowed), dtype=np.float32)
    cosines: dict[str, Floats] = {}
    for query in queries:
        vectors = champion.vectors[query.modality]
        usable = allowed & vectors.present
        scores = vectors.cosines(query.vector)
        scores[~(usable if query.among is None else usable & query.among)] = -np.inf
        best = top_k(scores[None], min(max(_POOL, k), len(scores)), champion.ties).items[0]
        best = best[best >= 0]
        places = 1 + np.arange(len(best), dtype=np.float32)
        fused[best] += np.float32(query.weight) / (_RANK_OFFSET + places)
        before = cosines.get(query.modality)
        cosines[query.modality] = scores if before is None else np.maximum(before, scores)
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


def queries_like(champion: Champion, item: int) -> dict[str, Query]:
    """The vectors of an item, for each modality that it has."""
    place = np.array([item], dtype=np.int32)
    return {
        name: Query(name, own.rows(place)[0])
        for name, own in champion.vectors.items()
        if own.present[item]
    }


def queries_by(
    champion: Champion,
    space: SharedSpace,
    kind: str,
    vector: Floats,
    weight: float,
    wanted: Collection[str] | None,
) -> list[Query]:
    """What words, a picture or a sound are compared with.

    By default words are compared with everything; a picture or sound with those of the items, and
    with the words of items that have none.

    Args:
        champion: holds the vectors.
        space: says what can be compared.
        kind: text, image or audio.
        vector: (384,) of it.
        weight: of all its comparisons together.
        wanted: modalities of the items to compare with.
    """
    names = [name for name in champion.vectors if space.comparable(kind, name)]
    if wanted is None and kind != "text":
        own = [Query(kind, vector, weight)] if kind in names else []
        if "text" not in names:
            return own
        without = ~champion.vectors[kind].present if own else None
        return [*own, Query("text", vector, _ACROSS * weight, without)]
    names = [name for name in names if wanted is None or name in wanted]
    return [Query(name, vector, weight / len(names)) for name in names]


def by_taste(champion: Champion, matches: Sequence[Match], history: Histories) -> list[Match]:
    """Matches, best first, in the order of their ranks fused with those of a user's taste.

    Args:
        champion: scores them.
        matches: of a search, best first.
        history: one row.
    """
    items = np.array([one.item for one in matches], dtype=np.int32)
    if not len(items):
        return []
    liked = np.lexsort((champion.ties[items], -champion.model.score(history, items)[0]))
    places = np.empty(len(items))
    places[liked] = 1 + np.arange(len(items))
    found = [
        replace(one, score=1 / (_RANK_OFFSET + rank) + 1 / (_RANK_OFFSET + float(places[rank - 1])))
        for rank, one in enumerate(matches, start=1)
    ]
    return sorted(found, key=lambda one: -one.score)
