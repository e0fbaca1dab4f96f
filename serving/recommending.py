"""How an answer is made: score everything, leave out what may not be shown, diversify, explain."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from pyversity import Strategy, diversify

from models.data import Bools, Floats, Histories, Ints
from models.explaining import Explains, reasons
from models.ranking import top_k
from serving.champion import Champion

_POOL_AN_ITEM = 5
_LEAST_POOL = 100
_NO_REASON = "what most people chose"


@dataclass(frozen=True)
class Reason:
    """Why one item is in a list.

    Attributes:
        sentence: in words.
        shares: of each modality in what the item's score loses when one is hidden; sums to 1, or
            empty where the model cannot say.
        past_items: ids of the past items that count most, the strongest first.
    """

    sentence: str
    shares: dict[str, float]
    past_items: tuple[str, ...]


@dataclass(frozen=True)
class Ranked:
    """One item of an answer, by its dense index."""

    item: int
    score: float
    reason: Reason


def recommend(
    champion: Champion,
    history: Histories,
    allowed: Bools,
    k: int,
    diversity: float = 0.0,
) -> list[Ranked]:
    """The k best items that are allowed, best first.

    Args:
        champion: scores and explains.
        history: one row.
        allowed: (n_items,) what may be shown.
        k: list length; a list is shorter where fewer items are allowed.
        diversity: 0 keeps the order of the scores; towards 1 each item has to differ more from
            those before it (maximal marginal relevance, Carbonell and Goldstein 1998), judged by
            the shared space.
    """
    scores = np.where(allowed, champion.model.score(history)[0], np.float32(-np.inf))
    pool = k if diversity == 0 else max(_LEAST_POOL, _POOL_AN_ITEM * k)
    best = top_k(scores[None], min(pool, len(scores)), champion.ties)
    items = best.items[0][best.items[0] >= 0]
    if diversity > 0 and len(items) > 1:
        items = items[_diverse(champion, items, scores[items], min(k, len(items)), diversity)]
    return _ranked(champion, history, items[:k], scores)


def rank_given(champion: Champion, history: Histories, items: Ints) -> list[Ranked]:
    """The given items (n,) by the champion's score, best first."""
    scores = np.full(len(champion.listed), -np.inf, dtype=np.float32)
    scores[items] = champion.model.score(history, items)[0]
    order = np.lexsort((champion.ties[items], -scores[items]))
    return _ranked(champion, history, items[order], scores)


def _ranked(champion: Champion, history: Histories, items: Ints, scores: Floats) -> list[Ranked]:
    """Items (n,) in their order, with their scores (n_items,) and reasons."""
    found = _reasons(champion, history, items)
    return [
        Ranked(int(item), float(scores[item]), reason)
        for item, reason in zip(items, found, strict=True)
    ]


def _diverse(
    champion: Champion, items: Ints, scores: Floats, k: int, diversity: float
) -> np.ndarray:
    """Places (k,) among the items, by scaled score and closeness in the shared space."""
    spread = scores.max() - scores.min()
    relevance = (scores - scores.min()) / spread if spread > 0 else np.ones_like(scores)
    vectors = np.hstack([one.rows(items) for one in champion.vectors.values()])
    found = diversify(vectors, relevance, k, strategy=Strategy.MMR, diversity=diversity)
    return np.asarray(found.indices)


def _reasons(champion: Champion, history: Histories, items: Ints) -> Sequence[Reason]:
    model = champion.model
    if not isinstance(model, Explains) or not len(items):
        return [_plain_reason(champion, int(item)) for item in items]
    told = model.explain(history, items[None])
    # What was deleted is named to nobody, also where it still counts.
    shown = np.where(champion.listed[told.past_items], told.past_items, -1)
    told = replace(told, past_items=shown.astype(np.int32))
    sentences = reasons(told, champion.titles)
    ids = champion.log.item_ids.ids
    return [
        Reason(
            sentence,
            dict(zip(told.modalities, shares.tolist(), strict=True)),
            tuple(ids[item] for item in past if item >= 0),
        )
        for sentence, shares, past in zip(
            sentences, told.shares[0], told.past_items[0], strict=True
        )
    ]


def _plain_reason(champion: Champion, item: int) -> Reason:
    """Where the model says nothing: whether it knows the item, or only one that is near."""
    nearest = champion.stand_ins.get(item)
    if nearest is None or not champion.listed[nearest]:
        return Reason(_NO_REASON, {}, ())
    title = champion.titles[nearest]
    return Reason(f"new, and judged by what is near to it, such as “{title}”", {}, ())
