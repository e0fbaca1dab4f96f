"""One list while it is made: what a stage has found stays when a later one fails."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from models.data import Bools, Floats, Histories, Ints
from models.exploration import with_places
from serving.champion import Champion
from serving.cursors import Cursor
from serving.recommending import (
    Explainer,
    Ranked,
    Reason,
    best,
    best_given,
    best_new,
    by_popularity,
    diverse_pages,
    explainer,
    n_to_rank,
    reasons_of,
    scored_by,
    unexplained,
    with_popular,
)
from serving.stages import Step


@dataclass(frozen=True)
class NewPlaces:
    """Places of a list that are kept for items without an event.

    Attributes:
        places: how many at least.
        impressions_of: how often items were shown.
    """

    places: int
    impressions_of: Callable[[Sequence[str]], Mapping[str, int]]


_Scored = tuple[Ints, Floats]
"""Items (n,) and their scores (n,), best first."""


@dataclass(frozen=True)
class _Ranking:
    """What the ranking found.

    Attributes:
        items: what the list is made of.
        explainer: explains any of them.
        new_items: items without an event, where places are kept for such.
    """

    items: _Scored
    explainer: Explainer
    new_items: _Scored | None = None


class ListInMaking:
    """The list of one request.

    Its steps compute without changing anything; the result of one is kept before the next begins,
    so that a late step never changes an answer that is being written.

    They rank the list from its first item on, including earlier pages: what was shown is left out
    last (`_without_shown`), so that diversity sees the same order on every page. Both the reasons
    and the answer take their items from `_page`: the two must agree item by item.

    Args:
        champion: ranks and explains.
        allowed: (n_items,) what may be shown before anything is known of the user.
        k: most items.
        diversity: see `recommending.diverse`.
        candidates: (n,) the app's own, all of which are answered; None for the catalogue.
        new: places that are kept for items without an event; None for no such places.
        shown: what earlier pages of the list have shown, which this one does not.

    Attributes:
        history: one row: what the list is made for.
    """

    def __init__(
        self,
        champion: Champion,
        allowed: Bools,
        k: int,
        diversity: float = 0.0,
        candidates: Ints | None = None,
        new: NewPlaces | None = None,
        shown: Cursor | None = None,
    ) -> None:
        self._champion, self._allowed = champion, allowed
        self._k, self._diversity = k, diversity
        self._candidates, self._new_places = candidates, new
        self._shown = shown or Cursor.begin()
        # Fewer than k on the last page: all pages of a list together have so many at most.
        self._page_length = k if shown is None else shown.room(k)
        # The stages find k items more than were shown, so that k are left without those.
        self._n_shown = len(self._shown.marks)
        self.history = Histories.empty()
        # What the steps have found so far.
        self._ranked: _Scored | None = None
        self._ranked_new: _Scored | None = None
        self._explainer: Explainer | None = None
        self._reasons: Sequence[Reason] | None = None

    def know(self, history: Histories, *left_out: Ints) -> None:
        """Takes what the user did, and the dense indexes of items that are not to be shown."""
        allowed = self._allowed.copy()
        for items in left_out:
            allowed[items] = False
        self.history, self._allowed = history, allowed

    def steps(self) -> list[Step]:
        """Ranking, diversity where it is asked for, and reasons."""
        steps = [Step("ranking", self._rank, self._keep_ranking, needed=True)]
        if self._diversity > 0:
            steps.append(Step("diversity", self._diversify, self._keep_reranked))
        return [*steps, Step("reasons", self._explain, self._keep_reasons)]

    @property
    def ranked(self) -> bool:
        """Whether the champion has ranked the items."""
        return self._ranked is not None

    def take(self, items: Ints) -> None:
        """Makes the list of items (n,) that were found elsewhere, best first."""
        usable = items[items >= 0]
        usable = usable[self._allowed[usable]]
        if len(usable):
            self._ranked = usable, np.arange(len(usable), 0, -1, dtype=np.float32)

    def answer(self) -> list[Ranked]:
        """The list as far as it has come; without a ranking, the popular items."""
        items, scores = self._page() if self._ranked else self._popular_page()
        reasons = self._reasons or self._plain_reasons(items)
        return [
            Ranked(item, score if np.isfinite(score) else None, reason)
            for item, score, reason in zip(items.tolist(), scores.tolist(), reasons, strict=True)
        ]

    def _rank(self) -> _Ranking:
        champion, history, allowed = self._champion, self.history, self._allowed
        if self._candidates is not None:
            ranked = best_given(champion, history, self._candidates)
            return _Ranking(ranked, explainer(champion, history))
        scores, explain = scored_by(champion, history, allowed)
        ranked = best(champion, scores, allowed, self._k, self._diversity, self._n_shown)
        new_items = None
        if self._new_places is not None:
            new_items = best_new(champion, scores, allowed, self._new_places.impressions_of)
        needed = n_to_rank(self._k, self._diversity, self._n_shown)
        if len(ranked[0]) < min(needed, int(allowed.sum())):
            ranked = with_popular(champion, history, ranked, allowed)
            explain = explainer(champion, history)
        return _Ranking(ranked, explain, new_items)

    def _keep_ranking(self, ranking: _Ranking) -> None:
        self._ranked, self._ranked_new = ranking.items, ranking.new_items
        self._explainer = ranking.explainer

    def _diversify(self) -> _Scored:
        assert self._ranked is not None
        items, scores = self._ranked
        return diverse_pages(self._champion, items, scores, self._k, self._diversity, self._n_shown)

    def _keep_reranked(self, ranked: _Scored) -> None:
        self._ranked = ranked

    def _explain(self) -> Sequence[Reason]:
        assert self._ranked is not None and self._explainer is not None
        return reasons_of(self._champion, self._explainer, self._page()[0])

    def _keep_reasons(self, reasons: Sequence[Reason]) -> None:
        self._reasons = reasons

    def _page(self) -> _Scored:
        """The page as it is answered: with places kept for new items below its first half."""
        assert self._ranked is not None
        items, scores = self._cut(self._without_shown(self._ranked))
        if self._new_places is None or self._ranked_new is None:
            return items, scores
        new = self._without_shown(self._ranked_new)
        # The half of the page itself: the last one of a list may be much shorter than k.
        return with_places(items, scores, new, self._new_places.places, len(items) // 2)

    def _popular_page(self) -> _Scored:
        """The page where nothing was ranked: the most chosen of what may be shown."""
        order = self._champion.most_popular
        shown = self._allowed
        if self._candidates is not None:
            shown = np.zeros(len(order), dtype=bool)
            shown[self._candidates] = True
        items = order[shown[order]]
        scores = self._champion.popularity[items].astype(np.float32)
        return self._cut(self._without_shown((items, scores)))

    def _without_shown(self, ranked: _Scored) -> _Scored:
        """The ranked items without those that earlier pages have shown, in the same order."""
        if not self._n_shown:
            return ranked
        ids = self._champion.log.item_ids.ids
        unseen = self._shown.unseen([ids[item] for item in ranked[0]])
        return ranked[0][unseen], ranked[1][unseen]

    def _cut(self, ranked: _Scored) -> _Scored:
        items, scores = ranked
        return items[: self._page_length], scores[: self._page_length]

    def _plain_reasons(self, items: Ints) -> Sequence[Reason]:
        """Reasons of items (n,) that were explained by nobody, or not in time."""
        return unexplained(len(items)) if self._ranked else by_popularity(self._champion, items)
