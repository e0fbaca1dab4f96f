"""An MMNN after its fit: the network, the items it knows, and how it reads users."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.content import content_at
from models.data import Floats, Histories, Ints, TokenTable
from models.mmnn.config import MMNNConfig
from models.mmnn.item_codes import ItemCodes
from models.mmnn.network import MMNNNetwork
from models.reducers import CrossFitted
from models.sequences import Scale, recent_of

_USERS_AT_ONCE = 1024


@dataclass(frozen=True)
class FittedMMNN:
    """What answers, explanations, ratings and clicks are made of.

    Attributes:
        network: with its weights.
        items: what it makes of the items.
        config: of the fit.
        reducers: what reads each modality's own features, by its name.
        scale: mean and deviation of the training values.
        n_context: statistics of an event that the rating head reads.
    """

    network: MMNNNetwork
    items: ItemCodes
    config: MMNNConfig
    reducers: Mapping[str, CrossFitted]
    scale: Scale
    n_context: int

    @property
    def device(self) -> torch.device:
        """Where the network computes."""
        return self.network.popularity.device

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the m modalities, in the order of every array over them."""
        return tuple(self.reducers)

    def over(self, items: ItemCodes) -> "FittedMMNN":
        """The same over other items."""
        return replace(self, items=items)

    @torch.no_grad()
    def user_vectors(self, users: Histories) -> Tensor:
        """Vectors (n_users, e) of users by what they did last."""
        past = recent_of(users, self.scale, self.config.history).to(self.device)
        codes = self.items.codes_of(past.items)
        vectors: Tensor = self.network.users(codes, past.values, past.present)
        return vectors

    @torch.no_grad()
    def scores(self, vectors: Tensor, items: Tensor | None = None) -> Tensor:
        """Scores (n_users, k) of user vectors (n_users, e) and items (k,), all where None."""
        if items is None:
            return self.items.scores(vectors)
        return self.network.products(
            vectors, self.items.candidates_of(items), self.items.bias_of(items)
        )

    @torch.no_grad()
    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        """Scores (n_users, n_items) of `items`, all by default."""
        chosen = None if items is None else torch.from_numpy(items.astype(np.int64))
        # A block of nobody says how many columns there are where there is no user.
        blocks = [
            self.scores(self.user_vectors(block), chosen).float().cpu().numpy()
            for block in _blocks(users) or [users]
        ]
        return np.concatenate(blocks)

    @torch.no_grad()
    def new_codes(self, tokens: Mapping[str, TokenTable], n_items: int) -> Tensor:
        """Codes (n_items, d) of items without an id, from their content alone."""
        whole = {name: reducer.whole for name, reducer in self.reducers.items()}
        content = content_at(tokens, whole, n_items).to(self.device)
        unknown = torch.zeros(n_items, dtype=torch.bool, device=self.device)
        nobody = torch.zeros(n_items, dtype=torch.int64, device=self.device)
        codes: Tensor = self.network.items(content, nobody, unknown)
        return codes


def _blocks(users: Histories) -> list[Histories]:
    return [
        users.rows(start, start + _USERS_AT_ONCE) for start in range(0, len(users), _USERS_AT_ONCE)
    ]
