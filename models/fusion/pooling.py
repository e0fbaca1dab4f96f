"""Fusion without any map of the tokens: their weighted mean, and their maximum."""

import torch
from torch import Tensor, nn

from models.fusion.base import FusionOperator
from models.fusion.masking import present_softmax, zero_absent


class WeightedMean(FusionOperator):
    """y = Σ a_k x_k with a = softmax of the learned w_k over the modalities an item has.

    The weighted average of embeddings of Kiela, Wang and Cho 2018 (dynamic meta-embeddings), with
    a weight per modality. It begins as the mean.
    """

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__(n_modalities, dim)
        self.logits = nn.Parameter(torch.zeros(n_modalities))

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """See `FusionOperator`."""
        weights = present_softmax(self.logits.expand(present.shape), present)  # b m
        return torch.einsum("bm,bmd->bd", weights, zero_absent(tokens, present))


class Maximum(FusionOperator):
    """y_j = max_k x_kj (view pooling, Su et al. 2015), learned as log Σ_k exp x_kj would be.

    The maximum itself would teach only the token that wins, and one that wins nowhere would stay as
    it is for good. So the gradient is that of the smooth maximum (straight through, Bengio et al.
    2013): shares that sum to one, the largest for the winner.
    """

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """See `FusionOperator`."""
        tokens = tokens.masked_fill(~present.unsqueeze(-1), -torch.inf)
        smooth = tokens.logsumexp(dim=1)
        return tokens.detach().amax(dim=1) + (smooth - smooth.detach())
