"""From the codes of what a user did last to the user's vector."""

from abc import ABC, abstractmethod
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.mmnn.config import MMNNConfig


class UserTower(nn.Module, ABC):
    """Reads histories: codes (b, l, d) of the last events, newest first, values (b, l), mask."""

    @abstractmethod
    def forward(self, codes: Tensor, values: Tensor, present: Tensor) -> Tensor:
        """User vectors (b, e) of the last events' codes (b, l, d), values and mask (b, l)."""

    @abstractmethod
    def whole_and_without_each(self, codes: Tensor, values: Tensor, present: Tensor) -> Tensor:
        """User vectors (b, 1 + l, e): that of `forward`, then each as if event j had not been."""


class PooledUserTower(UserTower):
    """u = [(W p + MLP(p)) / √d; γ ⊙ q], p and q the heads' means of the deep and the wide part of a
    history's codes c_j, newest first; q is their mean over heads.

    Head h weighs event j by softmax_j(a_h · c_j + β_h value_j − γ_h log(1 + j)), γ_h ≥ 0: recent
    events count for more, and each head learns by how much.
    """

    def __init__(self, config: MMNNConfig) -> None:
        super().__init__()
        dim, heads = config.dim, config.heads
        self.scale = dim**-0.5
        self.dim = dim
        self.attend = nn.Linear(dim + config.components, heads, bias=False)
        self.value = nn.Parameter(torch.zeros(heads))
        self.decay = nn.Parameter(torch.linspace(-3.0, 1.0, heads))
        self.newcomer = nn.Parameter(torch.zeros(heads * dim))
        self.drop = nn.Dropout(config.dropout)
        self.linear = nn.Linear(heads * dim, dim)
        self.mlp = nn.Sequential(
            nn.Linear(heads * dim, 2 * dim),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(2 * dim, dim),
        )
        for last in (self.linear, self.mlp[-1]):
            nn.init.zeros_(cast(nn.Linear, last).weight)
            nn.init.zeros_(cast(nn.Linear, last).bias)
        self.gain = nn.Parameter(torch.ones(config.components))

    def forward(self, codes: Tensor, values: Tensor, present: Tensor) -> Tensor:
        """User vectors (b, d + c) of the last events' codes (b, l, d + c), values, mask (b, l)."""
        weights = self._weights(codes, values, present)
        return self._vector(torch.einsum("blh,bld->bhd", weights, codes), present.any(dim=1))

    def whole_and_without_each(self, codes: Tensor, values: Tensor, present: Tensor) -> Tensor:
        """User vectors (b, 1 + l, d + c): that of `forward`, then each without one event."""
        # In double precision: of an event with nearly all the weight, little but rounding is left.
        wide, weights = (
            codes.double(),
            self._weights(codes, values, present, torch.float64),
        )  # b l h
        means = torch.einsum("blh,bld->bhd", weights, wide).unsqueeze(1)
        # A mean without event j, its weights made to sum to one again: (p - a_j c_j) / (1 - a_j).
        rest = means - torch.einsum("blh,bld->blhd", weights, wide)
        rest = rest / (1 - weights).clamp(min=1e-12).unsqueeze(-1)
        count = present.sum(dim=1, keepdim=True)
        left = torch.cat([count > 0, count > present.long()], dim=1)
        both = torch.cat([means, rest], dim=1).to(codes.dtype)
        vectors = self._vector(both.flatten(0, 1), left.flatten())
        return vectors.view(*left.shape, -1)

    def _weights(
        self,
        codes: Tensor,
        values: Tensor,
        present: Tensor,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Weights (b, l, h), zero where an event is absent, of codes (b, l, d), values (b, l)."""
        age = torch.arange(codes.shape[1], device=codes.device).log1p()
        logits = self.attend(codes) + values.unsqueeze(-1) * self.value  # b l h
        logits = logits - age[:, None] * F.softplus(self.decay)
        logits = logits.masked_fill(~present.unsqueeze(-1), -torch.inf)
        # A row without any event has only -inf; its weights are defined as zero.
        return torch.nan_to_num(torch.softmax(logits.to(dtype), dim=1))

    def _vector(self, means: Tensor, active: Tensor) -> Tensor:
        """User vectors (b, d + c) of heads' means (b, h, d + c); `active` (b,) has any history."""
        deep, wide = means[..., : self.dim].flatten(1), means[..., self.dim :].mean(dim=1)
        pooled = self.drop(torch.where(active.unsqueeze(-1), deep, self.newcomer))
        deep = self.scale * (self.linear(pooled) + self.mlp(pooled))
        return torch.cat([deep, self.gain * wide * active.unsqueeze(-1)], dim=1)
