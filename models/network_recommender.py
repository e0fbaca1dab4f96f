"""What the GAT and the transformer have in common as recommenders: fit, mask, save, load."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from models.averaged_training import AveragedTraining
from models.data import Bools, Dataset, Floats, Histories, Ints, TokenTable, Vocabulary
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state, tensor
from models.protocol import Ranking
from models.ranking import rank, tie_breaks
from models.reducer_state import reducer_arrays, reducers_of
from models.reducers import CrossFitted, fit_reducers
from models.sequences import Scale
from models.trained_by_epochs import ConfigT, TrainedByEpochs
from models.training import Epoch, one_thread, seeded
from models.validation import network_judge
from models.warm_start import EarlierFit, ItemNetwork, earlier_fit, passed_over

NetworkT = TypeVar("NetworkT", bound=ItemNetwork)
Encode = Callable[[], None]
"""Makes the vectors of all items again, from the network in force."""


class NetworkTrainer(Protocol[NetworkT]):
    """Trains one network on one dataset."""

    training: AveragedTraining[NetworkT]

    def epoch(self) -> float:
        """One pass over a draw of the training data; returns the mean loss."""
        ...


class NetworkRecommender(TrainedByEpochs[ConfigT], Generic[ConfigT, NetworkT]):
    """A network that reads item tokens and histories, and keeps a vector of every item.

    Args and further attributes as of `TrainedByEpochs`.

    Attributes:
        bias: (n_items,) popularity; zero for items without training events.
    """

    spoken: str
    """What messages call a model of this kind."""

    def __init__(
        self,
        config: ConfigT | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        super().__init__(config, device, on_epoch)
        self.bias = torch.zeros(0)
        self._network: NetworkT | None = None
        self._reducers: dict[str, CrossFitted] = {}
        self._scale = Scale(0.0, 1.0)

    @abstractmethod
    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default."""

    @abstractmethod
    def _begin(
        self, dataset: Dataset, earlier: EarlierFit | None
    ) -> tuple[NetworkTrainer[NetworkT], Encode]:
        """The trainer of a new network, and what reads the dataset's items by the one in force.

        The network begins where an earlier fit ended, if there is one. Called when `_reducers`,
        `_scale` and `ties` are set and `_network` is not the new one yet: the returned `Encode` may
        read `self.network` only when it is called.
        """

    @abstractmethod
    def _reader(self, tokens: Mapping[str, TokenTable]) -> Encode:
        """What reads all items by these tokens of them."""

    @abstractmethod
    def _with_events(self) -> Bools:
        """Which items (n_items,) had training events in the fit."""

    @abstractmethod
    def _own_arrays(self) -> Mapping[str, Tensor | np.ndarray]:
        """What a version keeps besides weights, reducers and ties."""

    @abstractmethod
    def _restore(
        self, numbers: Mapping[str, np.ndarray], loaded: Mapping[str, Tensor], folder: Path
    ) -> NetworkT:
        """Takes what `_own_arrays` named, and builds the network, whose weights come next."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of every array over them."""
        return tuple(self._reducers)

    @property
    def network(self) -> NetworkT:
        """The fitted network.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        if self._network is None:
            raise NotFittedError(f"This {self.spoken} has no weights yet; call fit or load first.")
        return self._network

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """The same weights over other tokens of the same items; nothing is fitted again.

        Items of the training are read by the regressions that have not seen them, as in the fit, so
        that the tokens of the fit give the model again. What `tokens` lacks is absent.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        other = copy(self)
        other._network = self.network
        with one_thread():
            other._reader(tokens)()
        return other

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items of each user, without those of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self.ties, exclude=exclude)

    def save(self, folder: Path) -> None:
        """Writes weights, vectors of items and settings into an existing folder."""
        arrays = {f"network.{name}": x for name, x in self.network.state_dict().items()}
        numbers = {
            name: x.detach().cpu().numpy() if isinstance(x, Tensor) else x
            for name, x in {**arrays, **self._own_arrays(), "bias": self.bias}.items()
        }
        numbers |= {"ties": self.ties, **reducer_arrays(self._reducers)}
        described = {
            "settings": self.config.model_dump(),
            "modalities": list(self.modalities),
            "value_mean": self._scale.mean,
            "value_deviation": self._scale.deviation,
            "trained_epochs": self.trained_epochs,
        }
        save_state(folder, numbers, described, family=self.name)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a model of this kind, or only part of one.
        """
        numbers, described = load_state(folder, family=cls.name)
        try:
            model = cls(cls.settings_type.model_validate(described["settings"]), device)  # type: ignore[arg-type]
            model._take(numbers, described, folder)
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole {cls.spoken} ({error}); fit the model again."
            ) from error
        return model

    def _take(
        self, numbers: Mapping[str, np.ndarray], described: Mapping[str, Any], folder: Path
    ) -> None:
        """Becomes the model that was saved."""
        self._scale = Scale(described["value_mean"], described["value_deviation"])
        # Absent where an older version fitted it: it answers, and is not fitted again.
        self.trained_epochs = described.get("trained_epochs")
        self.ties = tensor(numbers, "ties", folder)
        self._reducers = reducers_of(described["modalities"], numbers, folder)
        loaded = {name: torch.from_numpy(x).to(self.device) for name, x in numbers.items()}
        self.bias = loaded["bias"]
        network = self._restore(numbers, loaded, folder)
        network.load_state_dict({name: loaded[f"network.{name}"] for name in network.state_dict()})
        self._network = network.eval()

    def _learn(
        self, dataset: Dataset, length: int | None, earlier: EarlierFit | None = None
    ) -> Self:
        """See `TrainedByEpochs`."""
        config = self.config
        self._reducers = (
            fit_reducers(dataset.tokens, dataset.train, config.components, config.seed)
            if earlier is None
            else earlier.reducers
        )
        self._scale = Scale.of(dataset.train.values)
        self.ties = tie_breaks(dataset.item_ids.ids, config.seed)
        with seeded(config.seed), one_thread():
            trainer, encode = self._begin(dataset, earlier)
            self._network = trainer.training.averaged
            self.curve = trainer.training.run(
                trainer.epoch,
                network_judge(dataset, self, config.seed, encode),
                n_events=len(dataset.train),
                on_epoch=self._on_epoch,
                length=length,
                passed_over=passed_over(length, earlier),
            )
            self.trained_epochs = self.curve.best_epoch if length is None else length
            encode()
        return self

    def _as_earlier(self, item_ids: Vocabulary, dataset: Dataset) -> EarlierFit:
        """See `TrainedByEpochs`."""
        return earlier_fit(self.network, self._reducers, self._with_events(), item_ids, dataset)
