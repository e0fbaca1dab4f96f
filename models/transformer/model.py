"""The transformer as a recommender: item tokens, and a decoder over a history."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.content import Content, content_at
from models.data import Bools, Dataset, Floats, Histories, Ints, TokenTable
from models.network_recommender import Encode, NetworkRecommender
from models.training import Epoch
from models.transformer.config import TransformerConfig
from models.transformer.fitting import Trainer
from models.transformer.network import Codes, TransformerNetwork
from models.transformer.windows import Log
from models.warm_start import EarlierFit

_ITEMS_AT_ONCE = 8192
_NUMBERS_AT_ONCE = 500_000
"""Pairs of a past event and a candidate; as many as the processor's cache holds."""


class Transformer(NetworkRecommender[TransformerConfig, TransformerNetwork]):
    """Encoded item tokens, a causal decoder over a history, candidates that look back at it.

    Attributes:
        codes: (n_items, e) what the model makes of each item, as read and as wanted.
        known: (n_items,) which items have training events, and so an id that says something.
    """

    name, spoken = "transformer", "transformer"
    settings_type = TransformerConfig

    def __init__(
        self,
        config: TransformerConfig | None = None,
        device: str = "cpu",
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        super().__init__(config, device, on_epoch)
        self.codes = Codes(torch.zeros(0), torch.zeros(0))
        self.known = torch.zeros(0, dtype=torch.bool)

    @torch.no_grad()
    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default."""
        network = self.network
        chosen = slice(None) if items is None else torch.from_numpy(items.astype(np.int64))
        wanted, bias = self.codes.wanted[chosen], self.bias[chosen]
        starts, stops = users.offsets[:-1], users.offsets[1:]
        log = Log.of(users, starts, self._scale, self.config.gap_buckets)
        starts = np.maximum(starts, stops - self.config.history)
        # Users with histories of similar length together, so that little is padded.
        order = np.argsort(stops - starts, kind="stable")
        size = max(1, _NUMBERS_AT_ONCE // (max(1, len(bias)) * (self.config.history + 1)))
        scores = np.empty((len(users), len(bias)), dtype=np.float32)
        for rows in (order[first : first + size] for first in range(0, len(order), size)):
            sequences = log.read(starts[rows], stops[rows]).to(self.device)
            last = sequences.present.sum(dim=1, keepdim=True)
            logits = network.logits(self.codes.read, sequences, last, wanted, bias)
            scores[rows] = logits[:, 0].float().cpu().numpy()
        return scores

    def _begin(self, dataset: Dataset, earlier: EarlierFit | None) -> tuple[Trainer, Encode]:
        seen = np.zeros(dataset.n_items, dtype=bool)
        seen[dataset.train.items] = True
        self.known = torch.from_numpy(seen).to(self.device)
        encode = self._reader(dataset.tokens)
        trainer = Trainer(
            self._built(), dataset, self._reducers, self._scale, self.config, self.device, earlier
        )
        return trainer, encode

    def _reader(self, tokens: Mapping[str, TokenTable]) -> Encode:
        content = content_at(tokens, self._reducers, len(self.known)).to(self.device)
        return partial(self._encode, content)

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

    def _with_events(self) -> Bools:
        known: Bools = self.known.cpu().numpy()
        return known

    def _own_arrays(self) -> Mapping[str, Tensor | np.ndarray]:
        return {"read": self.codes.read, "wanted": self.codes.wanted, "known": self.known}

    def _restore(
        self, numbers: Mapping[str, np.ndarray], loaded: Mapping[str, Tensor], folder: Path
    ) -> TransformerNetwork:
        self.codes = Codes(loaded["read"], loaded["wanted"])
        self.known = loaded["known"]
        return self._built()

    def _built(self) -> TransformerNetwork:
        network = TransformerNetwork(len(self._reducers), len(self.known), self.config)
        return network.to(self.device)
