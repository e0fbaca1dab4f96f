"""Nearest items in the shared space: to an item, or to what someone typed, showed or played."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.data import Bools, Floats, Histories
from models.ranking import top_k
from serving.champion import Champion
from serving.shared_space import SharedSpace

_ACROSS = 0.5
"""Weight of words in a search of pictures or sounds, which a fit has brought near to texts: less
than that of words in a search of texts, or of a picture in a search of pictures."""

_WORDS = frozenset({"text", "reviews"})
_RANK_OFFSET = 60
"""Of reciprocal rank fusion, as in its paper."""

_ALIKE = 1e-6
"""Deviation below which cosines differ by rounding alone."""

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Query:
    """One comparison.

    Attributes:
        modality: of the items.
        vector: (384,) unit vector in the shared space.
        weight: compared with the other queries.
        scale: of how near an item is said to be.
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
    over all items, and `fused` combines those of an item. Ranks are not fused, as they hardly
    distinguish the item that was asked for from the next best.

    Args:
        champion: holds the vectors.
        queries: what is compared.
        allowed: (n_items,) what may be found.
        k: most items.
    """
    if not queries:
        return []
    usable = np.array([_usable(champion, query) for query in queries])
    cosines = np.array(
        [champion.vectors[query.modality].cosines(query.vector) for query in queries]
    )
    cosines = np.where(usable, cosines, np.float32(np.nan))
    fusion = fused(
        np.array([_standardised(row, has) for row, has in zip(cosines, usable, strict=True)]),
        usable,
        np.array([query.weight for query in queries]),
        np.array([query.scale for query in queries]),
    )
    scores: Floats = np.where(allowed, fusion, -np.inf).astype(np.float32)
    top = top_k(scores[None], k, champion.ties).items[0]
    nearness = _by_modality(queries, cosines)
    return [
        Match(
            int(item),
            float(scores[item]),
            {
                name: float(values[item])
                for name, values in nearness.items()
                if np.isfinite(values[item])
            },
        )
        for item in top[top >= 0]
    ]


def fused(standardised: Doubles, usable: Bools, weights: Doubles, scales: Doubles) -> Doubles:
    """One score (n_items,) from q comparisons; -inf for an item without a weighted comparison.

    The weighted sum over the comparisons that an item has, divided by the deviation of such a sum
    (Stouffer's method for correlated tests, Strube 1985). A plain sum would put a new item, about
    which nobody has written yet, after others. A mean would put it before them: the mean of few
    scores varies more than that of many.

    Args:
        standardised: (q, n_items) of mean 0 and deviation 1; read where it is usable.
        usable: (q, n_items).
        weights: (q,) from 0; only their proportions count, among those that an item has.
        scales: (q,) what a comparison's scores are worth compared with others' at the same weight,
            also where it is an item's only one.
    """
    known = np.where(usable, standardised, 0)
    shares = weights / max(weights.max(), np.finfo(float).tiny)
    counted = shares[:, None] * usable
    variances = np.einsum("qi,qp,pi->i", counted, _correlations(known, usable), counted)
    total = ((shares * scales)[:, None] * known).sum(axis=0)
    scores: Doubles = np.full(len(total), -np.inf)
    np.divide(total, np.sqrt(variances), out=scores, where=variances > 0)
    return scores


def _correlations(known: Doubles, usable: Bools) -> Doubles:
    """Correlations (q, q) over the items that two comparisons share.

    Estimates from a few items can lie anywhere: one below 0, with which a sum's deviation could
    vanish, counts as 0.
    """
    overlaps = usable.astype(np.float64) @ usable.T
    correlations: Doubles = np.clip(known @ known.T / np.maximum(overlaps, 1), 0, 1)
    np.fill_diagonal(correlations, 1)
    return correlations


def _usable(champion: Champion, query: Query) -> Bools:
    present = champion.vectors[query.modality].present
    return present if query.among is None else present & query.among


def _by_modality(queries: Sequence[Query], cosines: Floats) -> dict[str, Floats]:
    """The largest cosine (n_items,) of each modality; NaN for an item without it."""
    largest: dict[str, Floats] = {}
    for query, row in zip(queries, cosines, strict=True):
        largest[query.modality] = np.fmax(largest.get(query.modality, row), row)
    return largest


def _standardised(cosines: Floats, usable: Bools) -> Doubles:
    """Cosines (n_items,) with mean 0 and deviation 1 over the usable ones; 0 if all are alike."""
    known = cosines[usable].astype(np.float64)
    if not len(known) or known.std() < _ALIKE:
        return np.zeros(len(cosines))
    scores: Doubles = (cosines - known.mean()) / known.std()
    return scores


def queries_like(champion: Champion, item: int) -> dict[str, Query]:
    """The vectors of an item, for each modality that it has."""
    place = np.array([item], dtype=np.int32)
    return {
        name: Query(name, vectors.rows(place)[0])
        for name, vectors in champion.vectors.items()
        if vectors.present[item]
    }


def queries_by(
    champion: Champion,
    space: SharedSpace,
    kind: str,
    vector: Floats,
    weight: float,
    wanted: Collection[str] | None,
) -> list[Query]:
    """The comparisons to make for words, a picture or a sound.

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
    same_kind = [Query(kind, vector, weight)] if kind in names else []
    without = ~champion.vectors[kind].present if same_kind else None
    words = Query("text", vector, weight, _ACROSS, without)
    return [*same_kind, words] if "text" in names else same_kind


def by_taste(champion: Champion, matches: Sequence[Match], history: Histories) -> list[Match]:
    """Matches, best first, in the order of their ranks fused with those of a user's taste.

    Args:
        champion: scores them.
        matches: of a search, best first.
        history: one row.
    """
    items = np.array([match.item for match in matches], dtype=np.int32)
    if not len(items):
        return []
    liked = np.lexsort((champion.ties[items], -champion.model.score(history, items)[0]))
    places = np.empty(len(items))
    places[liked] = 1 + np.arange(len(items))
    rescored = [
        replace(
            match, score=1 / (_RANK_OFFSET + rank) + 1 / (_RANK_OFFSET + float(places[rank - 1]))
        )
        for rank, match in enumerate(matches, start=1)
    ]
    return sorted(rescored, key=lambda match: -match.score)
