"""The GAT as a recommender: fit, score, recommend, save, load."""

from collections.abc import Callable, Mapping
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from models.content import Content, content_at
from models.data import Dataset, Floats, Histories, Ints, TokenTable
from models.gat.choices import Choices
from models.gat.config import GATConfig
from models.gat.fitting import Trainer, all_vectors
from models.gat.graph import Graph
from models.gat.graph_state import choices_of, graph_arrays, nearest_of
from models.gat.nearest import NearestItems
from models.gat.network import GATNetwork
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state, tensor
from models.protocol import Ranking
from models.ranking import rank, tie_breaks
from models.reducer_state import reducer_arrays, reducers_of
from models.reducers import CrossFitted, fit_reducers
from models.sequences import Scale, recent_of
from models.training import Epoch, TrainingCurve, one_thread, refit_length, seeded
from models.validation import network_judge

_USERS_AT_ONCE = 1024


class GAT:
    """Graph attention network: items by whom and what they are tied to, users by their last events.

    A user is whatever row of `Histories` is asked about: scores need the vectors of the items and
    the attention that reads a history alone. The users' choices are kept too, since a model that is
    asked with other item tokens walks the graph again.

    Attributes:
        config: the settings.
        curve: training loss and validation loss (1 - NDCG@10) an epoch; None before a fit.
        trained_epochs: whose weights were kept, and how long a refit trains; None before a fit.
        modalities: names of the m modalities the model reads, in order.
        vectors: (n_items, w) float32 what the graph makes of each item.
        bias: (n_items,) popularity; zero for items without training events.
    """

    name = "gat"

    def __init__(
        self,
        config: GATConfig | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        self.config = config or GATConfig()
        self.device = torch.device(device)
        self.curve: TrainingCurve | None = None
        self.trained_epochs: int | None = None
        self._on_epoch = on_epoch
        self._network: GATNetwork | None = None
        self._reducers: dict[str, CrossFitted] = {}
        self._nearest = NearestItems({}, self.config.neighbours)
        self._scale = Scale(0.0, 1.0)
        self.ties = np.zeros(0, dtype=np.int32)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of every array over them."""
        return tuple(self._reducers)

    @property
    def network(self) -> GATNetwork:
        """The fitted network.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        if self._network is None:
            raise NotFittedError("This GAT has no weights yet; call fit or load first.")
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
        self._reducers = fit_reducers(dataset.tokens, dataset.train, config.components, config.seed)
        read = {name: dataset.tokens[name] for name in self._reducers}
        self._nearest = NearestItems.fit(read, config.neighbours)
        self._scale = Scale.of(dataset.train.values)
        self._choices = Choices.of(dataset.train, dataset.n_users, dataset.n_items, self._scale)
        self.ties = tie_breaks(dataset.item_ids.ids, config.seed)
        with seeded(config.seed), one_thread():
            graph, content = self._graph(read), self._content(read)
            network = self._build()
            trainer = Trainer(
                network, dataset, graph, self._reducers, self._scale, config, self.device
            )
            self._network = averaged = trainer.training.averaged
            encode = partial(self._encode, averaged, graph, content)
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
        """The same weights over the graph that other tokens of the same items make.

        Nothing is fitted again. The edges between items are drawn again from `tokens`: an item that
        lost a modality is no neighbour in it, and the next nearest takes its place. Features are
        still standardised as those of the fit were, and the training events stay the edges between
        users and items, so that the tokens of the fit give the model again. What `tokens` lacks is
        absent.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        network, other = self.network, copy(self)
        with one_thread():
            other._encode(network, self._graph(tokens), self._content(tokens))
        return other

    @torch.no_grad()
    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default."""
        encoder = self.network.users
        chosen = slice(None) if items is None else torch.from_numpy(items.astype(np.int64))
        vectors, bias = self.vectors[chosen], self.bias[chosen]
        scores = np.zeros((len(users), len(bias)), dtype=np.float32)
        for start in range(0, len(users), _USERS_AT_ONCE):
            stop = start + _USERS_AT_ONCE
            past = recent_of(users.rows(start, stop), self._scale, self.config.history)
            past = past.to(self.device)
            read_items, places = torch.unique(past.items, return_inverse=True)
            read = encoder(self.vectors[read_items], places, past.values, past.present)
            scores[start:stop] = (read @ vectors.T + bias).float().cpu().numpy()
        return scores

    def recommend(self, users: Histories, k: int, exclude: Histories | None = None) -> Ranking:
        """The k best items a user, without the items of `exclude` (same users, row by row)."""
        return rank(self.score, users, k, self.ties, exclude=exclude)

    def save(self, folder: Path) -> None:
        """Writes weights, item vectors, the users' choices and settings into an existing folder."""
        arrays = {f"network.{name}": x for name, x in self.network.state_dict().items()}
        arrays |= {"vectors": self.vectors, "bias": self.bias}
        numbers = {name: x.detach().cpu().numpy() for name, x in arrays.items()}
        numbers |= {"ties": self.ties, **reducer_arrays(self._reducers)}
        numbers |= graph_arrays(self._choices, self._nearest)
        save_state(folder, numbers, self._description(), family=self.name)

    @classmethod
    def load(cls, folder: Path, device: str = "cpu") -> Self:
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder does not hold a GAT, or only part of one.
        """
        numbers, described = load_state(folder, family=cls.name)
        try:
            model = cls(GATConfig.model_validate(described["settings"]), device)
            model._scale = Scale(described["value_mean"], described["value_deviation"])
            # Absent where an older version fitted it: it answers, and is not fitted again.
            model.trained_epochs = described.get("trained_epochs")
            model.ties = tensor(numbers, "ties", folder)
            modalities = described["modalities"]
            model._reducers = reducers_of(modalities, numbers, folder)
            model._nearest = nearest_of(modalities, numbers, model.config.neighbours, folder)
            loaded = {name: torch.from_numpy(x).to(model.device) for name, x in numbers.items()}
            model.vectors, model.bias = loaded["vectors"], loaded["bias"]
            model._choices = choices_of(numbers, len(model.bias), folder)
            network = model._build()
            network.load_state_dict(
                {name: loaded[f"network.{name}"] for name in network.state_dict()}
            )
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole GAT ({error}); fit the model again."
            ) from error
        network.eval()
        return model

    def _build(self) -> GATNetwork:
        network = GATNetwork(len(self._reducers), self._choices.n_items, self.config)
        network.to(self.device)
        self._network = network
        return network

    def _graph(self, tokens: Mapping[str, TokenTable]) -> Graph:
        return Graph(self._choices, self._nearest(tokens, self._choices.n_items))

    def _content(self, tokens: Mapping[str, TokenTable]) -> Content:
        return content_at(tokens, self._reducers, self._choices.n_items)

    def _encode(self, network: GATNetwork, graph: Graph, content: Content) -> None:
        known = graph.choices.chosen
        self.vectors = all_vectors(network, graph, content, known, self.config)
        usable = torch.from_numpy(known).to(self.device)
        everything = torch.arange(len(known), device=self.device)
        self.bias = network.bias(everything, usable).detach()

    def _description(self) -> dict[str, Any]:
        return {
            "settings": self.config.model_dump(),
            "modalities": list(self.modalities),
            "value_mean": self._scale.mean,
            "value_deviation": self._scale.deviation,
            "trained_epochs": self.trained_epochs,
        }
