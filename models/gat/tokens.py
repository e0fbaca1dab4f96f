"""One vector of an item's tokens, before it reads its neighbours."""

from typing import cast

import torch
from torch import Tensor, nn

from models.content import Content
from models.fusion import fusion_operator
from models.gat.config import GATConfig


class TokenFusion(nn.Module):
    """x_i = Σ_k W_k x_ik + id_i over what is present; 0 for an item that has nothing."""

    def __init__(self, n_modalities: int, n_items: int, config: GATConfig) -> None:
        super().__init__()
        dim = config.dim
        self.token = nn.ModuleList(nn.Linear(config.components, dim) for _ in range(n_modalities))
        self.id = nn.Embedding(n_items, dim)
        nn.init.normal_(self.id.weight, std=dim**-0.5)

    def forward(self, content: Content, items: Tensor, known: Tensor) -> Tensor:
        """Vectors (n, dim).

        Args:
            content: of the n items.
            items: (n,) int64 dense indexes.
            known: (n,) bool, whether the item's id is read.
        """
        x = self.id(items) * known.unsqueeze(1)
        for place, (embed, features) in enumerate(zip(self.token, content.features, strict=True)):
            x = x + embed(features) * content.present[:, place : place + 1]
        return cast(Tensor, x)

    def auxiliary_loss(self, content: Content, items: Tensor, known: Tensor) -> Tensor:
        """What the fusion itself wants made small, () for the same arguments as `forward`."""
        return self.id.weight.new_zeros(())


class OperatorFusion(TokenFusion):
    """x_i = operator(W_1 x_i1, …, W_m x_im, id_i), with a token that stands alone for an item that
    has neither content nor id.
    """

    def __init__(self, n_modalities: int, n_items: int, config: GATConfig) -> None:
        super().__init__(n_modalities, n_items, config)
        self.nothing = nn.Parameter(torch.zeros(config.dim))
        self.operator = fusion_operator(config.operator, n_modalities + 2, config.dim)

    def forward(self, content: Content, items: Tensor, known: Tensor) -> Tensor:
        """See `TokenFusion`."""
        return cast(Tensor, self.operator(*self._tokens(content, items, known)))

    def auxiliary_loss(self, content: Content, items: Tensor, known: Tensor) -> Tensor:
        """See `TokenFusion`."""
        return self.operator.auxiliary_loss(*self._tokens(content, items, known))

    def _tokens(self, content: Content, items: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (n, m + 2, dim) and which are there (n, m + 2)."""
        tokens = [embed(x) for embed, x in zip(self.token, content.features, strict=True)]
        tokens += [self.id(items), self.nothing.expand(len(items), -1)]
        present = torch.cat([content.present, known.unsqueeze(1)], dim=1)
        present = torch.cat([present, ~present.any(dim=1, keepdim=True)], dim=1)
        return torch.stack(tokens, dim=1), present


def token_fusion(n_modalities: int, n_items: int, config: GATConfig) -> TokenFusion:
    """What the setting `operator` says."""
    made = TokenFusion if config.operator == "sum" else OperatorFusion
    return made(n_modalities, n_items, config)
