"""The hybrid as a recommender: fit, score, recommend, save, load."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Self

import lightgbm as lgb
import numpy as np

from models.data import Bools, Dataset, Floats, Histories, Impressions, Ints, TokenTable
from models.evaluation import known_events
from models.explanation import Explanation
from models.hmdf.arrivals import Arrivals, NewcomerTrees
from models.hmdf.candidates import Candidates
from models.hmdf.config import HMDFConfig
from models.hmdf.guests import GuestScores
from models.hmdf.labelling import ndcg_with_guests, scale_of
from models.hmdf.learning import Learner
from models.hmdf.newcomers import Newcomers
from models.hmdf.ranker import Ranker
from models.hmdf.retrievers import (
    Retrievers,
    all_retrievers,
    cold_item_retrievers,
    simple_retrievers,
)
from models.hmdf.score_scale import ScoreScale
from models.hmdf.similarity import ContentSimilarity
from models.hmdf.slices import (
    OF_ITEMS,
    OF_TIME,
    SLICINGS,
    Fold,
    Slice,
    Slicing,
    dataset_of,
)
from models.hmdf.state import read_ranker, write_ranker
from models.hmdf.taste_map import factors_of
from models.hmdf.trees import (
    ChosenRounds,
    LabelledSlice,
    TreeData,
    choose_rounds,
    fit_trees,
)
from models.parallel import ONE_PROCESS, Executor
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state
from models.protocol import FeatureWorth, Ranking
from models.ranking import rank
from models.training import Epoch, TrainingCurve, one_blas_thread

_NOBODY = (np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32))


class HMDF:
    """Hybrid: what past items, content and models say of an item, weighed by LambdaRank.

    Each slice is described by what its past alone says (stacking, Wolpert 1992), so that no feature
    has seen its label. By default the slices are of time, and the last is that of the validation
    events; for items to come they are of items (`models.hmdf.slices.OF_ITEMS`). At the end all is
    counted and fitted again from everything that is known.

    Where a dataset has impressions, and the slices are of time, the trees also learn from what
    users were shown and did not choose (`models.hmdf.shown`).

    Args:
        config: the settings.
        choose: which models a dataset gets; by default those of the settings, and those of items
            without events where the slices are of items.
        on_epoch: called after each round of the trees.
        slicing: what is held out for the trees to learn from.
        executor: does what needs nothing of each other: earlier slices, and retrievers that train.

    Raises:
        ValueError: networks are asked for where the slices are of items.

    Attributes:
        config: the settings.
        curve: NDCG@10 losses a round on the slices that judge; None before a fit, and after one
            that was given the number of rounds.
        validated: mean NDCG@10 on those slices, of trees and features that had not seen them; NaN
            where nothing was judged.
    """

    name = "hmdf"

    def __init__(
        self,
        config: HMDFConfig | None = None,
        choose: Callable[[Dataset], Retrievers] | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
        slicing: Slicing = OF_TIME,
        executor: Executor = ONE_PROCESS,
    ) -> None:
        self.config = config or HMDFConfig()
        if self.config.networks and slicing is OF_ITEMS:
            raise ValueError("No network is stacked for items without events: leave networks off.")
        self.curve: TrainingCurve | None = None
        self.validated = float("nan")
        default = all_retrievers if self.config.networks else simple_retrievers
        if slicing is OF_ITEMS:
            default = cold_item_retrievers
        self._choose = choose or partial(default, seed=self.config.seed)
        self._on_epoch = on_epoch
        self._slicing = slicing
        self._executor = executor
        self._ranker: Ranker | None = None
        self._scale: ScoreScale | None = None
        self._judged = _NOBODY

    @one_blas_thread()
    def fit(self, dataset: Dataset) -> Self:
        """Describes each slice by its past, fits the trees, and then knows everything.

        Raises:
            NothingToLearnError: fewer than two slices hold a choice that is among its candidates.
        """
        parts, learner = self._cut(dataset), self._learner(dataset)
        by_time, seed = self._slicing is OF_TIME, self.config.seed
        arrivals: Sequence[Arrivals] = ()
        with learner.pool() as pool:
            # First, as it takes longest.
            everything = pool.submit(learner.learned, known_events(dataset))
            slices, ranker = learner.all_described(parts, pool)
            if by_time:
                content, ties = learner.content, ranker.ties
                arrivals = Arrivals.of_slices(dataset, parts, content, ties, seed, pool)
            knows_everything = everything.result()
        data = TreeData.of(slices, ranker.feature_names, self.config)
        chosen = choose_rounds(data, self.folds(slices), self.config, self._on_epoch)
        self._note_validation(chosen, slices[-1], has_validation=len(dataset.validation) > 0)
        bags = fit_trees(data, self.config, chosen.rounds)
        # None: newcomers have no scale to be placed on.
        self._scale = scale_of(slices[-1], chosen.scores[0]) if by_time else None
        newcomer_trees = None if self._scale is None else NewcomerTrees.of(arrivals, self.config)
        self._ranker = self._answering(dataset, knows_everything, bags, newcomer_trees)
        return self

    @one_blas_thread()
    def refitted(self, dataset: Dataset) -> Self:
        """A hybrid with the same trees that knows all events of a dataset; nothing is judged.

        Whatever is counted, solved or trained from events is made again. The trees that weigh it
        stay those that were judged: fitting them again with other draws would only add noise.

        Args:
            dataset: whose training holds every event, and whose validation is empty.

        Raises:
            NotFittedError: the hybrid was neither fitted nor loaded.
            ValueError: the dataset has other modalities, or attributes of another kind, so that the
                trees would read other features.
        """
        ranker = self._fitted_ranker()
        other = type(self)(self.config, self._choose, self._on_epoch, self._slicing, self._executor)
        other._scale = self._scale
        newcomer_trees = None if ranker.newcomers is None else ranker.newcomers.trees
        learner = other._learner(dataset)
        with learner.pool() as pool:
            everything = learner.learned(known_events(dataset), pool.map)
        other._ranker = other._answering(dataset, everything, ranker.bags, newcomer_trees)
        if other.feature_names != self.feature_names:
            changed = sorted(set(other.feature_names) ^ set(self.feature_names))
            raise ValueError(
                "The trees of this hybrid read other features than the dataset has "
                f"({', '.join(changed[:3])}): fit a new hybrid."
            )
        return other

    def validated_on(self) -> tuple[Ints, Floats]:
        """The users (n,) with validation events, and the NDCG@10 (n,) of what had not seen those.

        Nobody where there were none, or the slices are of items.
        """
        return self._judged

    @property
    def bags(self) -> tuple[lgb.Booster, ...]:
        """The fitted trees, whose mean is the score."""
        return self._fitted_ranker().bags

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of what the trees read, once there is something to read."""
        return self._any_ranker().feature_names

    @property
    def link_kinds(self) -> tuple[str, ...]:
        """Names of the lasting kinds of links, with which those of their features begin."""
        return self._any_ranker().knowledge.links.kinds

    @property
    def feature_parts(self) -> tuple[str, ...]:
        """What each feature is a figure of: behaviour, popularity, or a modality."""
        return self._any_ranker().feature_parts

    def folds(self, slices: Sequence[LabelledSlice]) -> tuple[Fold, ...]:
        """Which of the slices judge trees of which others."""
        return self._slicing.folds(len(slices))

    @one_blas_thread()
    def labelled_slices(self, dataset: Dataset) -> tuple[LabelledSlice, ...]:
        """What the trees are fitted to, each slice described by its own past.

        A slice without a choice that is among its candidates is left out, with a warning.

        Raises:
            NothingToLearnError: fewer than two slices are left.
        """
        learner = self._learner(dataset)
        with learner.pool() as pool:
            slices, ranker = learner.all_described(self._cut(dataset), pool)
        if self._ranker is None or not self._ranker.bags:
            # Names of features are known from now on; a fitted hybrid stays as it is.
            self._ranker = ranker
        return slices

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items); -inf for what is no candidate, or was had.

        What nobody has chosen yet stands among the others by what it is, and who has no history
        gets what is chosen of late. Where `items` says what may be shown, candidates are found and
        compared among those, so that they are other scores than those of all items.

        Raises:
            NotFittedError: the hybrid was neither fitted nor loaded.
        """
        return self._fitted_ranker().score(users, items)

    def score_given(self, users: Histories, items: Ints) -> Floats:
        """Scores (n_users, k) of items (k,), compared with candidates of the whole catalogue."""
        return self._fitted_ranker().score_given(users, items)

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items per user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self._fitted_ranker().ties, exclude=exclude)

    def candidates(
        self, users: Histories, allowed: Bools | None = None, required: Ints | None = None
    ) -> Candidates:
        """What is ranked by the trees for the users; see `models.hmdf.ranker.Ranker`."""
        return self._any_ranker().candidates(users, allowed, required)

    def explain(self, users: Histories, items: Ints) -> Explanation:
        """What moved the scores of `items` (n_users, k); an item of -1 has no reason."""
        return self._fitted_ranker().explain(users, items)

    def score_to_explain(self, users: Histories) -> tuple[Floats, Callable[[Ints], Explanation]]:
        """Scores (n_users, n_items) of all items, and what explains items (n_users, k) of them."""
        return self._fitted_ranker().score_to_explain(users)

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> Self:
        """See `models.protocol.Extendable`: a further item is ranked by what it is.

        Raises:
            NotFittedError: the hybrid has not learned to rank items without events: in its fit no
                item had any content, or nothing that was chosen showed what they are worth.
        """
        return self._with(self._fitted_ranker().extended(tokens, places))

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """See `models.protocol.Maskable`: whatever reads tokens reads these."""
        return self._with(self._fitted_ranker().masked(tokens))

    def feature_worth(self, users: Histories) -> tuple[FeatureWorth, ...]:
        """Gain and mean absolute SHAP value over the users' candidates, the largest SHAP first."""
        return self._fitted_ranker().feature_worth(users)

    def save(self, folder: Path) -> None:
        """Writes trees, knowledge and every model into an existing folder."""
        arrays, described = write_ranker(self._fitted_ranker(), folder)
        arrays |= {"judged.users": self._judged[0], "judged.values": self._judged[1]}
        described |= {
            "settings": self.config.model_dump(),
            "slicing": self._slicing.name,
            "validated": None if np.isnan(self.validated) else self.validated,
        }
        save_state(folder, arrays, described, family=self.name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a hybrid, or only part of one.
        """
        arrays, described = load_state(folder, family=cls.name)
        try:
            config, slicing = described["settings"], SLICINGS[described["slicing"]]
            model = cls(HMDFConfig.model_validate(config), slicing=slicing)
            model._judged = arrays["judged.users"], arrays["judged.values"]
            value = described["validated"]
        except (KeyError, ValueError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole hybrid ({error}); fit the model again."
            ) from error
        model.validated = float("nan") if value is None else float(value)
        model._ranker = read_ranker(folder, arrays, described, model.config)
        if model._ranker.newcomers is not None:
            model._scale = model._ranker.newcomers.scale
        return model

    def _cut(self, dataset: Dataset) -> tuple[Slice, ...]:
        """The slices that the trees learn from, the oldest first where they are of time."""
        known = known_events(dataset)
        return self._slicing.cut(dataset, known, self.config.slices, self.config.seed)

    def _learner(self, dataset: Dataset) -> Learner:
        content = ContentSimilarity.of(dataset.tokens)
        learned_from = dataset
        if self._slicing is not OF_TIME:
            learned_from = replace(dataset, impressions=Impressions.none())
        return Learner(learned_from, self._choose(dataset), content, self.config, self._executor)

    def _note_validation(
        self, chosen: ChosenRounds, last: LabelledSlice, *, has_validation: bool
    ) -> None:
        """Keeps what the judging slices said of trees that had not seen them.

        Args:
            chosen: the trees' number, and their scores of those slices.
            last: the last slice; where slices are of time, the one that judges.
            has_validation: whether it is that of the validation events.
        """
        self.curve, self.validated = chosen.curve, chosen.mean
        self._judged = _NOBODY
        if self._slicing is not OF_TIME:
            return
        values = ndcg_with_guests(last, chosen.scores[0])
        self.validated = float(values.mean())
        if has_validation:
            self._judged = last.users, values.astype(np.float32)

    def _answering(
        self,
        dataset: Dataset,
        everything: Ranker,
        bags: Sequence[lgb.Booster],
        newcomer_trees: NewcomerTrees | None,
    ) -> Ranker:
        """What answers: trees that were fitted to slices, and the knowledge of everything.

        Args:
            dataset: all of whose events are known.
            everything: what was learned from these.
            bags: trees.
            newcomer_trees: of items without events; None where nothing could be learned of them.
        """
        known, seed = known_events(dataset), self.config.seed
        newcomers, guests = None, None
        if newcomer_trees is not None and self._scale is not None:
            of_all, knowledge = dataset_of(dataset, known), everything.knowledge
            newcomers = Newcomers.of(
                of_all,
                knowledge.content,
                knowledge.numbers,
                newcomer_trees,
                self._scale,
                factors_of(of_all, seed, everything.retrievers.values()),
            )
        if self._slicing is OF_TIME:
            guests = GuestScores.of(known, dataset.n_items)
        return replace(everything, bags=tuple(bags), newcomers=newcomers, guests=guests)

    def _with(self, ranker: Ranker) -> Self:
        """The same hybrid, which answers by another ranker."""
        other = copy(self)
        other._ranker = ranker
        return other

    def _any_ranker(self) -> Ranker:
        """The ranker, which may still be without trees."""
        if self._ranker is None:
            raise NotFittedError("This hybrid knows nothing yet; call fit or load first.")
        return self._ranker

    def _fitted_ranker(self) -> Ranker:
        """The ranker, with trees."""
        if self._ranker is None or not self._ranker.bags:
            raise NotFittedError("This hybrid has no trees yet; call fit or load first.")
        return self._ranker
