"""The hybrid as a recommender: fit, score, recommend, save, load."""

import logging
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Self

import lightgbm as lgb
import numpy as np

from models.data import Dataset, Floats, Histories, Interactions, Ints, TokenTable
from models.evaluation import known_events
from models.hmdf.candidates import Candidates, candidates_of, feature_names
from models.hmdf.config import HMDFConfig
from models.hmdf.numbers import ItemNumbers
from models.hmdf.retrievers import Builders, simple_retrievers
from models.hmdf.slices import OF_TIME, Fold, NothingToLearnError, Slice, Slicing, before
from models.hmdf.statistics import ItemStatistics
from models.hmdf.trees import LabelledSlice, choose_rounds, fit_trees, mean_score, shap_values
from models.parallel import fit_all
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state, tensor
from models.protocol import FeatureWorth, Maskable, Ranking, Recommender
from models.ranking import rank, tie_breaks
from models.training import Epoch, TrainingCurve

_log = logging.getLogger(__name__)
_USERS_AT_ONCE = 256
_FEWEST_SLICES = 2


class HMDF:
    """Hybrid of retrievers: their scores and ranks, stacked by LambdaRank on choices held out.

    Each slice is scored by retrievers fitted on its past alone (stacking, Wolpert 1992), so that no
    score has seen its label. By default the slices are of time, and the past is what each user had
    done before; for items to come they are of items (`models.hmdf.slices.OF_ITEMS`). At the end the
    retrievers are fitted to all that is known. Of users with five events or more the newest is held
    out of every fit of a retriever, since networks stop by it.

    Args:
        choose: which retrievers a dataset gets, by name.
        config: the settings.
        on_epoch: told of each round of the trees.
        slicing: what is held out for the trees to learn from.
        processes: that fit retrievers side by side; more than one pays where they are networks.

    Attributes:
        config: the settings.
        curve: NDCG@10 losses a round on the slices that judge; None before a fit.
        validated: NDCG@10 on those slices, of trees and retrievers that had not seen them; NaN
            before a fit. What the validation events say of the final model is no such figure: it
            learns from them too.
        retrievers: fitted models by name.
        bags: the fitted trees, whose mean is the score.
    """

    name = "hmdf"

    def __init__(
        self,
        choose: Callable[[Dataset], Builders] = simple_retrievers,
        config: HMDFConfig | None = None,
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
        self._choose = choose
        self._on_epoch = on_epoch
        self._slicing = slicing
        self._processes = processes
        self._statistics = ItemStatistics(
            np.zeros(0, np.int64), np.zeros(1, np.int64), np.zeros(0, np.float32)
        )
        self._numbers = ItemNumbers.of({}, 0)

    def fit(self, dataset: Dataset) -> Self:
        """Fits the retrievers once a slice, the trees to the slices, and the retrievers to all.

        Raises:
            NothingToLearnError: fewer than two slices hold a choice that some retriever found.
        """
        slices = self.labelled_slices(dataset)
        names, folds = self.feature_names, self.folds(slices)
        chosen = choose_rounds(slices, folds, names, self.config, self._on_epoch)
        self.curve, self.validated = chosen.curve, chosen.validated
        self.bags = fit_trees(slices, names, self.config, chosen.rounds)
        self._fit_retrievers(self._choose(dataset), dataset, known_events(dataset))
        return self

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of what the trees read, once retrievers are fitted."""
        return feature_names(list(self.retrievers), self._numbers)

    def folds(self, slices: Sequence[LabelledSlice]) -> tuple[Fold, ...]:
        """Which of the slices judge trees of which others."""
        return self._slicing.folds(len(slices))

    def labelled_slices(self, dataset: Dataset) -> tuple[LabelledSlice, ...]:
        """What the trees are fitted to, with the retrievers fitted once a slice.

        The last slice's retrievers stay, so that their names are those of the features. A slice
        without a choice that some retriever found is left out, with a warning.

        Raises:
            NothingToLearnError: fewer than two slices are left.
        """
        known, builders = known_events(dataset), self._choose(dataset)
        self.ties = tie_breaks(dataset.item_ids.ids, self.config.seed)
        self._numbers = ItemNumbers.of(dataset.tokens, dataset.n_items)
        slices: list[LabelledSlice] = []
        for part in self._slicing.cut(dataset, known, self.config.slices, self.config.seed):
            _log.info("Fitting %d retrievers on %d events.", len(builders), len(part.past))
            self._fit_retrievers(builders, dataset, part.past)
            labelled = self._labelled(dataset, part)
            if labelled.chosen.any():
                slices.append(labelled)
            else:
                _log.warning(
                    "The slice after %d events holds no choice to learn from.", len(part.past)
                )
        if len(slices) < _FEWEST_SLICES:
            raise NothingToLearnError(
                "The hybrid needs two slices with a choice that some retriever foretold; there are "
                f"{len(slices)} among {len(known)} events. It takes more events, or other models."
            )
        return tuple(slices)

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items); -inf for what no retriever has among its best, or was had.

        Where `items` says what may be shown, scores and ranks of the retrievers are standardised
        and counted among those, so that they are other scores than those of all items.

        Raises:
            NotFittedError: the hybrid was neither fitted nor loaded.
        """
        allowed = np.ones(len(self.ties), dtype=bool)
        if items is not None:
            allowed[:] = False
            allowed[items] = True
        bags = self._fitted()
        scores = np.full((len(users), len(self.ties)), -np.inf, dtype=np.float32)
        for start in range(0, len(users), _USERS_AT_ONCE):
            found = self.candidates(users.rows(start, start + _USERS_AT_ONCE), allowed)
            if len(found.items):
                told = mean_score(bags, found.features)
                scores[start + found.rows, found.items] = told
        return scores if items is None else scores[:, items]

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items a user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self.ties, exclude=exclude)

    def candidates(self, users: Histories, allowed: np.ndarray | None = None) -> Candidates:
        """What is ranked for the users, with its features.

        Args:
            users: their histories.
            allowed: (n_items,) what may be shown; all by default.
        """
        everything = np.ones(len(self.ties), dtype=bool)
        return candidates_of(
            {name: model.score(users) for name, model in self.retrievers.items()},
            users,
            self._statistics,
            self._numbers,
            self.ties,
            self.config.candidates,
            everything if allowed is None else allowed,
        )

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """See `models.protocol.Maskable`: each retriever that reads tokens reads these."""
        other = copy(self)
        other._numbers = self._numbers.masked(tokens)
        other.retrievers = {
            name: model.masked(tokens) if isinstance(model, Maskable) else model
            for name, model in self.retrievers.items()
        }
        return other

    def feature_worth(self, users: Histories) -> tuple[FeatureWorth, ...]:
        """Gain and mean absolute SHAP value over the users' candidates, the largest SHAP first."""
        bags = self._fitted()
        gains = np.sum([trees.feature_importance("gain") for trees in bags], axis=0)
        told = shap_values(bags, self.candidates(users).features)[:, :-1]
        shares = np.abs(told).mean(axis=0) if len(told) else np.zeros(len(gains))
        found = map(FeatureWorth, bags[0].feature_name(), gains.tolist(), shares.tolist())
        return tuple(sorted(found, key=lambda one: -one.shap))

    def save(self, folder: Path) -> None:
        """Writes trees, statistics and every retriever into an existing folder."""
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
            "times": self._statistics.times,
            "starts": self._statistics.starts,
            "values": self._statistics.values,
            "number-columns": self._numbers.columns,
            "numbers": self._numbers.values,
        }
        described = {
            "settings": self.config.model_dump(),
            "retrievers": list(self.retrievers),
            "validated": self.validated,
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
            model = cls(config=HMDFConfig.model_validate(described["settings"]))
            model.bags = tuple(
                lgb.Booster(model_str=tensor(arrays, f"trees-{bag}", folder).tobytes().decode())
                for bag in range(model.config.bags)
            )
            names, model.validated = described["retrievers"], float(described["validated"])
        except (KeyError, ValueError, lgb.basic.LightGBMError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole hybrid ({error}); fit the model again."
            ) from error
        model.ties = tensor(arrays, "ties", folder)
        model._statistics = ItemStatistics(
            *(tensor(arrays, name, folder) for name in ("times", "starts", "values"))
        )
        model._numbers = ItemNumbers(
            *(tensor(arrays, name, folder) for name in ("number-columns", "numbers"))
        )
        model.retrievers = {
            name: load_model(folder / f"retriever-{place}") for place, name in enumerate(names)
        }
        if tuple(model.bags[0].feature_name()) != model.feature_names:
            raise ModelFormatError(
                f"The trees in {folder} read other features than this version makes; fit the model "
                "again."
            )
        return model

    def _fit_retrievers(self, builders: Builders, dataset: Dataset, known: Interactions) -> None:
        past = before(dataset, known)
        self.retrievers = fit_all(builders, past, self._processes)
        self._statistics = ItemStatistics.of(known, dataset.n_items)

    def _labelled(self, dataset: Dataset, part: Slice) -> LabelledSlice:
        """Candidates of the users who have a label, and which of them were chosen."""
        users, chosen = _new_choices(part, dataset.n_items)
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
        return LabelledSlice(candidates, np.isin(pairs, chosen), wanted)

    def _fitted(self) -> tuple[lgb.Booster, ...]:
        if not self.bags:
            raise NotFittedError("This hybrid has no trees yet; call fit or load first.")
        return self.bags


def _new_choices(part: Slice, n_items: int) -> tuple[Ints, np.ndarray]:
    """Users (n_users,) who chose what they never had, and their pairs, row · n_items + item."""
    past, labels = part.past, part.labels
    chosen = np.unique(labels.users.astype(np.int64) * n_items + labels.items)
    chosen = chosen[~np.isin(chosen, past.users.astype(np.int64) * n_items + past.items)]
    users = np.unique(chosen // n_items)
    pairs = np.searchsorted(users, chosen // n_items) * n_items + chosen % n_items
    return users.astype(labels.users.dtype), pairs
