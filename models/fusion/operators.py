"""Operators (b, m, d) → (b, d) over the tokens that are present."""

from collections.abc import Callable, Mapping
from typing import Protocol, cast

import torch
from torch import Tensor, nn


class FusionOperator(Protocol):
    """Fuses the present tokens of each row into one vector.

    A masked token never changes the result, whatever its numbers are; every present token gets a
    gradient.
    """

    def __call__(self, tokens: Tensor, present: Tensor) -> Tensor:
        """Fuses tokens (b, m, d) float, present (b, m) bool with at least one True a row → (b, d).

        The type is that of the tokens.
        """
        ...


class UnknownOperatorError(ValueError):
    """A fusion operator was named that does not exist."""


class Concatenation(nn.Module):
    """y = W [x_1; …; x_m] + b, with a learned vector in the place of an absent token.

    The places of the modalities have their own weights, so their order is part of the operator.
    """

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__()
        self.absent = nn.Parameter(torch.zeros(n_modalities, dim))
        self.project = nn.Linear(n_modalities * dim, dim)

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """See `FusionOperator`."""
        absent = self.absent.to(tokens.dtype)
        filled = torch.where(present.unsqueeze(-1), tokens, absent)  # b m d
        return cast(Tensor, self.project(filled.flatten(1)))


class GatedAttention(nn.Module):
    """y = Σ a_k x_k with a = softmax(w · (tanh(V x_k) ⊙ σ(U x_k))) (Ilse et al. 2018, eq. 9).

    The weights are shared by all modalities: permuting the tokens with their mask changes nothing.
    """

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__()
        self.content = nn.Linear(dim, dim, bias=False)
        self.gate = nn.Linear(dim, dim, bias=False)
        self.weigh = nn.Linear(dim, 1, bias=False)

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """See `FusionOperator`."""
        # A masked NaN or infinity would survive a weight of zero.
        tokens = tokens.masked_fill(~present.unsqueeze(-1), 0.0)
        gated = torch.tanh(self.content(tokens)) * torch.sigmoid(self.gate(tokens))
        logits = self.weigh(gated).squeeze(-1).masked_fill(~present, -torch.inf)  # b m
        weights = torch.softmax(logits, dim=1)
        return torch.einsum("bm,bmd->bd", weights, tokens)


OPERATORS: Mapping[str, Callable[[int, int], nn.Module]] = {
    "concatenation": Concatenation,
    "gated_attention": GatedAttention,
}
"""Every operator by its name; each is made of (n_modalities, dim)."""


def fusion_operator(name: str, n_modalities: int, dim: int) -> nn.Module:
    """The operator of a name, for `n_modalities` tokens of `dim` numbers; a `FusionOperator`.

    Raises:
        UnknownOperatorError: there is no operator of that name.
    """
    if name not in OPERATORS:
        raise UnknownOperatorError(
            f"Fusion operator {name!r} is unknown; choose one of {', '.join(OPERATORS)}."
        )
    return OPERATORS[name](n_modalities, dim)
