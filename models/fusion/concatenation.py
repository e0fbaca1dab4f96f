"""Fusion by concatenation."""

from typing import cast

import torch
from torch import Tensor, nn

from models.fusion.base import FusionOperator


class Concatenation(FusionOperator):
    """y = W [x_1; …; x_m] + b, with a learned vector in the place of an absent token.

    The early fusion of Snoek et al. 2005 for tokens of one size. The places of the modalities have
    their own weights, so their order is part of the operator.
    """

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__(n_modalities, dim)
        self.absent = nn.Parameter(torch.zeros(n_modalities, dim))
        self.project = nn.Linear(n_modalities * dim, dim)

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """See `FusionOperator`."""
        absent = self.absent.to(tokens.dtype)
        filled = torch.where(present.unsqueeze(-1), tokens, absent)  # b m d
        return cast(Tensor, self.project(filled.flatten(1)))
