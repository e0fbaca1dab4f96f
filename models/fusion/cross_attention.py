"""Fusion by cross-attention from a learned query."""

from math import gcd
from typing import cast

import torch
from torch import Tensor, nn

from models.fusion.base import FusionOperator
from models.fusion.masking import present_softmax, zero_absent

_MOST_HEADS = 4


class CrossAttention(FusionOperator):
    """y = O [head_1; …; head_h], head_i = Σ a_ik V_i x_k, a_i = softmax_k(q_i · K_i x_k / √e).

    Multi-head attention (Vaswani et al. 2017) of one learned query over the tokens, e = d / h: the
    pooling of Set Transformer (Lee et al. 2019). There are four heads, or as many as share d evenly
    with four. The weights are shared by all modalities: permuting the tokens with their mask
    changes nothing.
    """

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__(n_modalities, dim)
        heads = gcd(dim, _MOST_HEADS)
        self.query = nn.Parameter(torch.randn(heads, dim // heads))
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """See `FusionOperator`."""
        tokens = zero_absent(tokens, present)
        split = self.query.shape
        keys = self.key(tokens).unflatten(-1, split)  # b m h e
        values = self.value(tokens).unflatten(-1, split)  # b m h e
        logits = torch.einsum("he,bmhe->bmh", self.query, keys) / split[1] ** 0.5
        heads = torch.einsum("bmh,bmhe->bhe", present_softmax(logits, present), values)
        return cast(Tensor, self.out(heads.flatten(1)))
