"""The stages of a list: score everything, leave out what may not be shown, diversify, explain."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from models.data import Bools, Floats, Histories, Ints
from models.diversity import marginal_relevance
from models.explaining import explain, scored
from models.explanation import Explanation
from models.exploration import upper_bounds
from models.protocol import score_given
from models.ranking import top_k
from models.reasons import PLAIN, UNCHOSEN, reasons
from serving.champion import Champion

_POOL_AN_ITEM = 5
_LEAST_POOL = 100
_MOST_POPULAR = 500

UNEXPLAINED = "ranked for you; the reasons were not ready in time"
"""What is said of a list whose reasons failed or were late."""


@dataclass(frozen=True)
class Reason:
    """Why one item is in a list.

    Attributes:
        sentence: in words.
        shares: of each part of the score, the modalities and behaviour among them, in what raised
            it; they sum to 1, or are all 0 where nothing did. Empty where nobody was asked.
        past_items: ids of the past items that count most, the strongest first.
    """

    sentence: str
    shares: dict[str, float]
    past_items: tuple[str, ...]


@dataclass(frozen=True)
class Ranked:
    """One item of an answer, by its dense index.

    Attributes:
        item: its dense index.
        score: the champion's; None for an item that it cannot score.
        reason: why it is there.
    """

    item: int
    score: float | None
    reason: Reason


Explainer = Callable[[Ints], Explanation]
"""Explains items (1, k) to the one for whom they were ranked."""


def scored_by(champion: Champion, history: Histories, allowed: Bools) -> tuple[Floats, Explainer]:
    """The champion's scores (n_items,) for one row, and what explains them.

    Where `allowed` (n_items,) says that what was had may be shown again, a champion that never
    ranks that by itself is asked for it.
    """
    scores, explained = scored(champion.model, history, champion.masks)
    had = np.unique(history.items)
    again = had[allowed[had] & np.isneginf(scores[0, had])]
    if not len(again):
        return scores[0], explained
    scores[0, again] = score_given(champion.model, history, again)[0]
    return scores[0], explainer(champion, history)


def explainer(champion: Champion, history: Histories) -> Explainer:
    """What explains items to a history."""
    return partial(explain, champion.model, history, masks=champion.masks)


def best(
    champion: Champion,
    scores: Floats,
    allowed: Bools,
    k: int,
    diversity: float = 0.0,
    n_shown: int = 0,
) -> tuple[Ints, Floats]:
    """The best items that are allowed and their scores (n,), best first.

    Args:
        champion: says which of several items with equal scores comes first.
        scores: (n_items,) its scores.
        allowed: (n_items,) what may be shown.
        k: length of the list that is made of them.
        diversity: above 0, more than k are returned, for `diverse` to choose from.
        n_shown: how many items earlier pages have shown; as many more are returned.

    Returns:
        Fewer where fewer items are allowed.
    """
    scores = np.where(allowed, scores, np.float32(-np.inf))
    pool = n_to_rank(k, diversity, n_shown)
    top = top_k(scores[None], min(pool, len(scores)), champion.ties)
    there = top.items[0] >= 0
    return top.items[0][there], top.scores[0][there]


def n_to_rank(k: int, diversity: float, n_shown: int) -> int:
    """How many items are ranked for a page of k after `n_shown` others.

    k = 20 after 90 shown: plain 110; diverse 200, since pools of 100 are re-ordered whole and every
    page must see the same pools.
    """
    reach, size = k + n_shown, _pool(k)
    return reach if diversity == 0 else -(-reach // size) * size


def with_popular(
    champion: Champion, history: Histories, ranked: tuple[Ints, Floats], allowed: Bools
) -> tuple[Ints, Floats]:
    """The ranked items, followed by the 500 most chosen of the other allowed ones.

    For a champion that scores only its own candidates, of which too few are allowed, or cannot
    score every item. The popular ones come in the order of their own scores, which are moved below
    those of the ranked ones, so that a longer list begins as the shorter one does. Those without a
    score (-inf) come last.

    Args:
        champion: scores any item on request.
        history: one row.
        ranked: items (n,) and their scores, best first.
        allowed: (n_items,) what may be shown.
    """
    most = champion.most_popular
    others = np.setdiff1d(most[allowed[most]][:_MOST_POPULAR], ranked[0])
    if not len(others):
        return ranked
    items, scores = best_given(champion, history, others)
    if len(ranked[1]):
        scores = scores + min(np.float32(0), ranked[1][-1] - scores[0])
    return np.concatenate([ranked[0], items]), np.concatenate([ranked[1], scores])


def best_new(
    champion: Champion,
    scores: Floats,
    allowed: Bools,
    impressions_of: Callable[[Sequence[str]], Mapping[str, int]],
) -> tuple[Ints, Floats]:
    """The 100 best allowed items without an event and their scores, in the order to show them.

    Those that were shown often and chosen by nobody come after the others (`upper_bounds`).
    """
    items, new_scores = best(champion, scores, allowed & (champion.popularity == 0), _LEAST_POOL)
    ids = [champion.log.item_ids.ids[item] for item in items]
    shown = impressions_of(ids) if ids else {}
    impressions = np.array([shown.get(name, 0) for name in ids], dtype=np.int64)
    order = np.argsort(-upper_bounds(new_scores, impressions), kind="stable")
    return items[order], new_scores[order]


def best_given(champion: Champion, history: Histories, items: Ints) -> tuple[Ints, Floats]:
    """The given items (n,) and their scores, best first; those without one (-inf) come last."""
    scores = score_given(champion.model, history, items)[0]
    order = np.lexsort((champion.ties[items], -scores))
    return items[order], scores[order]


def diverse_pages(
    champion: Champion, items: Ints, scores: Floats, k: int, diversity: float, n_shown: int = 0
) -> tuple[Ints, Floats]:
    """`diverse` up to and including a page of k items after `n_shown` items of earlier pages.

    Each choice depends on those before it, so the order of a pool is the same however far it is
    followed, and each page ends where the next one begins. After a pool come the next best items.
    """
    size, reach = _pool(k), k + n_shown
    pools = [
        diverse(champion, items[at : at + size], scores[at : at + size], reach - at, diversity)
        for at in range(0, min(reach, len(items)), size)
    ]
    if not pools:
        return items, scores
    return np.concatenate([page for page, _ in pools]), np.concatenate([page for _, page in pools])


def diverse(
    champion: Champion, items: Ints, scores: Floats, k: int, diversity: float
) -> tuple[Ints, Floats]:
    """At most k of the items (n,), with their scores, each unlike those before it.

    Maximal marginal relevance (Carbonell and Goldstein 1998) by scaled score and closeness in the
    shared space. Towards a diversity of 1 each item has to differ more. Items without a score
    (-inf), which are on no scale with the others, stay behind them as they are.
    """
    n_scored = int(np.isfinite(scores).sum())
    if n_scored < 2 or not champion.vectors:
        return items, scores
    best_first = _unlike(champion, items[:n_scored], scores[:n_scored], k, diversity)
    places = np.concatenate([best_first, np.arange(n_scored, len(items))])[:k]
    return items[places], scores[places]


def _unlike(champion: Champion, items: Ints, scores: Floats, k: int, diversity: float) -> Ints:
    """The places (at most k,) of `diverse` among items (n,) that have a score."""
    spread = scores.max() - scores.min()
    relevance = (scores - scores.min()) / spread if spread > 0 else np.ones_like(scores)
    # The modalities' own vectors, side by side: each is a unit vector or zero.
    vectors = np.concatenate(
        [modality.rows(items) for modality in champion.vectors.values()], axis=1
    )
    parts = np.sum([modality.present[items] for modality in champion.vectors.values()], axis=0)
    return marginal_relevance(
        vectors, np.sqrt(np.maximum(parts, 1)), relevance, min(k, len(items)), diversity
    )


def _pool(k: int) -> int:
    """How many items a diverse list of k is chosen from."""
    return max(_LEAST_POOL, _POOL_AN_ITEM * k)


def unexplained(n: int) -> list[Reason]:
    """Reasons of n items that were ranked, and of which nobody could say in time why."""
    return [Reason(UNEXPLAINED, {}, ())] * n


def by_popularity(champion: Champion, items: Ints) -> list[Reason]:
    """Reasons of items (n,) that stand where they do for how often they are chosen."""
    counts = champion.popularity[items].tolist()
    return [Reason(PLAIN if count else UNCHOSEN, {}, ()) for count in counts]


def reasons_of(champion: Champion, explainer: Explainer, items: Ints) -> Sequence[Reason]:
    """Why each of the items (n,) is in the list."""
    explanation = explainer(items[None])
    # Deleted items are named to nobody, even where they still count.
    shown = np.where(champion.listed[explanation.past_items], explanation.past_items, -1)
    explanation = replace(explanation, past_items=shown.astype(np.int32))
    sentences = reasons(explanation, champion.titles, champion.popularity[items] == 0)
    ids = champion.log.item_ids.ids
    return [
        Reason(
            sentence,
            dict(zip(explanation.parts, shares.tolist(), strict=True)),
            tuple(ids[item] for item in past.tolist() if item >= 0),
        )
        for sentence, shares, past in zip(
            sentences, explanation.shares[0], explanation.past_items[0], strict=True
        )
    ]
