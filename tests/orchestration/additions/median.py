"""The median of the tokens an item has."""

import torch
from torch import Tensor

from models.fusion.base import FusionOperator


class Median(FusionOperator):
    """y_j = the lower median over the present x_kj."""

    def forward(self, tokens: Tensor, present: Tensor) -> Tensor:
        """See `FusionOperator`."""
        absent = tokens.masked_fill(~present.unsqueeze(-1), torch.nan)
        return absent.nanmedian(dim=1).values
