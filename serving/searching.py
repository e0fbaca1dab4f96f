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

_LEAST = 1e-9


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

    Cosines of different modalities are not on one scale: each becomes (cosine - mean) / deviation
    over all items, and `fused` puts those of an item together. No ranks are fused, which hardly
    tell an item that is what was asked for from the next best.

    Args:
        champion: holds the vectors.
        queries: what is compared.
        allowed: (n_items,) what may be found.
        k: most items.
    """
    if not queries:
        return []
    usable = np.array([_usable(champion, query) for query in queries])
    cosines = np.array([champion.vectors[one.modality].cosines(one.vector) for one in queries])
    cosines = np.where(usable, cosines, np.float32(np.nan))
    scaled = np.array(
        [
            one.scale * _standardised(*row)
            for one, *row in zip(queries, cosines, usable, strict=True)
        ]
    )
    weights = np.array([query.weight for query in queries], dtype=np.float32)
    scores = np.where(allowed, fused(scaled, usable, weights), -np.inf)
    found = top_k(scores[None], k, champion.ties).items[0]
    nearness = _by_modality(queries, cosines)
    return [
        Match(
            int(item),
            float(scores[item]),
            {name: float(own[item]) for name, own in nearness.items() if np.isfinite(own[item])},
        )
        for item in found[found >= 0]
    ]


def fused(scaled: Floats, usable: Bools, weights: Floats) -> Floats:
    """One score (n_items,) of q standardised scores; -inf for an item that has none.

    The weighted sum over what an item has, divided by the deviation that such sums have, which
    comes of the scores' correlations (Stouffer's method for correlated tests, Strube 1985). A bare
    sum would put a new item, about which nobody has written yet, behind others. A mean would put
    it before them: the mean of few scores strays further than that of many.

    Args:
        scaled: (q, n_items); nothing is read where it is not usable.
        usable: (q, n_items).
        weights: (q,) of the queries.
    """
    known = np.where(usable, scaled, 0).astype(np.float64)
    both = np.maximum(usable.astype(np.float64) @ usable.T, 1)
    products = known @ known.T / both
    deviations = np.sqrt(np.maximum(np.diag(products), _LEAST))
    correlations = products / np.outer(deviations, deviations)
    counted = weights[:, None] * usable
    spread = np.einsum("qi,qp,pi->i", counted, correlations, counted)
    total = (weights[:, None] * known).sum(axis=0)
    found = total / np.sqrt(np.maximum(spread, _LEAST))
    return np.where((counted > 0).any(axis=0), found, -np.inf).astype(np.float32)


def _usable(champion: Champion, query: Query) -> Bools:
    present = champion.vectors[query.modality].present
    return present if query.among is None else present & query.among


def _by_modality(queries: Sequence[Query], cosines: Floats) -> dict[str, Floats]:
    """The largest cosine (n_items,) of each modality; NaN for an item without it."""
    found: dict[str, Floats] = {}
    for query, own in zip(queries, cosines, strict=True):
        found[query.modality] = np.fmax(found.get(query.modality, own), own)
    return found


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
