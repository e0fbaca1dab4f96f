"""Fusion by a mixture of experts, one per modality."""

import torch
from torch import Tensor, nn

from models.fusion.base import FusionOperator
from models.fusion.masking import present_mean, present_softmax, zero_absent
from models.fusion.places import PlaceMLP


class MixtureOfExperts(FusionOperator):
    """y = Σ g_k E_k(x_k) with g = softmax(W x̄ + b) over the present k, x̄ the mean of their tokens.

    Every modality has its expert E_k, an MLP, and a gate that sees the whole input says whom to
    believe (Jacobs et al. 1991). The places of the modalities have their own weights, so their
    order is part of the operator.
    """

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__(n_modalities, dim)
        self.experts = PlaceMLP(n_modalities, dim)
        self.gate = nn.Linear(dim, n_modalities)

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """See `FusionOperator`."""
        tokens = zero_absent(tokens, present)
        gates = present_softmax(self.gate(present_mean(tokens, present)), present)  # b m
        return torch.einsum("bm,bmd->bd", gates, self.experts(tokens))
