"""The GAT as a recommender: fit, score, recommend, save, load."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import torch
from torch import Tensor

from models.content import Content, content_at, fit_reducers
from models.data import Bools, Dataset, Floats, Histories, Ints
from models.gat.config import GATConfig
from models.gat.fitting import Trainer, all_vectors
from models.gat.graph import Graph
from models.gat.network import GATNetwork, UserEncoder
from models.persistence import ModelFormatError, NotFittedError, load_state, save_state, tensor
from models.protocol import Ranking
from models.ranking import rank, tie_breaks
from models.sequences import Scale, recent_of
from models.training import Epoch, TrainingCurve, one_thread, run_epochs, seeded
from models.validation import validation_loss

_USERS_AT_ONCE = 1024


class GAT:
    """Graph attention network: items by whom and what they are tied to, users by their last events.

    The graph is needed to fit alone. What is kept are the vectors of all items and the attention
    that reads a history, so that a user is whatever row of `Histories` is asked about.

    Attributes:
        config: the settings.
        curve: training loss and validation loss (1 - NDCG@10) an epoch; None before a fit.
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
        self._on_epoch = on_epoch
        self._users: UserEncoder | None = None
        self._scale = Scale(0.0, 1.0)
        self.ties = np.zeros(0, dtype=np.int32)

    @property
    def users(self) -> UserEncoder:
        """The attention that reads a history.

        Raises:
            NotFittedError: the model was neither fitted nor loaded.
        """
        if self._users is None:
            raise NotFittedError("This GAT has no weights yet; call fit or load first.")
        return self._users

    def fit(self, dataset: Dataset) -> Self:
        """Learns from the training events, and stops by the validation events."""
        config = self.config
        reducers = fit_reducers(dataset.tokens, dataset.train, config.components, config.seed)
        self._scale = Scale.of(dataset.train.values)
        self.ties = tie_breaks(dataset.item_ids.ids, config.seed)
        graph = Graph.of(dataset, tuple(reducers), config.neighbours, self._scale)
        content = content_at(dataset.tokens, reducers, dataset.n_items)
        known = np.zeros(dataset.n_items, dtype=bool)
        known[dataset.train.items] = True
        with seeded(config.seed), one_thread():
            network = GATNetwork(len(reducers), dataset.n_items, config).to(self.device)
            trainer = Trainer(network, dataset, graph, reducers, self._scale, config, self.device)
            averaged = cast(GATNetwork, trainer.averaged.module)
            self._users = averaged.users
            loss = validation_loss(dataset, self.score, config.seed)

            def validate() -> float:
                self._encode(averaged, graph, content, known)
                return loss()

            averaged.eval()
            self.curve = run_epochs(
                averaged,
                trainer.epoch,
                validate,
                start=validate(),
                epochs=config.epochs if len(dataset.train) else 0,
                patience=config.patience,
                on_epoch=self._on_epoch,
            )
            self._encode(averaged, graph, content, known)
        return self

    @torch.no_grad()
    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default."""
        encoder = self.users
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
        """Writes the item vectors, the history's attention and the settings into a folder."""
        arrays: dict[str, Tensor] = {
            f"users.{name}": x for name, x in self.users.state_dict().items()
        }
        arrays |= {"vectors": self.vectors, "bias": self.bias}
        numbers = {name: x.detach().cpu().numpy() for name, x in arrays.items()}
        numbers["ties"] = self.ties
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
            model.ties = tensor(numbers, "ties", folder)
            loaded = {name: torch.from_numpy(x).to(model.device) for name, x in numbers.items()}
            model.vectors, model.bias = loaded["vectors"], loaded["bias"]
            users = UserEncoder(model.config).to(model.device)
            users.load_state_dict({name: loaded[f"users.{name}"] for name in users.state_dict()})
        except (KeyError, ValueError, RuntimeError) as error:
            raise ModelFormatError(
                f"{folder} does not hold a whole GAT ({error}); fit the model again."
            ) from error
        users.eval()
        model._users = users
        return model

    def _encode(self, network: GATNetwork, graph: Graph, content: Content, known: Bools) -> None:
        self.vectors = all_vectors(network, graph, content, known, self.config)
        usable = torch.from_numpy(known).to(self.device)
        everything = torch.arange(len(known), device=self.device)
        self.bias = network.bias(everything, usable).detach()

    def _description(self) -> dict[str, Any]:
        return {
            "settings": self.config.model_dump(),
            "value_mean": self._scale.mean,
            "value_deviation": self._scale.deviation,
        }
