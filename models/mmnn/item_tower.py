"""From an item's tokens to its code."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from models.content import Content
from models.fusion import fusion_operator
from models.mmnn.config import MMNNConfig


class ItemTower(nn.Module, ABC):
    """token_k = LayerNorm(W_k x_k), and a code of the tokens.

    The tokens are the modalities, the item's id, and one that stands alone where an item has
    neither: m + 2 places.
    """

    def __init__(self, n_modalities: int, n_items: int, config: MMNNConfig) -> None:
        super().__init__()
        dim, width = config.dim, config.components
        self.width = width
        self.token = nn.ModuleList(
            nn.Sequential(nn.Linear(width, dim), nn.LayerNorm(dim)) for _ in range(n_modalities)
        )
        self.id = nn.Embedding(n_items, dim)
        self.id_norm = nn.LayerNorm(dim)
        self.nothing = nn.Parameter(torch.zeros(dim))
        self.blend = nn.Parameter(torch.ones(n_modalities))

    def forward(self, content: Content, items: Tensor, known: Tensor) -> Tensor:
        """Codes (n, d) of items (n,) int64; `known` (n,) says id or no id."""
        return self.codes(content, *self.tokens(content, items, known))

    def tokens(self, content: Content, items: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (n, m + 2, dim) of items and which are present (n, m + 2), as `forward` does."""
        tokens = [embed(x) for embed, x in zip(self.token, content.features, strict=True)]
        tokens += [self.id_norm(self.id(items)), self.nothing.expand(len(items), -1)]
        present = torch.cat([content.present, known.unsqueeze(1)], dim=1)  # n (m+1)
        present = torch.cat([present, ~present.any(dim=1, keepdim=True)], dim=1)  # n (m+2)
        return torch.stack(tokens, dim=1), present

    @abstractmethod
    def codes(self, content: Content, tokens: Tensor, present: Tensor) -> Tensor:
        """Codes (n, d) of what `tokens` gave for the content."""

    def auxiliary_loss(self, tokens: Tensor, present: Tensor) -> Tensor:
        """What the tower itself wants made small, () for what `tokens` gave; zero by default."""
        return tokens.new_zeros(())


class FusedItemTower(ItemTower):
    """Feature fusion: h = operator(tokens); h = h + σ(W h + b) …; code = [W h + b; Σ_k β_k x_k].

    A layer adds to what it reads (He et al. 2016), so that what is linear in the content stays so.
    """

    def __init__(self, n_modalities: int, n_items: int, config: MMNNConfig) -> None:
        super().__init__(n_modalities, n_items, config)
        dim = config.dim
        self.operator = fusion_operator(config.operator, n_modalities + 2, dim)
        self.hidden = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Dropout(config.dropout))
            for _ in range(config.layers)
        )
        self.code = nn.Linear(dim, dim)

    def codes(self, content: Content, tokens: Tensor, present: Tensor) -> Tensor:
        """Codes (n, dim + components) of what `tokens` gave for the content."""
        h = self.operator(tokens, present)  # n d
        for layer in self.hidden:
            h = h + layer(h)
        return torch.cat([self.code(h), content.blend(self.blend, self.width)], dim=1)

    def auxiliary_loss(self, tokens: Tensor, present: Tensor) -> Tensor:
        """What the operator wants made small."""
        loss: Tensor = self.operator.auxiliary_loss(tokens, present)
        return loss
