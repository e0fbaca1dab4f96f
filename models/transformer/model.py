"""The transformer as a recommender: fit, score, recommend, save, load."""

from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from models.content import Content, content_at
from models.data import Dataset, Floats, Histories, Ints, TokenTable
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state, tensor
from models.protocol import Ranking
from models.ranking import rank, tie_breaks
from models.reducer_state import reducer_arrays, reducers_of
from models.reducers import CrossFitted, fit_reducers
from models.sequences import Scale
from models.training import Epoch, TrainingCurve, one_thread, refit_length, seeded
from models.transformer.config import TransformerConfig
from models.transformer.fitting import Trainer
from models.transformer.network import Codes, TransformerNetwork
from models.transformer.windows import Log
from models.validation import network_judge

_ITEMS_AT_ONCE = 8192
_NUMBERS_AT_ONCE = 500_000
"""Pairs of a past event and a candidate; as many as the processor's cache holds."""


class Transformer:
    """Encoded item tokens, a causal decoder over a history, candidates that look back at it.

    Attributes:
        config: the settings.
        curve: training loss and validation loss (1 - NDCG@10) an epoch; None before a fit.
        trained_epochs: whose weights were kept, and how long a refit trains; None before a fit.
        modalities: names of the m modalities the model reads, in order.
        codes: (n_items, e) what the model makes of each item, as read and as wanted.
        bias: (n_items,) popularity; zero for items without training events.
        known: (n_items,) which items have training events, and so an id that says something.
    """

    name = "transformer"

    def __init__(
        self,
        config: TransformerConfig | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        self.config = config or TransformerConfig()
        self.device = torch.device(device)
        self.curve: TrainingCurve | None = None
        self.trained_epochs: int | None = None
        self._on_epoch = on_epoch
        self._network: TransformerNetwork | None = None
        self._reducers: dict[str, CrossFitted] = {}
        self._scale = Scale(0.0, 1.0)
        self.known = torch.zeros(0, dtype=torch.bool)
        self.ties = np.zeros(0, dtype=np.int32)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of every array over them."""
        return tuple(self._reducers)

    @property
    def network(self) -> TransformerNetwork:
        """The fitted network.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        if self._network is None:
            raise NotFittedError("This transformer has no weights yet; call fit or load first.")
        return self._network

    def fit(self, dataset: Dataset) -> Self:
        """Learns from the training events, and stops by the validation events."""
        return self._learn(dataset, None)

    def refitted(self, dataset: Dataset) -> Self:
        """See `models.protocol.Refittable`."""
        length = refit_length(self.name, self.trained_epochs)
        other = type(self)(self.config, str(self.device), self._on_epoch)
        return other._learn(dataset, length)

    def _learn(self, dataset: Dataset, length: int | None) -> Self:
        """Learns from the training events for as many epochs as `length` or validation says."""
        config = self.config
        seen = np.zeros(dataset.n_items, dtype=bool)
        seen[dataset.train.items] = True
        self.known = torch.from_numpy(seen).to(self.device)
        self._reducers = fit_reducers(dataset.tokens, dataset.train, config.components, config.seed)
        self._scale = Scale.of(dataset.train.values)
        self.ties = tie_breaks(dataset.item_ids.ids, config.seed)
        content = self._content(dataset.tokens)
        with seeded(config.seed), one_thread():
            network = self._build(dataset.n_items)
            trainer = Trainer(network, dataset, self._reducers, self._scale, config, self.device)
            self._network = trainer.training.averaged
            encode = partial(self._encode, content)
            judge = network_judge(dataset, self, config.seed, encode)
            self.curve = trainer.training.run(
                trainer.epoch,
                judge,
                n_events=len(dataset.train),
                on_epoch=self._on_epoch,
                length=length,
            )
            self.trained_epochs = self.curve.best_epoch
            encode()
        return self

    def masked(self, tokens: Mapping[str, TokenTable]) -> Self:
        """The same weights over other tokens of the same items; nothing is fitted again.

        Items of the training are read by the regressions that have not seen them, as in the fit, so
        that the tokens of the fit give the model again. What `tokens` lacks is absent.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        other = copy(self)
        with one_thread():
            other._encode(self._content(tokens))
        return other

    @torch.no_grad()
    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default."""
        network = self.network
        chosen = slice(None) if items is None else torch.from_numpy(items.astype(np.int64))
        wanted, bias = self.codes.wanted[chosen], self.bias[chosen]
        starts, stops = users.offsets[:-1], users.offsets[1:]
        log = Log.of(users, starts, self._scale, self.config.gap_buckets)
        starts = np.maximum(starts, stops - self.config.history)
        # Users of like lengths together, so that little is padded.
        order = np.argsort(stops - starts, kind="stable")
        size = max(1, _NUMBERS_AT_ONCE // (max(1, len(bias)) * (self.config.history + 1)))
        scores = np.empty((len(users), len(bias)), dtype=np.float32)
        for rows in (order[first : first + size] for first in range(0, len(order), size)):
            sequences = log.read(starts[rows], stops[rows]).to(self.device)
            last = sequences.present.sum(dim=1, keepdim=True)
            found = network.logits(self.codes.read, sequences, last, wanted, bias)
            scores[rows] = found[:, 0].float().cpu().numpy()
        return scores

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items a user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self.ties, exclude=exclude)

    def save(self, folder: Path) -> None:
        """Writes weights, codes and settings into an existing folder."""
        arrays = {f"network.{name}": x for name, x in self.network.state_dict().items()}
        arrays |= {"read": self.codes.read, "wanted": self.codes.wanted}
        arrays |= {"bias": self.bias, "known": self.known}
        numbers = {name: x.detach().cpu().numpy() for name, x in arrays.items()}
        numbers |= {"ties": self.ties, **reducer_arrays(self._reducers)}
        save_state(folder, numbers, self._description(), family=self.name)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a transformer, or only part of one.
        """
        numbers, described = load_state(folder, family=cls.name)
        try:
            model = cls(TransformerConfig.model_validate(described["settings"]), device)
            model._scale = Scale(described["value_mean"], described["value_deviation"])
            # Absent where an older version fitted it: it answers, and is not fitted again.
            model.trained_epochs = described.get("trained_epochs")
            model._reducers = reducers_of(described["modalities"], numbers, folder)
            model.ties = tensor(numbers, "ties", folder)
            loaded = {name: torch.from_numpy(x).to(model.device) for name, x in numbers.items()}
            model.codes = Codes(loaded["read"], loaded["wanted"])
            model.bias, model.known = loaded["bias"], loaded["known"]
            network = model._build(len(model.bias))
            network.load_state_dict(
                {name: loaded[f"network.{name}"] for name in network.state_dict()}
            )
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole transformer ({error}); fit the model again."
            ) from error
        network.eval()
        return model

    def _build(self, n_items: int) -> TransformerNetwork:
        network = TransformerNetwork(len(self._reducers), n_items, self.config)
        network.to(self.device)
        self._network = network
        return network

    def _content(self, tokens: Mapping[str, TokenTable]) -> Content:
        return content_at(tokens, self._reducers, len(self.known)).to(self.device)

    @torch.no_grad()
    def _encode(self, content: Content) -> None:
        everything = torch.arange(len(self.known), device=self.device)
        parts = [
            self.network.items(content.take(block), block, self.known[block])
            for block in torch.split(everything, _ITEMS_AT_ONCE)
        ]
        self.codes = Codes(
            torch.cat([part.read for part in parts]), torch.cat([part.wanted for part in parts])
        )
        self.bias = self.network.bias(everything, self.known)

    def _description(self) -> dict[str, Any]:
        return {
            "settings": self.config.model_dump(),
            "modalities": list(self.modalities),
            "value_mean": self._scale.mean,
            "value_deviation": self._scale.deviation,
            "trained_epochs": self.trained_epochs,
        }
