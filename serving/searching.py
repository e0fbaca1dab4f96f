"""Nearest items in the shared space: to an item, or to what someone typed, showed or played."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.data import Bools, Floats, Histories
from models.ranking import top_k
from serving.champion import Champion
from serving.shared_space import SharedSpace

_ACROSS = 0.5
"""Weight of what words are compared with only through a fit, beside that of other words; and what
words count for a picture or sound beside another one."""

_WORDS = frozenset({"text", "reviews"})
_RANK_OFFSET = 60
"""Of reciprocal rank fusion, as in its paper."""


@dataclass(frozen=True)
class Query:
    """One comparison.

    Attributes:
        modality: of the items.
        vector: (384,) unit vector in the shared space.
        weight: beside the other queries.
        scale: of how near an item is told to be.
        among: (n_items,) which items it is about; all that have the modality by default.
    """

    modality: str
    vector: Floats
    weight: float = 1.0
    scale: float = 1.0
    among: Bools | None = None


@dataclass(frozen=True)
class Match:
    """One item found.

    Attributes:
        item: its dense index.
        score: of what was fused; only its order means something.
        cosines: of each modality by which the item was found.
    """

    item: int
    score: float
    cosines: Mapping[str, float]


def nearest(champion: Champion, queries: Sequence[Query], allowed: Bools, k: int) -> list[Match]:
    """The k items nearest to some queries.

    Cosines of different modalities are not on one scale: an item's score is the weighted mean of
    (cosine - mean) / deviation, those of all items, over the queries that it can be compared with
    (Montague and Aslam 2001). A mean, since a sum would put a new item, about which nobody has
    written yet, behind others; and no ranks, which hardly tell an item that is what was asked for
    from the next best.

    Args:
        champion: holds the vectors.
        queries: what is compared.
        allowed: (n_items,) what may be found.
        k: most items.
    """
    total, weights = (np.zeros(len(allowed), dtype=np.float32) for _ in range(2))
    cosines: dict[str, Floats] = {}
    for query in queries:
        vectors = champion.vectors[query.modality]
        usable = vectors.present if query.among is None else vectors.present & query.among
        found = np.where(usable, vectors.cosines(query.vector), np.float32(np.nan))
        total += np.where(usable, query.weight * query.scale * _standardised(found, usable), 0)
        weights += query.weight * usable
        before = cosines.get(query.modality, found)
        cosines[query.modality] = np.fmax(before, found)
    compared = allowed & (weights > 0)
    fused = np.divide(total, weights, out=np.full_like(total, -np.inf), where=compared)
    found = top_k(fused[None], k, champion.ties).items[0]
    return [
        Match(
            int(item),
            float(fused[item]),
            {name: float(own[item]) for name, own in cosines.items() if np.isfinite(own[item])},
        )
        for item in found[found >= 0]
    ]


def _standardised(cosines: Floats, usable: Bools) -> Floats:
    """Cosines (n_items,) with mean 0 and deviation 1 over the usable ones."""
    known = cosines[usable]
    if not len(known):
        return cosines
    spread = known.std()
    found: Floats = (cosines - known.mean()) / (spread if spread > 0 else np.float32(1))
    return found


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
    if wanted is not None or kind == "text":
        shares = {
            name: 1.0 if name == kind or name in _WORDS else _ACROSS
            for name in names
            if wanted is None or name in wanted
        }
        whole = sum(shares.values())
        return [Query(name, vector, weight * share / whole) for name, share in shares.items()]
    own = [Query(kind, vector, weight)] if kind in names else []
    without = ~champion.vectors[kind].present if own else None
    words = Query("text", vector, weight, _ACROSS, without)
    return [*own, words] if "text" in names else own


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
