"""Sums over the tokens that are present."""

import torch
from torch import Tensor


def zero_absent(tokens: Tensor, present: Tensor) -> Tensor:
    """Tokens (b, m, d) with zeros where `present` (b, m) is False.

    A masked NaN or infinity would survive a weight of zero.
    """
    return tokens.masked_fill(~present.unsqueeze(-1), 0.0)


def present_mean(tokens: Tensor, present: Tensor) -> Tensor:
    """Mean (b, d) of the present tokens of (b, m, d)."""
    count = present.sum(dim=1, keepdim=True).to(tokens.dtype)
    return zero_absent(tokens, present).sum(dim=1) / count


def present_softmax(logits: Tensor, present: Tensor) -> Tensor:
    """Softmax (b, m, …) over the present places of logits (b, m, …), zero at the absent."""
    mask = present.view(*present.shape, *(1,) * (logits.dim() - 2))
    return torch.softmax(logits.masked_fill(~mask, -torch.inf), dim=1)
