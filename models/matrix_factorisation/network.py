"""The two forms, as one reads them: embeddings in, one predicted rating out."""

import torch
from torch import Tensor, nn

from models.matrix_factorisation.config import MatrixFactorisationConfig


class ConcatForm(nn.Module):
    """r̂ = w · [p_u ; q_i] + b."""

    def __init__(self, n_users: int, n_items: int, config: MatrixFactorisationConfig) -> None:
        super().__init__()
        self.strength = config.embedding_strength
        self.user = _embedding(n_users, config.dim, config.init)
        self.item = _embedding(n_items, config.dim, config.init)
        self.linear = nn.Linear(2 * config.dim, 1)

    def start_at(self, mean: float) -> None:
        """Makes the mean rating the first prediction."""
        nn.init.constant_(self.linear.bias, mean)

    def forward(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Ratings (b,) and penalties (b,) of pairs (b,)."""
        p, q = self.user(users), self.item(items)  # b d
        rating = self.linear(torch.cat([p, q], dim=-1)).squeeze(-1)
        penalty = _norm(p) + _norm(q) + _norm(self.linear.weight.squeeze(0))
        return rating, self.strength * penalty

    def table(self, users: Tensor) -> Tensor:
        """Ratings (n, n_items) of users (n,) for every item."""
        user_weight, item_weight = self.linear.weight.squeeze(0).chunk(2)
        user_side = self.user(users) @ user_weight
        item_side = self.item.weight @ item_weight
        ratings: Tensor = user_side[:, None] + item_side + self.linear.bias  # n n_items
        return ratings


class DotForm(nn.Module):
    """r̂ = μ + b_u + b_i + p_u · q_i."""

    def __init__(self, n_users: int, n_items: int, config: MatrixFactorisationConfig) -> None:
        super().__init__()
        self.strength = config.embedding_strength
        self.bias_strength = config.bias_strength
        self.user = _embedding(n_users, config.dim, config.init)
        self.item = _embedding(n_items, config.dim, config.init)
        self.user_bias = _embedding(n_users, 1, 0.0)
        self.item_bias = _embedding(n_items, 1, 0.0)
        self.mean = nn.Parameter(torch.zeros(1))

    def start_at(self, mean: float) -> None:
        """Makes the mean rating the first prediction."""
        nn.init.constant_(self.mean, mean)

    def forward(self, users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
        """Ratings (b,) and penalties (b,) of pairs (b,)."""
        p, q = self.user(users), self.item(items)  # b d
        b_u, b_i = self.user_bias(users), self.item_bias(items)  # b 1
        rating = self.mean + (b_u + b_i).squeeze(-1) + (p * q).sum(-1)
        penalty = self.strength * (_norm(p) + _norm(q))
        return rating, penalty + self.bias_strength * (_norm(b_u) + _norm(b_i))

    def table(self, users: Tensor) -> Tensor:
        """Ratings (n, n_items) of users (n,) for every item."""
        biases = self.user_bias(users) + self.item_bias.weight.squeeze(-1)
        ratings: Tensor = self.mean + biases + self.user(users) @ self.item.weight.T  # n n_items
        return ratings


Form = ConcatForm | DotForm


def build(n_users: int, n_items: int, config: MatrixFactorisationConfig) -> Form:
    """An untrained network. One more user and one more item stand for all unknown ones."""
    form = ConcatForm if config.form == "concat" else DotForm
    return form(n_users + 1, n_items + 1, config)


def forget(network: Form, users: Tensor, items: Tensor) -> None:
    """Zeroes the rows (indexes) that no event has trained: they predict by the other side alone."""
    tables = {network.user: users, network.item: items}
    if isinstance(network, DotForm):
        tables |= {network.user_bias: users, network.item_bias: items}
    with torch.no_grad():
        for table, rows in tables.items():
            table.weight[rows] = 0.0


def _embedding(n: int, dim: int, deviation: float) -> nn.Embedding:
    table = nn.Embedding(n, dim)
    nn.init.normal_(table.weight, std=deviation)
    return table


def _norm(rows: Tensor) -> Tensor:
    return (rows * rows).sum(-1)
