"""Fit, refit and warm start of a model that trains as many epochs as validation finds best."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, Self, TypeVar

import numpy as np
import torch

from models.data import Dataset, Vocabulary
from models.network_config import NetworkConfig
from models.training import Epoch, TrainingCurve, refit_length
from models.warm_start import EarlierFit

ConfigT = TypeVar("ConfigT", bound=NetworkConfig)


class TrainedByEpochs(ABC, Generic[ConfigT]):
    """A network that is fitted until validation no longer gains, and fitted again as long.

    Args:
        config: the settings; the defaults of its kind where there are none.
        device: that the network is on.
        on_epoch: called after each epoch.

    Attributes:
        config: the settings.
        device: that the network is on.
        curve: training loss and validation loss (1 - NDCG@10) per epoch; None before a fit.
        trained_epochs: whose weights were kept, and how long a refit trains; None before a fit.
        ties: (n_items,) the order of equal scores.
    """

    name: str
    settings_type: ClassVar[type[NetworkConfig]]

    def __init__(
        self,
        config: ConfigT | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        self.config: ConfigT = config or self.settings_type()  # type: ignore[assignment]
        self.device = torch.device(device)
        self.curve: TrainingCurve | None = None
        self.trained_epochs: int | None = None
        self.ties = np.zeros(0, dtype=np.int32)
        self._on_epoch = on_epoch

    @abstractmethod
    def _learn(
        self, dataset: Dataset, length: int | None, earlier: EarlierFit | None = None
    ) -> Self:
        """Learns from the training events for as many epochs as `length` or validation says.

        With an earlier fit, of which the length is known, only the last ones of these.
        """

    @abstractmethod
    def _as_earlier(self, item_ids: Vocabulary, dataset: Dataset) -> EarlierFit:
        """What this model has learned, for a network of the dataset.

        Raises:
            WarmStartError: the dataset has other features than this model reads.
        """

    def fit(self, dataset: Dataset) -> Self:
        """Learns from the training events, and stops by the validation events.

        Without validation events the training loss takes their place: nothing else says which epoch
        is best.
        """
        return self._learn(dataset, None)

    def refitted(self, dataset: Dataset) -> Self:
        """See `models.protocol.Refittable`."""
        length = refit_length(self.name, self.trained_epochs)
        other = type(self)(self.config, str(self.device), self._on_epoch)
        return other._learn(dataset, length)

    def warm_started(self, item_ids: Vocabulary, dataset: Dataset) -> Self:
        """See `models.protocol.WarmStartable`.

        It trains the last quarter of the epochs that validation made the recipe train, with the
        step sizes of those.
        """
        length = refit_length(self.name, self.trained_epochs)
        other = type(self)(self.config, str(self.device), self._on_epoch)
        return other._learn(dataset, length, self._as_earlier(item_ids, dataset))
