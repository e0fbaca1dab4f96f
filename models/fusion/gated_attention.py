"""Fusion by gated attention."""

import torch
from torch import Tensor, nn

from models.fusion.base import FusionOperator
from models.fusion.masking import present_softmax, zero_absent


class GatedAttention(FusionOperator):
    """y = Σ a_k x_k with a = softmax(w · (tanh(V x_k) ⊙ σ(U x_k))) (Ilse et al. 2018, eq. 9).

    The weights are shared by all modalities: permuting the tokens with their mask changes nothing.
    """

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__(n_modalities, dim)
        self.content = nn.Linear(dim, dim, bias=False)
        self.gate = nn.Linear(dim, dim, bias=False)
        self.weigh = nn.Linear(dim, 1, bias=False)

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """See `FusionOperator`."""
        tokens = zero_absent(tokens, present)
        gated = torch.tanh(self.content(tokens)) * torch.sigmoid(self.gate(tokens))
        weights = present_softmax(self.weigh(gated).squeeze(-1), present)  # b m
        return torch.einsum("bm,bmd->bd", weights, tokens)
