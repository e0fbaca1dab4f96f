"""The hybrid as a recommender: fit, score, recommend, save, load."""

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import lightgbm as lgb
import numpy as np

from models.baselines import ALS
from models.data import (
    Bools,
    Dataset,
    Floats,
    Histories,
    Interactions,
    Ints,
    TokenTable,
)
from models.evaluation import known_events
from models.explanation import BEHAVIOUR, Explanation
from models.extending import further_ties
from models.hmdf.candidates import Candidates, best_of_all
from models.hmdf.config import HMDFConfig
from models.hmdf.explanation import explained, for_guests, with_newcomers
from models.hmdf.features import Knowledge
from models.hmdf.guests import GuestScores
from models.hmdf.newcomers import Newcomers, NewcomerTrees
from models.hmdf.retrievers import Retrievers, all_retrievers, simple_retrievers
from models.hmdf.score_scale import ScoreScale
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.slices import OF_TIME, Fold, Slice, Slicing, before, knowing, new_choices
from models.hmdf.trees import LabelledSlice, choose_rounds, fit_trees
from models.neighbours import as_done
from models.parallel import fit_all
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state, tensor
from models.protocol import FeatureWorth, Maskable, NothingToLearnError, Ranking, Recommender
from models.ranking import rank, tie_breaks
from models.reindexed import translated
from models.training import Epoch, TrainingCurve
from models.trees import Trees, of_boosters

_log = logging.getLogger(__name__)
_USERS_AT_ONCE = 64
_FEWEST_SLICES = 2
_REMEMBERED = ("_trees", "_is_new", "_guest_scores")
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


