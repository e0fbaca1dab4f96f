"""The GAT as a recommender: items by a graph, users by their last events."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.content import Content, content_at
from models.data import Bools, Dataset, Floats, Histories, Ints, TokenTable
from models.gat.choices import Choices
from models.gat.config import GATConfig
from models.gat.fitting import Trainer, all_vectors
from models.gat.graph import Graph
from models.gat.graph_state import choices_of, graph_arrays, nearest_of
from models.gat.nearest import NearestItems
from models.gat.network import GATNetwork
from models.network_recommender import Encode, NetworkRecommender
from models.sequences import recent_of
from models.training import Epoch
from models.warm_start import EarlierFit

_USERS_AT_ONCE = 1024


class GAT(NetworkRecommender[GATConfig, GATNetwork]):
    """Graph attention network: items by whom and what they are tied to, users by their last events.

    A user is whatever row of `Histories` is asked about: scores need the vectors of the items and
    the attention that reads a history alone. The users' choices are kept too, since a model that is
    asked with other item tokens walks the graph again: the edges between items are drawn again, so
    that one which lost a modality is no neighbour in it, and the next nearest takes its place. The
    training events stay the edges between users and items.

    Attributes:
        vectors: (n_items, dim) float32 what the graph makes of each item.
    """

    name, spoken = "gat", "GAT"
    settings_type = GATConfig

    def __init__(
        self,
        config: GATConfig | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        super().__init__(config, device, on_epoch)
        self.vectors = torch.zeros(0)
        self._nearest = NearestItems({}, self.config.neighbours)

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

    def _begin(self, dataset: Dataset, earlier: EarlierFit | None) -> tuple[Trainer, Encode]:
        config = self.config
        read = {name: dataset.tokens[name] for name in self._reducers}
        self._nearest = NearestItems.fit(read, config.neighbours)
        self._choices = Choices.of(dataset.train, dataset.n_users, dataset.n_items, self._scale)
        graph, content = self._graph(read), self._content(read)
        trainer = Trainer(
            self._built(), dataset, graph, self._reducers, self._scale, config, self.device, earlier
        )
        return trainer, partial(self._encode, graph, content)

    def _reader(self, tokens: Mapping[str, TokenTable]) -> Encode:
        return partial(self._encode, self._graph(tokens), self._content(tokens))

    def _encode(self, graph: Graph, content: Content) -> None:
        known = graph.choices.chosen
        self.vectors = all_vectors(self.network, graph, content, known, self.config)
        usable = torch.from_numpy(known).to(self.device)
        everything = torch.arange(len(known), device=self.device)
        self.bias = self.network.bias(everything, usable).detach()

    def _with_events(self) -> Bools:
        return self._choices.chosen

    def _own_arrays(self) -> Mapping[str, Tensor | np.ndarray]:
        return {"vectors": self.vectors, **graph_arrays(self._choices, self._nearest)}

    def _restore(
        self, numbers: Mapping[str, np.ndarray], loaded: Mapping[str, Tensor], folder: Path
    ) -> GATNetwork:
        neighbours = self.config.neighbours
        self._nearest = nearest_of(self.modalities, numbers, neighbours, folder)
        self.vectors = loaded["vectors"]
        self._choices = choices_of(numbers, len(self.bias), folder)
        return self._built()

    def _built(self) -> GATNetwork:
        network = GATNetwork(len(self._reducers), self._choices.n_items, self.config)
        return network.to(self.device)

    def _graph(self, tokens: Mapping[str, TokenTable]) -> Graph:
        return Graph(self._choices, self._nearest(tokens, self._choices.n_items))

    def _content(self, tokens: Mapping[str, TokenTable]) -> Content:
        return content_at(tokens, self._reducers, self._choices.n_items)
