"""Modality dropout and id dropout: what a training step may not see of its items."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.content import Content


@dataclass(frozen=True)
class ModalityDropout:
    """Hides modalities and ids, drawn again for every item of a step by torch's own generator.

    What only users' behaviour tells is hidden with the id: an item that nobody has touched has
    neither.

    Attributes:
        modality: share of the items' modalities that are hidden.
        id: share of the items whose id is hidden.
        behavioural: (m,) bool, which modalities only behaviour tells.
    """

    modality: float
    id: float
    behavioural: Tensor

    def __call__(self, content: Content, known: Tensor) -> tuple[Content, Tensor]:
        """What is left of the content of n items, and of `known` (n,) bool: whose id is read."""
        visible = torch.rand(content.present.shape, device=known.device) >= self.modality
        touched = torch.rand(known.shape, device=known.device) >= self.id
        visible &= touched.unsqueeze(1) | ~self.behavioural
        return Content(content.features, content.present & visible), known & touched
