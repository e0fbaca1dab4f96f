"""Layers with their own weights for the place of each modality."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlaceLinear(nn.Module):
    """y_k = W_k x_k + b_k, drawn as `nn.Linear` draws them.

    Attributes:
        weight: (m, d_out, d_in).
        bias: (m, d_out).
    """

    def __init__(self, n_modalities: int, d_in: int, d_out: int) -> None:
        super().__init__()
        bound = d_in**-0.5
        self.weight = nn.Parameter(torch.empty(n_modalities, d_out, d_in).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(n_modalities, d_out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (b, m, d_in) → (b, m, d_out)."""
        return torch.einsum("bmi,moi->bmo", x, self.weight) + self.bias


class PlaceMLP(nn.Module):
    """y_k = W'_k GELU(W_k x_k + b_k) + b'_k."""

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__()
        self.first = PlaceLinear(n_modalities, dim, dim)
        self.last = PlaceLinear(n_modalities, dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (b, m, d) → (b, m, d)."""
        y: Tensor = self.last(F.gelu(self.first(x)))
        return y
