"""Fusion into a joint code that predicts every token."""

from typing import cast

import torch
from torch import Tensor

from models.fusion.base import FusionOperator
from models.fusion.masking import present_mean, zero_absent
from models.fusion.places import PlaceMLP


class Autoencoder(FusionOperator):
    """y = mean of E_k(x_k) over the present k; x̂_k = D_k(y) for every k, present or not.

    A multimodal autoencoder (Ngiam et al. 2011) that learns by denoising (Vincent et al. 2008): it
    must tell all tokens of an item from some of them, so an absent one is imputed from the others.
    E_k and D_k are MLPs of the place of a modality, whose order is part of the operator.
    """

    def __init__(self, n_modalities: int, dim: int) -> None:
        super().__init__(n_modalities, dim)
        self.encoders = PlaceMLP(n_modalities, dim)
        self.decoders = PlaceMLP(n_modalities, dim)

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """See `FusionOperator`."""
        return present_mean(self.encoders(zero_absent(tokens, present)), present)

    def reconstruct(self, tokens: Tensor, present: Tensor) -> Tensor:
        """Every token (b, m, d) as the present ones predict it, for the arguments of `forward`."""
        code = self(tokens, present)
        return cast(Tensor, self.decoders(code.unsqueeze(1).expand(-1, self.n_modalities, -1)))

    def auxiliary_loss(self, tokens: Tensor, present: Tensor) -> Tensor:
        """Mean squared error () of the present tokens, half from all of them, half from some.

        Which are seen is drawn from torch's own generator. The tokens are fixed as targets: where
        they are learned, they would else become whatever is easily predicted.
        """
        whole = self._error(tokens, present, seen=present)
        return (whole + self._error(tokens, present, seen=random_subset(present))) / 2

    def _error(self, tokens: Tensor, present: Tensor, seen: Tensor) -> Tensor:
        target = zero_absent(tokens.detach(), present)
        error = (self.reconstruct(tokens, seen) - target).square().mean(dim=-1)  # b m
        total = error.masked_fill(~present, 0.0).sum()
        return total / present.sum().clamp(min=1).to(total.dtype)


def random_subset(present: Tensor) -> Tensor:
    """Each True of (b, m) kept with a chance of one half, and at least one per row that has any."""
    draws = torch.rand(present.shape, device=present.device).masked_fill(~present, -1.0)
    return present & ((draws >= 0.5) | (draws == draws.amax(dim=1, keepdim=True)))
