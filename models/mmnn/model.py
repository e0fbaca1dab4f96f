"""The MMNN as a recommender: fit, score, recommend, explain, save, load."""

from collections.abc import Callable, Mapping
from copy import copy
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor

from models.content import Content, CrossFitted, Reducer, content_at, fit_reducers
from models.data import Dataset, Floats, Histories, Ints, TokenTable
from models.mmnn.config import MMNNConfig
from models.mmnn.explanation import Explanation, explain
from models.mmnn.fitting import Trainer
from models.mmnn.network import MMNNNetwork
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state, tensor
from models.protocol import Ranking
from models.ranking import rank, tie_breaks
from models.sequences import Scale, recent_of
from models.training import Epoch, TrainingCurve, one_thread, run_epochs, seeded
from models.validation import validation_loss

_USERS_AT_ONCE = 1024


class MMNN:
    """Multimodal neural network: fused item tokens, users as what they did last.

    Attributes:
        config: the settings.
        curve: training loss and validation loss (1 - NDCG@10) an epoch; None before a fit.
        modalities: names of the m modalities the model reads, in order.
        codes: (n_items, d) what the model makes of each item.
        ablated: (m, n_items, d) the codes without each modality, for explanations.
        bias: (n_items,) popularity; zero for items without training events.
        known: (n_items,) which items have training events, and so an id that says something.
    """

    name = "mmnn"

    def __init__(
        self,
        config: MMNNConfig | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        self.config = config or MMNNConfig()
        self.device = torch.device(device)
        self.curve: TrainingCurve | None = None
        self._on_epoch = on_epoch
        self._network: MMNNNetwork | None = None
        self._reducers: dict[str, CrossFitted] = {}
        self._scale = Scale(0.0, 1.0)
        self._context = 0
        self.known = torch.zeros(0, dtype=torch.bool)
        self.ties = np.zeros(0, dtype=np.int32)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of every array over them."""
        return tuple(self._reducers)

    @property
    def network(self) -> MMNNNetwork:
        """The fitted network.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        if self._network is None:
            raise NotFittedError("This MMNN has no weights yet; call fit or load first.")
        return self._network

    def fit(self, dataset: Dataset) -> Self:
        """Learns from the training events, and stops by the validation events."""
        seen = np.zeros(dataset.n_items, dtype=bool)
        seen[dataset.train.items] = True
        self.known = torch.from_numpy(seen).to(self.device)
        self._reducers = fit_reducers(
            dataset.tokens, dataset.train, self.config.components, self.config.seed
        )
        self._scale = Scale.of(dataset.train.values)
        self._context = dataset.context.shape[1]
        self.ties = tie_breaks(dataset.item_ids.ids, self.config.seed)
        content = self._content(dataset.tokens)
        with seeded(self.config.seed), one_thread():
            network = self._build(dataset.n_items)
            trainer = Trainer(
                network, dataset, self._reducers, self._scale, self.config, self.device
            )
            self._network = averaged = cast(MMNNNetwork, trainer.averaged.module)
            loss = validation_loss(dataset, self.score, self.config.seed)

            def validate() -> float:
                self._encode(content)
                return loss()

            averaged.eval()
            self.curve = run_epochs(
                averaged,
                trainer.epoch,
                validate,
                start=validate(),
                epochs=self.config.epochs if len(dataset.train) else 0,
                patience=self.config.patience,
                on_epoch=self._on_epoch,
            )
        self._read(content)
        return self

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """The same weights over other tokens of the same items; nothing is fitted again.

        Items of the training are read by the regressions that have not seen them, as in the fit, so
        that the tokens of the fit give the model again. What `tokens` lacks is absent.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        other = copy(self)
        other._read(self._content(tokens))
        return other

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default."""
        chosen = slice(None) if items is None else torch.from_numpy(items.astype(np.int64))
        network = self.network
        codes, bias = self.codes[chosen], self.bias[chosen]
        blocks = [
            network.logits(self.user_vectors(block), codes, bias).float().cpu().numpy()
            for block in _blocks(users)
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, len(bias)), dtype=np.float32)

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items a user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self.ties, exclude=exclude)

    def explain(self, users: Histories, items: Ints) -> Explanation:
        """Which modality and which past events moved the scores of items (n_users, k) most.

        An item of -1 has no reason: zero shares, past items of -1.
        """
        return explain(self, users, items)

    def encode_items(self, tokens: Mapping[str, TokenTable]) -> Floats:
        """Codes (n, d) of n new items from their content alone; `u · code` is their score."""
        n_items = max((table.n_items for table in tokens.values()), default=0)
        whole = {name: reducer.whole for name, reducer in self._reducers.items()}
        content = content_at(tokens, whole, n_items).to(self.device)
        unknown = torch.zeros(n_items, dtype=torch.bool, device=self.device)
        with torch.no_grad():
            nobody = torch.zeros(n_items, dtype=torch.int64, device=self.device)
            codes: Tensor = self.network.items(content, nobody, unknown)
        return codes.cpu().numpy()

    @torch.no_grad()
    def user_vectors(self, users: Histories) -> Tensor:
        """Vectors (n_users, d) of users by what they did last."""
        past = recent_of(users, self._scale, self.config.history).to(self.device)
        vectors: Tensor = self.network.users(self.codes[past.items], past.values, past.present)
        return vectors

    def save(self, folder: Path) -> None:
        """Writes weights, codes and settings into an existing folder."""
        arrays = {f"network.{name}": x for name, x in self.network.state_dict().items()}
        arrays |= {"codes": self.codes, "ablated": self.ablated, "bias": self.bias}
        arrays["known"] = self.known
        numbers = {name: x.detach().cpu().numpy() for name, x in arrays.items()}
        numbers["ties"] = self.ties
        for name, reducer in self._reducers.items():
            numbers |= _reducer_arrays(name, reducer)
        save_state(folder, numbers, self._description(), family=self.name)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold an MMNN, or only part of one.
        """
        numbers, described = load_state(folder, family=cls.name)
        try:
            model = cls(MMNNConfig.model_validate(described["settings"]), device)
            model._scale = Scale(described["value_mean"], described["value_deviation"])
            model._context = described["n_context"]
            model._reducers = {
                name: _reducer_of(name, numbers, folder) for name in described["modalities"]
            }
            loaded = {name: torch.from_numpy(x).to(model.device) for name, x in numbers.items()}
            model.codes, model.ablated = loaded["codes"], loaded["ablated"]
            model.bias, model.known = loaded["bias"], loaded["known"]
            model.ties = tensor(numbers, "ties", folder)
            network = model._build(len(model.bias))
            network.load_state_dict(
                {name: loaded[f"network.{name}"] for name in network.state_dict()}
            )
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole MMNN ({error}); fit the model again."
            ) from error
        network.eval()
        return model

    def _build(self, n_items: int) -> MMNNNetwork:
        network = MMNNNetwork(len(self._reducers), n_items, self._context, self.config)
        network.to(self.device)
        self._network = network
        return network

    def _content(self, tokens: Mapping[str, TokenTable]) -> Content:
        return content_at(tokens, self._reducers, len(self.known)).to(self.device)

    def _read(self, content: Content) -> None:
        """Codes, with all modalities and without each."""
        self._encode(content)
        self.ablated = torch.stack(
            [self._codes(content.without(place)) for place in range(len(self.modalities))]
            or [torch.zeros(0, *self.codes.shape, device=self.device)]
        )

    @torch.no_grad()
    def _codes(self, content: Content) -> Tensor:
        everything = torch.arange(len(self.known), device=self.device)
        codes: Tensor = self.network.items(content, everything, self.known)
        return codes

    @torch.no_grad()
    def _encode(self, content: Content) -> None:
        self.codes = self._codes(content)
        everything = torch.arange(len(self.known), device=self.device)
        self.bias = self.network.bias(everything, self.known)

    def _description(self) -> dict[str, Any]:
        return {
            "settings": self.config.model_dump(),
            "modalities": list(self.modalities),
            "value_mean": self._scale.mean,
            "value_deviation": self._scale.deviation,
            "n_context": self._context,
        }


def _blocks(users: Histories) -> list[Histories]:
    return [
        users.rows(start, start + _USERS_AT_ONCE) for start in range(0, len(users), _USERS_AT_ONCE)
    ]


def _reducer_arrays(name: str, reducer: CrossFitted) -> dict[str, np.ndarray]:
    """One modality's regressions as arrays: the one of all items, then one a fold."""
    parts = (reducer.whole, *reducer.folds)
    return {
        f"features.{name}.mean": np.stack([part.mean for part in parts]),
        f"features.{name}.components": np.stack([part.components for part in parts]),
        f"features.{name}.fold_of": reducer.fold_of,
    }


def _reducer_of(name: str, arrays: Mapping[str, np.ndarray], folder: Path) -> CrossFitted:
    means, components, fold_of = (
        tensor(arrays, f"features.{name}.{part}", folder)
        for part in ("mean", "components", "fold_of")
    )
    whole, *folds = (Reducer(*part) for part in zip(means, components, strict=True))
    return CrossFitted(whole, tuple(folds), fold_of)
