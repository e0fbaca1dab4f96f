"""The task heads: what is read off a user's vector and an item's code."""

from abc import ABC, abstractmethod
from typing import cast

import torch
from torch import Tensor, nn

from models.mmnn.config import MMNNConfig


class RetrievalHead(nn.Module, ABC):
    """A score that is a product, so that all items can be ranked at once."""

    @abstractmethod
    def candidates(self, codes: Tensor) -> Tensor:
        """Codes (…, d) as candidates (…, e): the score of user vector u is u · candidate."""


class DotProduct(RetrievalHead):
    """s(u, i) = u · c_i."""

    def candidates(self, codes: Tensor) -> Tensor:
        """The codes themselves."""
        return codes


class PairHead(nn.Module, ABC):
    """One number for each pair of a user and an item."""

    @abstractmethod
    def forward(self, users: Tensor, codes: Tensor, context: Tensor) -> Tensor:
        """Numbers (…) of user vectors (…, d), item codes (…, d) and what else is known (…, c)."""


class RatingHead(PairHead):
    """r(u, i) = MLP([u; c_i; context]), the standardised value of an event."""

    def __init__(self, n_context: int, config: MMNNConfig) -> None:
        super().__init__()
        self.mlp = _mlp(2 * (config.dim + config.components) + n_context, config.dim)

    def forward(self, users: Tensor, codes: Tensor, context: Tensor) -> Tensor:
        """See `PairHead`."""
        return cast(Tensor, self.mlp(torch.cat([users, codes, context], dim=-1)).squeeze(-1))


class ClickHead(PairHead):
    """p(u, i) = sigmoid(MLP([u; c_i; u ⊙ c_i])); the head gives the logit.

    The product is handed in, since an MLP learns it badly (Rendle et al. 2020). The context is not
    read: it is a figure of events, and an event that never was has none.
    """

    def __init__(self, config: MMNNConfig) -> None:
        super().__init__()
        self.mlp = _mlp(3 * (config.dim + config.components), config.dim)

    def forward(self, users: Tensor, codes: Tensor, context: Tensor) -> Tensor:
        """See `PairHead`."""
        return cast(Tensor, self.mlp(torch.cat([users, codes, users * codes], dim=-1)).squeeze(-1))


def _mlp(d_in: int, dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(d_in, dim), nn.GELU(), nn.Linear(dim, 1))
