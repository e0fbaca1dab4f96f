"""What a network reads of items: a few well-scaled numbers per modality, and a mask."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crossmodal.modalities import TIME_DEPENDENT
from models.data import TokenTable
from models.reducers import CrossFitted, Reducer


@dataclass(frozen=True)
class Content:
    """What the network reads of n items.

    Attributes:
        features: one (n, c) a modality, zeros where it is absent.
        present: (n, m) bool.
    """

    features: tuple[Tensor, ...]
    present: Tensor

    def take(self, items: Tensor) -> "Content":
        """The items at the indexes (k,)."""
        return Content(tuple(x[items] for x in self.features), self.present[items])

    def without(self, modality: int) -> "Content":
        """The same items, as if none had one of the modalities."""
        present = self.present.clone()
        present[:, modality] = False
        return Content(self.features, present)

    def blend(self, weights: Tensor, width: int) -> Tensor:
        """Σ_k β_k x_k (n, width) over the modalities an item has, of weights β (m,).

        Zeros where there is no modality at all; `width` is the c of the features otherwise.
        """
        if not self.features:
            return torch.zeros(len(self.present), width, device=weights.device)
        present = weights * self.present  # n m
        return torch.einsum("nm,nmc->nc", present, torch.stack(self.features, dim=1))

    def to(self, device: torch.device) -> "Content":
        """The same on a device."""
        return Content(tuple(x.to(device) for x in self.features), self.present.to(device))


def content_at(
    tokens: Mapping[str, TokenTable],
    reducers: Mapping[str, Reducer] | Mapping[str, CrossFitted],
    n_items: int,
    instant: int | None = None,
) -> Content:
    """What was known of all items before `instant` (UTC microseconds); None means everything.

    A modality the model knows but the tokens lack is absent for every item.
    """
    columns, masks = [], []
    for name, reducer in reducers.items():
        reduced = np.zeros((n_items, reducer.width), dtype=np.float32)
        present = np.zeros(n_items, dtype=bool)
        if name in tokens:
            features, present = tokens[name].at(instant if name in TIME_DEPENDENT else None)
            reduced[present] = reducer(features[present], np.flatnonzero(present))
        columns.append(torch.from_numpy(reduced))
        masks.append(torch.from_numpy(present))
    stacked = torch.stack(masks, dim=1) if masks else torch.zeros(n_items, 0, dtype=torch.bool)
    return Content(tuple(columns), stacked)
