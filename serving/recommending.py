"""The stages of a list: score everything, leave out what may not be shown, diversify, explain."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from pyversity import Strategy, diversify

from models.data import Bools, Floats, Histories, Ints
from models.explaining import Explains, ExplainsScores, reasons
from models.mmnn.explanation import Explanation
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


Explainer = Callable[[Ints], Explanation]
"""Explains items (1, k) to the one for whom they were ranked."""


def scored(champion: Champion, history: Histories) -> tuple[Floats, Explainer | None]:
    """The champion's scores (n_items,) for one row, and what explains them; None if nothing can."""
    model = champion.model
    if isinstance(model, ExplainsScores):
        scores, explain = model.score_to_explain(history)
        return scores[0], explain
    return model.score(history)[0], explainer(champion, history)


def explainer(champion: Champion, history: Histories) -> Explainer | None:
    """What explains items to a history; None where the champion cannot."""
    model = champion.model
    return partial(model.explain, history) if isinstance(model, Explains) else None


def best(
    champion: Champion, scores: Floats, allowed: Bools, k: int, diversity: float = 0.0
) -> tuple[Ints, Floats]:
    """The best items that are allowed and their scores (n,), best first.

    Args:
        champion: says which of equal ones comes first.
        scores: (n_items,) its own.
        allowed: (n_items,) what may be shown.
        k: length of the list that is made of them.
        diversity: with more than 0, more than k are found, for `diverse` to choose from.

    Returns:
        Fewer where fewer items are allowed.
    """
    scores = np.where(allowed, scores, np.float32(-np.inf))
    pool = k if diversity == 0 else max(_LEAST_POOL, _POOL_AN_ITEM * k)
    found = top_k(scores[None], min(pool, len(scores)), champion.ties)
    there = found.items[0] >= 0
    return found.items[0][there], found.scores[0][there]


def best_given(champion: Champion, history: Histories, items: Ints) -> tuple[Ints, Floats]:
    """The given items (n,) and their scores, best first."""
    scores = champion.model.score(history, items)[0]
    order = np.lexsort((champion.ties[items], -scores))
    return items[order], scores[order]


def diverse(
    champion: Champion, items: Ints, scores: Floats, k: int, diversity: float
) -> tuple[Ints, Floats]:
    """At most k of the items (n,), with their scores, each unlike those before it.

    Maximal marginal relevance (Carbonell and Goldstein 1998) by scaled score and closeness in the
    shared space. Towards a diversity of 1 each item has to differ more.
    """
    if len(items) < 2 or not champion.vectors:
        return items, scores
    spread = scores.max() - scores.min()
    relevance = (scores - scores.min()) / spread if spread > 0 else np.ones_like(scores)
    found = diversify(
        _beside_one_another(champion, items),
        relevance,
        min(k, len(items)),
        strategy=Strategy.MMR,
        diversity=diversity,
        normalize=False,
    )
    return items[found.indices], scores[found.indices]


def _beside_one_another(champion: Champion, items: Ints) -> Floats:
    """Unit vectors (n, 384 × modalities) of items: the modalities' own, side by side."""
    vectors = np.hstack([one.rows(items) for one in champion.vectors.values()])
    # Each part is a unit vector or zero, so that the length is known without looking at it.
    parts = sum(one.present[items].astype(np.float32) for one in champion.vectors.values())
    vectors /= np.sqrt(np.maximum(parts, 1))[:, None]
    return vectors


def plain(n: int) -> list[Reason]:
    """Reasons of n items of which nobody can say more."""
    return [Reason(_NO_REASON, {}, ())] * n


def reasons_of(champion: Champion, explain: Explainer | None, items: Ints) -> Sequence[Reason]:
    """Why each of the items (n,) is in the list."""
    if explain is None or not len(items):
        return [_plain_reason(champion, int(item)) for item in items]
    told = explain(items[None])
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
