"""What the hybrid has learned, and how it answers: candidates, scores, reasons, further items."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import lightgbm as lgb
import numpy as np

from models.data import Bools, Floats, Histories, Ints, TokenTable
from models.explanation import BEHAVIOUR, Explanation
from models.extending import further_ties, of_places
from models.hmdf.candidates import Candidates, best_of_all
from models.hmdf.explanation import FeatureParts, explained, for_guests, with_newcomers
from models.hmdf.features import Knowledge
from models.hmdf.guests import GuestScores
from models.hmdf.newcomers import Newcomers
from models.neighbours import by_own_items
from models.persistence import NotFittedError
from models.protocol import FeatureWorth, Maskable, Trainable
from models.reindexed import translated
from models.trees import Trees, of_boosters

USERS_AT_ONCE = 64
NEW_ITEMS = 100
"""Items without events that are ranked for a user: as many as may be kept places for."""
_FOUND_BY = (
    "linear_all",
    "linear_last_10",
    "linear_last_3",
    "chosen_with_all",
    "following_last_10",
    "following_far_all",
    "contemporary_last_20_years",
)
"""Sums over a history whose best items are candidates; the others only say more of candidates."""


@dataclass(frozen=True)
class Ranker:
    """All that is known at one time, and the trees that read it.

    Three groups have an order of their own on one scale: items that somebody has chosen, by the
    trees; items that nobody has (`models.hmdf.newcomers`); and for who has no history all items
    (`models.hmdf.guests`).

    Attributes:
        most: candidates of each score.
        ties: (n_items,) the order of equal scores.
        retrievers: fitted models by name.
        reads: what a retriever's score is a figure of, where that is not behaviour.
        knowledge: of the items of the fit; there may be further ones.
        bags: trees, whose mean is the score; none while only candidates are asked for.
        newcomers: ranks items without events; None where they were not learned of.
        guests: for who has no history; None where the trees answer them.
    """

    most: int
    ties: Ints
    retrievers: Mapping[str, Trainable]
    reads: Mapping[str, str]
    knowledge: Knowledge
    bags: tuple[lgb.Booster, ...] = ()
    newcomers: Newcomers | None = None
    guests: GuestScores | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of what the trees read."""
        return self.knowledge.names(self._score_names)

    @property
    def feature_parts(self) -> tuple[str, ...]:
        """What each feature is a figure of: behaviour, popularity, or a modality."""
        return self.knowledge.reads([self.reads.get(name, BEHAVIOUR) for name in self._score_names])

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items); -inf for items that are no candidates or that the user had."""
        shown = np.arange(len(self.ties), dtype=np.int32) if items is None else items
        allowed = np.zeros(len(self.ties), dtype=bool)
        allowed[shown] = True
        scores = np.empty((len(users), len(shown)), dtype=np.float32)
        for start in range(0, len(users), USERS_AT_ONCE):
            block = users.rows(start, start + USERS_AT_ONCE)
            block_scores = self._of_all(block, self.candidates(block, allowed), allowed)
            scores[start : start + len(block)] = (
                block_scores if items is None else block_scores[:, items]
            )
        return scores

    def score_given(self, users: Histories, items: Ints) -> Floats:
        """Scores (n_users, k) of items (k,), compared with candidates of the whole catalogue."""
        scores = np.empty((len(users), len(items)), dtype=np.float32)
        new = self._is_new[items]
        for start in range(0, len(users), USERS_AT_ONCE):
            block = users.rows(start, start + USERS_AT_ONCE)
            rows = slice(start, start + len(block))
            if not new.all():
                block_scores = self._scored(
                    self.candidates(block, required=items[~new]), len(block)
                )
                scores[rows, ~new] = block_scores[:, items[~new]]
            if self.newcomers is not None and new.any():
                scores[rows, new] = self.newcomers.given(block, items[new])
        if self.guests is not None:
            scores[users.lengths == 0] = self._guest_scores[items]
        return scores

    def candidates(
        self, users: Histories, allowed: Bools | None = None, required: Ints | None = None
    ) -> Candidates:
        """What is ranked by the trees for the users, with its features.

        Args:
            users: their histories.
            allowed: (n_items,) what may be shown; all by default.
            required: items (k,), or (n_users, k) with -1 for none, that are candidates in any case.
        """
        if required is not None:
            required = np.broadcast_to(required, (len(users), required.shape[-1]))
        links, past = self.knowledge.links, self._in_items_of_fit(users)
        shown = np.ones(links.n_items, dtype=bool) if allowed is None else allowed[: links.n_items]
        scores = [model.score(past) for model in self.retrievers.values()]
        ties = self.ties[: links.n_items]
        pairs = best_of_all(links, _FOUND_BY, scores, past, ties, self.most, shown, required)
        return Candidates(pairs.rows, pairs.items, self.knowledge.features(pairs, past))

    def explain(self, users: Histories, items: Ints) -> Explanation:
        """What moved the scores of `items` (n_users, k); an item of -1 has no reason."""
        warm = np.where(self._is_new[items], -1, items).astype(np.int32)
        return self._explained(self.candidates(users, required=warm), users, items)

    def score_to_explain(self, users: Histories) -> tuple[Floats, Callable[[Ints], Explanation]]:
        """Scores (n_users, n_items) of all items, and what explains items (n_users, k) of them."""
        candidates, everything = self.candidates(users), np.ones(len(self.ties), dtype=bool)
        return self._of_all(users, candidates, everything), partial(
            self._explained, candidates, users
        )

    def feature_worth(self, users: Histories) -> tuple[FeatureWorth, ...]:
        """Gain and mean absolute SHAP value over the users' candidates, the largest SHAP first."""
        gains = np.sum([trees.feature_importance("gain") for trees in self.bags], axis=0)
        parts, _ = self._trees.contributions(self.candidates(users).features)
        shares = np.abs(parts).mean(axis=0) if len(parts) else np.zeros(len(gains))
        worths = map(FeatureWorth, self.feature_names, gains.tolist(), shares.tolist())
        return tuple(sorted(worths, key=lambda worth: -worth.shap))

    def masked(self, tokens: Mapping[str, TokenTable]) -> "Ranker":
        """The same over other tokens of the same items."""
        retrievers = {
            name: model.masked(tokens) if isinstance(model, Maskable) else model
            for name, model in self.retrievers.items()
        }
        newcomers = None if self.newcomers is None else self.newcomers.masked(tokens)
        knowledge = self.knowledge.masked(tokens)
        return self._over(retrievers=retrievers, newcomers=newcomers, knowledge=knowledge)

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> "Ranker":
        """The same over further and changed items; see `models.protocol.Extendable`.

        Raises:
            NotFittedError: items without events were not learned of.
        """
        if self.newcomers is None:
            raise NotFittedError(
                "This hybrid has not learned to rank items without events: in its fit no item had "
                "any content, or nothing that was chosen showed what such items are worth."
            )
        known = np.flatnonzero(places < self.knowledge.links.n_items)
        changed = {name: of_places(table, known) for name, table in tokens.items()}
        return self._over(
            ties=further_ties(self.ties, places),
            knowledge=self.knowledge.changed(changed, places[known]),
            newcomers=self.newcomers.extended(tokens, places),
        )

    def _over(self, **changes: Any) -> "Ranker":
        """The same trees over other items, without the second that laying them out takes."""
        other = replace(self, **changes)
        if self.bags:
            vars(other)["_trees"] = self._trees
        return other

    @property
    def _score_names(self) -> tuple[str, ...]:
        return (*_FOUND_BY, *self.retrievers)

    @cached_property
    def _trees(self) -> Trees:
        return of_boosters(self.bags)

    @cached_property
    def _features_of(self) -> FeatureParts:
        return FeatureParts.of(self.feature_names, self.feature_parts, self.knowledge.links.names)

    @cached_property
    def _is_new(self) -> Bools:
        """Which items (n_items,) can be ranked by nothing but their content."""
        is_new = np.zeros(len(self.ties), dtype=bool)
        if self.newcomers is not None:
            is_new[self.newcomers.items] = True
        return is_new

    @cached_property
    def _guest_scores(self) -> Floats:
        """Scores (n_items,) for who has no history: new items behind the others, as predicted."""
        scores = np.zeros(len(self.ties), dtype=np.float32)
        if self.guests is not None:
            scores[: len(self.guests.values)] = self.guests.values
        if self.newcomers is not None and len(self.newcomers.items):
            new = self.newcomers
            predicted = new.content.tastes.popularity[new.items] + new.added
            scores[new.items] = predicted - predicted.max() - 1
        return scores

    def _in_items_of_fit(self, users: Histories) -> Histories:
        """The histories with what is nearest in the place of items that came after the fit."""
        if self.newcomers is None or len(self.ties) == self.knowledge.links.n_items:
            return users
        return translated(users, self.newcomers.content.stands_for)

    def _of_all(self, users: Histories, candidates: Candidates, allowed: Bools) -> Floats:
        """Scores (n_users, n_items) of candidates and of the best new items; -inf for all else."""
        scores = self._scored(candidates, len(users))
        if self.newcomers is not None:
            scores[:, self.newcomers.items] = -np.inf
            rows, items, new_scores = self.newcomers.best(users, allowed, NEW_ITEMS, self.ties)
            scores[rows, items] = new_scores
        if self.guests is not None:
            scores[users.lengths == 0] = np.where(allowed, self._guest_scores, -np.inf)
        return scores

    def _scored(self, candidates: Candidates, n_users: int) -> Floats:
        """Scores (n_users, n_items) of candidates; -inf for all else."""
        scores = np.full((n_users, len(self.ties)), -np.inf, dtype=np.float32)
        if len(candidates.items):
            scores[candidates.rows, candidates.items] = self._trees.score(candidates.features)
        return scores

    def _explained(self, candidates: Candidates, users: Histories, items: Ints) -> Explanation:
        """Explains items (n_users, k) to the users, each by the group that it was ranked in."""
        new = self._is_new[items] & (items >= 0)
        warm = np.where(new, -1, items).astype(np.int32)
        past = self._in_items_of_fit(users)
        why = explained(self._trees, self.knowledge, candidates, self._features_of, past, warm)
        if self.newcomers is not None:
            stands_for, n_known = self.newcomers.content.stands_for, self.knowledge.links.n_items
            named = by_own_items(users, why.past_items, stands_for, n_known)
            why = replace(why, past_items=named)
            if new.any():
                why = with_newcomers(why, self.newcomers, users, np.where(new, items, -1))
        return why if self.guests is None else for_guests(why, users, items)