class HMDF:
    """Hybrid: what past items, content and models say of an item, weighed by LambdaRank.

    Each slice is described by what its past alone says (stacking, Wolpert 1992), so that no feature
    has seen its label. By default the slices are of time, and the last is that of the validation
    events; for items to come they are of items (`models.hmdf.slices.OF_ITEMS`). At the end all is
    counted and fitted again from everything that is known.

    Args:
        config: the settings.
        choose: which models a dataset gets; those of the settings by default.
        on_epoch: called after each round of the trees.
        slicing: what is held out for the trees to learn from.
        processes: that fit models at the same time; more than one pays where they are networks.

    Attributes:
        config: the settings.
        curve: NDCG@10 losses a round on the slices that judge; None before a fit, and after one
            that was told how many rounds.
        validated: mean NDCG@10 on those slices, of trees and features that had not seen them; NaN
            where nothing was judged.
        retrievers: fitted models by name.
        bags: the fitted trees, whose mean is the score.
    """

    name = "hmdf"

    def __init__(
        self,
        config: HMDFConfig | None = None,
        choose: Callable[[Dataset], Retrievers] | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
        slicing: Slicing = OF_TIME,
        processes: int = 1,
    ) -> None:
        self.config = config or HMDFConfig()
        self.curve: TrainingCurve | None = None
        self.validated = float("nan")
        self.retrievers: dict[str, Recommender] = {}
        self.bags: tuple[lgb.Booster, ...] = ()
        self.ties = np.zeros(0, dtype=np.int32)
        default = all_retrievers if self.config.networks else simple_retrievers
        self._choose = choose or partial(default, seed=self.config.seed)
        self._on_epoch = on_epoch
        self._slicing = slicing
        self._processes = processes
        self._reads: Mapping[str, str] = {}
        self._knowledge: Knowledge | None = None
        self._judged = (np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32))
        self._scale: ScoreScale | None = None
        self._newcomers: Newcomers | None = None
        self._guests = GuestScores(np.zeros(0, dtype=np.float32), np.inf)

    def fit(self, dataset: Dataset) -> Self:
        """Describes each slice by its past, fits the trees, and then knows everything.

        Raises:
            NothingToLearnError: fewer than two slices hold a choice that is among its candidates.
        """
        slices = self.labelled_slices(dataset)
        names, folds = self.feature_names, self.folds(slices)
        chosen = choose_rounds(slices, folds, names, self.config, self._on_epoch)
        self.curve = chosen.curve
        self.validated = chosen.mean
        if self._slicing is OF_TIME:
            self._scale = _scale_of(slices[-1], chosen.scores[0])
            values = _ndcg_with_guests(slices[-1], chosen.scores[0], self._parts(dataset)[-1].past)
            self.validated = float(values.mean())
            if len(dataset.validation):
                # The last slice is that of the validation events, and judges alone.
                self._judged = slices[-1].users, values.astype(np.float32)
        return self._finished(dataset, slices, chosen.rounds)

    def refitted(self, dataset: Dataset) -> Self:
        """A hybrid of as many trees, fitted to all events of a dataset; nothing is judged.

        Args:
            dataset: whose training holds every event, and whose validation is empty.

        Raises:
            NotFittedError: the hybrid was neither fitted nor loaded.
            NothingToLearnError: see `fit`.
        """
        rounds = self._fitted()[0].num_trees()
        other = type(self)(
            self.config, self._choose, self._on_epoch, self._slicing, self._processes
        )
        other._scale = self._scale
        return other._finished(dataset, other.labelled_slices(dataset), rounds)

    def validated_on(self) -> tuple[Ints, Floats]:
        """The users (n,) with validation events, and the NDCG@10 (n,) of what had not seen those.

        Nobody where there were none, or the slices are of items.
        """
        return self._judged

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of what the trees read, once there is something to read."""
        return self._known().names(self._score_names)

    @property
    def link_kinds(self) -> tuple[str, ...]:
        """Names of the lasting kinds of links, with which those of their features begin."""
        return self._known().links.kinds

    @property
    def feature_parts(self) -> tuple[str, ...]:
        """What each feature is a figure of: behaviour, popularity, or a modality."""
        return self._known().reads([self._reads.get(name, BEHAVIOUR) for name in self._score_names])

    def folds(self, slices: Sequence[LabelledSlice]) -> tuple[Fold, ...]:
        """Which of the slices judge trees of which others."""
        return self._slicing.folds(len(slices))

    def labelled_slices(self, dataset: Dataset) -> tuple[LabelledSlice, ...]:
        """What the trees are fitted to, each slice described by its own past.

        A slice without a choice that is among its candidates is left out, with a warning.

        Raises:
            NothingToLearnError: fewer than two slices are left.
        """
        known, retrievers = known_events(dataset), self._choose(dataset)
        self.ties = tie_breaks(dataset.item_ids.ids, self.config.seed)
        content = ContentSimilarity.of(dataset.tokens)
        slices: list[LabelledSlice] = []
        for part in self._parts(dataset):
            _log.info("Describing what was chosen after %d events.", len(part.past))
            self._learn(retrievers, dataset, part.past, content)
            labelled = self._labelled(dataset, part)
            if labelled.chosen.any():
                slices.append(labelled)
            elif part.labels is dataset.validation:
                raise NothingToLearnError(
                    f"None of the {len(part.labels)} validation events is of a candidate of the "
                    "hybrid, so that nothing could judge it. It takes more events, or other models."
                )
            else:
                _log.warning(
                    "The slice after %d events holds no choice to learn from.", len(part.past)
                )
        if len(slices) < _FEWEST_SLICES:
            raise NothingToLearnError(
                "The hybrid needs two slices with a choice among its candidates; there are "
                f"{len(slices)} among {len(known)} events. It takes more events, or other models."
            )
        return tuple(slices)

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items); -inf for what is no candidate, or was had.

        What nobody has chosen yet stands among the others by what it is (`models.hmdf.newcomers`).
        Where `items` says what may be shown, candidates are found and compared among those, so that
        they are other scores than those of all items.

        Raises:
            NotFittedError: the hybrid was neither fitted nor loaded.
        """
        shown = np.arange(len(self.ties), dtype=np.int32) if items is None else items
        allowed = np.zeros(len(self.ties), dtype=bool)
        allowed[shown] = True
        scores = np.empty((len(users), len(shown)), dtype=np.float32)
        for start in range(0, len(users), _USERS_AT_ONCE):
            block = users.rows(start, start + _USERS_AT_ONCE)
            own = self._of_all(block, self.candidates(block, allowed), allowed)
            scores[start : start + len(block)] = own if items is None else own[:, items]
        return scores

    def score_given(self, users: Histories, items: Ints) -> Floats:
        """Scores (n_users, k) of items (k,), compared with candidates of the whole catalogue."""
        scores = np.empty((len(users), len(items)), dtype=np.float32)
        new = self._is_new[items]
        for start in range(0, len(users), _USERS_AT_ONCE):
            block = users.rows(start, start + _USERS_AT_ONCE)
            rows = slice(start, start + len(block))
            if not new.all():
                own = self._scored(self.candidates(block, asked=items[~new]), len(block))
                scores[rows, ~new] = own[:, items[~new]]
            if self._newcomers is not None and new.any():
                scores[rows, new] = self._newcomers.given(block, items[new])
        scores[users.lengths == 0] = self._guest_scores[items]
        return scores

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items a user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self.ties, exclude=exclude)

    def candidates(
        self, users: Histories, allowed: Bools | None = None, asked: Ints | None = None
    ) -> Candidates:
        """What is ranked by the trees for the users, with its features.

        Args:
            users: their histories.
            allowed: (n_items,) what may be shown; all by default.
            asked: items (k,), or (n_users, k) with -1 for none, that are candidates in any case.
        """
        wanted = None if asked is None else np.broadcast_to(asked, (len(users), asked.shape[-1]))
        knowledge = self._known()
        n_known, users = knowledge.links.n_items, self._of_fit(users)
        shown = np.ones(n_known, dtype=bool) if allowed is None else allowed[:n_known]
        scores = [model.score(users) for model in self.retrievers.values()]
        most, ties = self.config.candidates, self.ties[:n_known]
        pairs = best_of_all(knowledge.links, _FOUND_BY, scores, users, ties, most, shown, wanted)
        return Candidates(pairs.rows, pairs.items, knowledge.features(pairs, users))

    def explain(self, users: Histories, items: Ints) -> Explanation:
        """What moved the scores of `items` (n_users, k); an item of -1 has no reason."""
        warm = np.where(self._is_new[items], -1, items).astype(np.int32)
        return self._explained(self.candidates(users, asked=warm), users, items)

    def score_to_explain(self, users: Histories) -> tuple[Floats, Callable[[Ints], Explanation]]:
        """Scores (n_users, n_items) of all items, and what explains items (n_users, k) of them."""
        found = self.candidates(users)
        everything = np.ones(len(self.ties), dtype=bool)
        scores = self._of_all(users, found, everything)
        return scores, partial(self._explained, found, users)

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> Self:
        """See `models.protocol.Extendable`: a further item is ranked by what it is.

        Raises:
            NotFittedError: the hybrid has not learned to rank items without events, since no item
                of its fit had any content.
        """
        if self._newcomers is None:
            raise NotFittedError(
                "This hybrid has not learned to rank items without events: no item of its fit had "
                "any content."
            )
        other, n_known = copy(self), self._known().links.n_items
        known = np.flatnonzero(places < n_known)
        changed = {name: _of_places(table, known) for name, table in tokens.items()}
        other._knowledge = self._known().changed(changed, places[known])
        other._newcomers = self._newcomers.extended(tokens, places)
        other.ties = further_ties(self.ties, places)
        other._forget()
        return other

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """See `models.protocol.Maskable`: whatever reads tokens reads these."""
        other = copy(self)
        other._knowledge = self._known().masked(tokens)
        if self._newcomers is not None:
            other._newcomers = self._newcomers.masked(tokens)
        other._forget()
        other.retrievers = {
            name: model.masked(tokens) if isinstance(model, Maskable) else model
            for name, model in self.retrievers.items()
        }
        return other

    def feature_worth(self, users: Histories) -> tuple[FeatureWorth, ...]:
        """Gain and mean absolute SHAP value over the users' candidates, the largest SHAP first."""
        bags, trees = self._fitted(), self._trees
        gains = np.sum([trees.feature_importance("gain") for trees in bags], axis=0)
        parts, _ = trees.contributions(self.candidates(users).features)
        shares = np.abs(parts).mean(axis=0) if len(parts) else np.zeros(len(gains))
        found = map(FeatureWorth, bags[0].feature_name(), gains.tolist(), shares.tolist())
        return tuple(sorted(found, key=lambda one: -one.shap))

    def save(self, folder: Path) -> None:
        """Writes trees, knowledge and every model into an existing folder."""
        for place, model in enumerate(self.retrievers.values()):
            below = folder / f"retriever-{place}"
            below.mkdir()
            model.save(below)
        arrays: dict[str, np.ndarray] = {
            "ties": self.ties,
            **{
                f"trees-{bag}": np.frombuffer(trees.model_to_string().encode(), dtype=np.uint8)
                for bag, trees in enumerate(self._fitted())
            },
            "judged.users": self._judged[0],
            "judged.values": self._judged[1],
            "guests.values": self._guests.values,
            **self._known().arrays(),
        }
        if self._newcomers is not None:
            below = folder / "newcomers"
            below.mkdir()
            self._newcomers.content.factors.save(below)
            arrays |= self._newcomers.arrays()
        described = {
            "settings": self.config.model_dump(),
            "retrievers": list(self.retrievers),
            "reads": dict(self._reads),
            "links": list(self._known().links.kinds),
            "half_life": None if np.isinf(self._guests.half_life) else self._guests.half_life,
            "validated": None if np.isnan(self.validated) else self.validated,
        }
        save_state(folder, arrays, described, family=self.name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a hybrid, or only part of one.
        """
        from models.families import load_model

        arrays, described = load_state(folder, family=cls.name)
        try:
            model = cls(HMDFConfig.model_validate(described["settings"]))
            model.bags = tuple(
                lgb.Booster(model_str=tensor(arrays, f"trees-{bag}", folder).tobytes().decode())
                for bag in range(model.config.bags)
            )
            names, model._reads = described["retrievers"], described["reads"]
            model._judged = arrays["judged.users"], arrays["judged.values"]
            half_life = described["half_life"]
            model._guests = GuestScores(
                arrays["guests.values"], np.inf if half_life is None else float(half_life)
            )
            value = described["validated"]
            model.validated = float("nan") if value is None else float(value)
            model._knowledge = Knowledge.of_arrays(arrays, described["links"])
        except (KeyError, ValueError, lgb.basic.LightGBMError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole hybrid ({error}); fit the model again."
            ) from error
        model.ties = tensor(arrays, "ties", folder)
        if "newcomers.taste" in arrays:
            knowledge, factors = model._known(), ALS.load(folder / "newcomers")
            model._newcomers = Newcomers.of_arrays(
                arrays, factors, knowledge.content, knowledge.numbers
            )
            model._scale = model._newcomers.scale
        model.retrievers = {
            name: load_model(folder / f"retriever-{place}") for place, name in enumerate(names)
        }
        if tuple(model.bags[0].feature_name()) != model.feature_names:
            raise ModelFormatError(
                f"The trees in {folder} read other features than this version makes; fit the model "
                "again."
            )
        return model

    @property
    def _score_names(self) -> tuple[str, ...]:
        return (*_FOUND_BY, *self.retrievers)

    def _finished(self, dataset: Dataset, slices: Sequence[LabelledSlice], rounds: int) -> Self:
        """Trees of all slices, and then the knowledge of everything."""
        self.bags = fit_trees(slices, self.feature_names, self.config, rounds)
        self._forget()
        content, known = self._known().content, known_events(dataset)
        self._newcomers, arrivals = None, None
        if self._scale is not None:
            parts = self._parts(dataset)
            arrivals = NewcomerTrees.of(dataset, parts, content, self.ties, self.config)
        self._learn(self._choose(dataset), dataset, known, content)
        self._guests = GuestScores.of(known, dataset.n_items)
        if self._scale is not None and arrivals is not None:
            everything, numbers = knowing(dataset, known), self._known().numbers
            self._newcomers = Newcomers.of(
                everything, content, numbers, arrivals, self._scale, self.config.seed
            )
        return self

    def _forget(self) -> None:
        """Leaves what was made of a former state."""
        for remembered in _REMEMBERED:
            self.__dict__.pop(remembered, None)

    def _parts(self, dataset: Dataset) -> tuple[Slice, ...]:
        known = known_events(dataset)
        return self._slicing.cut(dataset, known, self.config.slices, self.config.seed)

    def _learn(
        self,
        retrievers: Retrievers,
        dataset: Dataset,
        known: Interactions,
        content: ContentSimilarity,
    ) -> None:
        """Counts and fits all that says something of candidates, from `known` alone."""
        everything = knowing(dataset, known)
        solved = fit_all(retrievers.solved, everything, 1)
        trained = fit_all(retrievers.trained, before(dataset, known), self._processes)
        self.retrievers, self._reads = {**solved, **trained}, retrievers.reads
        self._knowledge = Knowledge.of(everything, content, known)

    def _labelled(self, dataset: Dataset, part: Slice) -> LabelledSlice:
        """Candidates of the users who have a label, and which of them were chosen."""
        users, chosen = new_choices(part, dataset.n_items)
        histories = Histories.of(part.past, users)
        found_parts = []
        # A block of nobody says how many features there are where there is no user.
        for start in range(0, max(1, len(users)), _USERS_AT_ONCE):
            rows = histories.rows(start, start + _USERS_AT_ONCE)
            found = self.candidates(rows, part.candidates)
            found_parts.append(Candidates(found.rows + start, found.items, found.features))
        candidates = Candidates(
            np.concatenate([found.rows for found in found_parts]),
            np.concatenate([found.items for found in found_parts]),
            np.concatenate([found.features for found in found_parts]),
        )
        pairs = candidates.rows.astype(np.int64) * dataset.n_items + candidates.items
        wanted = np.bincount(chosen // dataset.n_items, minlength=len(users)).astype(np.int32)
        return LabelledSlice(users, candidates, np.isin(pairs, chosen), wanted, histories.lengths)

    @cached_property
    def _trees(self) -> Trees:
        return of_boosters(self._fitted())

    @cached_property
    def _is_new(self) -> Bools:
        """Which items (n_items,) only what they are can rank."""
        found = np.zeros(len(self.ties), dtype=bool)
        if self._newcomers is not None:
            found[self._newcomers.items] = True
        return found

    def _of_fit(self, users: Histories) -> Histories:
        """The histories with what is nearest in the place of items that came after the fit."""
        if self._newcomers is None or len(self.ties) == self._known().links.n_items:
            return users
        return translated(users, self._newcomers.content.stands_for)

    def _of_all(self, users: Histories, found: Candidates, allowed: Bools) -> Floats:
        """Scores (n_users, n_items) of candidates and of the best new items; -inf for all else.

        Who has no history has the scores of `models.hmdf.guests` for all items.
        """
        scores = self._scored(found, len(users))
        if self._newcomers is not None:
            scores[:, self._newcomers.items] = -np.inf
            rows, items, own = self._newcomers.best(
                users, allowed, self.config.candidates, self.ties
            )
            scores[rows, items] = own
        scores[users.lengths == 0] = np.where(allowed, self._guest_scores, -np.inf)
        return scores

    @cached_property
    def _guest_scores(self) -> Floats:
        """Scores (n_items,) for who has no history: new items behind the others, as foretold."""
        scores = np.zeros(len(self.ties), dtype=np.float32)
        known = self._guests.values
        scores[: len(known)] = known
        if self._newcomers is not None and len(self._newcomers.items):
            foretold = self._newcomers.content.tastes.popularity[self._newcomers.items]
            scores[self._newcomers.items] = foretold - foretold.max() - 1
        return scores

    def _scored(self, found: Candidates, n_users: int) -> Floats:
        """Scores (n_users, n_items) of candidates; -inf for all else."""
        scores = np.full((n_users, len(self.ties)), -np.inf, dtype=np.float32)
        trees = self._trees
        if len(found.items):
            scores[found.rows, found.items] = trees.score(found.features)
        return scores

    def _explained(self, found: Candidates, users: Histories, items: Ints) -> Explanation:
        features = tuple(zip(self.feature_names, self.feature_parts, strict=True))
        new = self._is_new[items] & (items >= 0)
        warm = np.where(new, -1, items).astype(np.int32)
        past = self._of_fit(users)
        why = explained(self._trees, self._known(), found, features, past, warm)
        if past is not users and self._newcomers is not None:
            stands_for, n_known = self._newcomers.content.stands_for, self._known().links.n_items
            named = as_done(users, why.past_items, stands_for, n_known)
            why = replace(why, past_items=named)
        if self._newcomers is not None and new.any():
            why = with_newcomers(why, self._newcomers, users, np.where(new, items, -1))
        return for_guests(why, users, items)

    def _known(self) -> Knowledge:
        if self._knowledge is None:
            raise NotFittedError("This hybrid knows nothing yet; call fit or load first.")
        return self._knowledge

    def _fitted(self) -> tuple[lgb.Booster, ...]:
        if not self.bags:
            raise NotFittedError("This hybrid has no trees yet; call fit or load first.")
        return self.bags


def _scale_of(judged: LabelledSlice, scores: np.ndarray) -> ScoreScale | None:
    """What the scores of candidates mean that their trees had not seen."""
    events = judged.past_events[judged.candidates.rows]
    return ScoreScale.of(scores.astype(np.float32), events, judged.chosen)


def _ndcg_with_guests(judged: LabelledSlice, scores: np.ndarray, past: Interactions) -> np.ndarray:
    """NDCG@10 (n_users,) of scores (r,), and of the guests' scores for who has no past."""
    candidates = judged.candidates
    guests = judged.past_events[candidates.rows] == 0
    if guests.any():
        n_items = int(max(candidates.items.max(), past.items.max(initial=0))) + 1
        of_guests = GuestScores.of(past, n_items).values[candidates.items]
        scores = np.where(guests, of_guests, scores)
    return judged.ndcg(scores)


def _of_places(table: TokenTable, kept: np.ndarray) -> TokenTable:
    """The rows of the items at these places of a table, which become 0, 1, 2, ..."""
    place = np.full(table.n_items, -1, dtype=np.int32)
    place[kept] = np.arange(len(kept), dtype=np.int32)
    rows = place[table.items] >= 0
    return TokenTable(
        len(kept), place[table.items[rows]], table.known_at[rows], table.features[rows]
    )
