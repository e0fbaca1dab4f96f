"""The MMNN: how it learns, its other catalogues, and how it is kept."""

from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from models.content import content_at
from models.data import Dataset, Floats, Ints, TokenTable, Vocabulary
from models.extending import further_ties
from models.mmnn.config import MMNNConfig, TaskName
from models.mmnn.extension import ExtendedItems, content_of_further
from models.mmnn.fitted import FittedMMNN
from models.mmnn.fitting import Trainer
from models.mmnn.item_codes import FittedItems
from models.mmnn.network import MissingHeadError, MMNNNetwork
from models.mmnn.ratings import RatingState, fit_ratings, predict_ratings
from models.mmnn.recommender import MMNNRecommender
from models.mmnn.state import SavedMMNN, put_together, taken_apart
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state
from models.protocol import WarmStartError
from models.ranking import tie_breaks
from models.reducers import fit_reducers
from models.sequences import Scale
from models.trained_by_epochs import TrainedByEpochs
from models.training import Epoch, one_thread, seeded
from models.validation import network_judge
from models.warm_start import EarlierFit, earlier_fit, passed_over

_UNFITTED = "This MMNN has no weights yet; call fit or load first."


class MMNN(TrainedByEpochs[MMNNConfig], MMNNRecommender):
    """Multimodal neural network: fused item tokens, users as what they did last.

    Args and further attributes as of `TrainedByEpochs`.

    Attributes:
        task_weights: what the loss of each task was multiplied by at the end of the fit.
        ratings: what a predicted value needs in addition to the network; None without the task
            rating.
    """

    settings_type = MMNNConfig

    def __init__(
        self,
        config: MMNNConfig | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        super().__init__(config, device, on_epoch)
        self.task_weights: dict[TaskName, float] = {}
        self.ratings: RatingState | None = None
        self._items: FittedItems | None = None
        self._answers: FittedMMNN | None = None

    @property
    def fitted(self) -> FittedMMNN:
        """What the answers are made of.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        if self._answers is None:
            raise NotFittedError(_UNFITTED)
        return self._answers

    @property
    def items(self) -> FittedItems:
        """What the network makes of the items of the fit.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        if self._items is None:
            raise NotFittedError(_UNFITTED)
        return self._items

    @property
    def network(self) -> MMNNNetwork:
        """The fitted network.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        return self.fitted.network

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of every array over them; none before a fit."""
        return self._answers.modalities if self._answers else ()

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """The same weights over other tokens of the same items; nothing is fitted again.

        Items of the training are read by the regressions that have not seen them, as in the fit, so
        that the tokens of the fit give the model again. What `tokens` lacks is absent.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        fitted, known = self.fitted, self.items.known
        content = content_at(tokens, fitted.reducers, len(known)).to(self.device)
        other = copy(self)
        other._answer_from(fitted, FittedItems.read(fitted.network, content, known))
        return other

    def extended(self, tokens: Mapping[str, TokenTable], places: Ints) -> MMNNRecommender:
        """The same weights over further and changed items; see `models.protocol.Extendable`."""
        fitted = self.fitted
        content = content_of_further(fitted.reducers, tokens, places, self.items.n_items)
        items = ExtendedItems(fitted.network, self.items, content.to(self.device), places)
        return MMNNRecommender(fitted.over(items), further_ties(self.ties, places))

    def predict_ratings(self, users: Ints, items: Ints) -> Floats:
        """Values (n,) of pairs of dense indexes, within the range of the training values.

        A user is what they did in training; -1 is an unknown user or item.

        Raises:
            MissingHeadError: rating is not among the tasks.
            NotFittedError: the model was neither fitted nor loaded.
        """
        fitted = self.fitted
        if self.ratings is None:
            raise MissingHeadError("rating")
        return predict_ratings(fitted, self.ratings, users, items)

    @torch.no_grad()
    def encode_items(self, tokens: Mapping[str, TokenTable]) -> Floats:
        """Codes (n, e) of n new items from their content alone; `u · code` is their score."""
        n_items = max((table.n_items for table in tokens.values()), default=0)
        codes = self.network.retrieval.candidates(self.fitted.new_codes(tokens, n_items))
        return codes.cpu().numpy()

    def save(self, folder: Path) -> None:
        """Writes weights, codes and settings into an existing folder."""
        saved = SavedMMNN(
            self.fitted, self.items, self.ties, self.ratings, self.task_weights, self.trained_epochs
        )
        save_state(folder, *taken_apart(saved), family=self.name)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold an MMNN, or only part of one.
        """
        arrays, described = load_state(folder, family=cls.name)
        try:
            model = cls(MMNNConfig.model_validate(described["settings"]), device)
            saved = put_together(model.config, model.device, arrays, described, folder)
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole MMNN ({error}); fit the model again."
            ) from error
        model.ties, model.ratings = saved.ties, saved.ratings
        model.task_weights, model.trained_epochs = saved.task_weights, saved.trained_epochs
        model._answer_from(saved.fitted, saved.items)
        return model

    def _learn(
        self, dataset: Dataset, length: int | None, earlier: EarlierFit | None = None
    ) -> Self:
        """See `TrainedByEpochs`."""
        config = self.config
        reducers = (
            fit_reducers(dataset.tokens, dataset.train, config.components, config.seed)
            if earlier is None
            else earlier.reducers
        )
        scale, n_context = Scale.of(dataset.train.values), dataset.context.shape[1]
        self.ties = tie_breaks(dataset.item_ids.ids, config.seed)
        content = content_at(dataset.tokens, reducers, dataset.n_items).to(self.device)
        known = _known(dataset).to(self.device)
        with seeded(config.seed), one_thread():
            network = MMNNNetwork(len(reducers), dataset.n_items, n_context, config)
            trainer = Trainer(
                network.to(self.device), dataset, reducers, scale, config, self.device, earlier
            )
            averaged = trainer.training.averaged

            def encode() -> None:
                items = FittedItems.read(averaged, content, known)
                fitted = FittedMMNN(averaged, items, config, reducers, scale, n_context)
                self._answer_from(fitted, items)

            self.curve = trainer.training.run(
                trainer.epoch,
                network_judge(dataset, self, config.seed, encode),
                n_events=len(dataset.train),
                on_epoch=self._on_epoch,
                length=length,
                passed_over=passed_over(length, earlier),
            )
            self.trained_epochs = self.curve.best_epoch if length is None else length
            self.task_weights = trainer.weights.factors()
            encode()
            if "rating" in config.tasks:
                self.ratings = fit_ratings(self.fitted, dataset)
        return self

    def _as_earlier(self, item_ids: Vocabulary, dataset: Dataset) -> EarlierFit:
        """See `TrainedByEpochs`."""
        fitted = self.fitted
        if fitted.n_context != dataset.context.shape[1]:
            raise WarmStartError(
                f"it reads {fitted.n_context} statistics of an event, and there are "
                f"{dataset.context.shape[1]}"
            )
        known = self.items.known.cpu().numpy()
        return earlier_fit(fitted.network, fitted.reducers, known, item_ids, dataset)

    def _answer_from(self, fitted: FittedMMNN, items: FittedItems) -> None:
        """Answers over these items from now on."""
        self._items, self._answers = items, fitted.over(items)


def _known(dataset: Dataset) -> Tensor:
    """Which items (n_items,) have training events."""
    seen = np.zeros(dataset.n_items, dtype=bool)
    seen[dataset.train.items] = True
    return torch.from_numpy(seen)
