"""From a modality's own features to a few well-scaled numbers, and a mask."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.data import Bools, Floats, TokenTable

TIME_DEPENDENT = frozenset({"reviews"})
"""Modalities made of what users did; the others describe the item and hold at any time."""


@dataclass(frozen=True)
class Reducer:
    """Standardisation and principal components of one modality: ((x - mean) / scale) P.

    The components are not whitened: weak directions stay small. All together have one unit of
    variance a component on average, so every modality enters with the same size.

    Attributes:
        mean, scale: (p,) of the tower's own features.
        components: (p, c) with c ≤ p.
    """

    mean: Floats
    scale: Floats
    components: Floats

    def __call__(self, features: Floats) -> Floats:
        """Features (n, p) → (n, c)."""
        reduced = ((features - self.mean) / self.scale) @ self.components
        return reduced.astype(np.float32)

    @staticmethod
    def fit(features: Floats, n_components: int) -> "Reducer":
        """Fits on the rows (n, p) of items that have the modality."""
        wide = features.astype(np.float64)
        mean, deviation = wide.mean(axis=0), wide.std(axis=0)
        scale = np.where(deviation > 1e-6 * (1 + np.abs(mean)), deviation, np.inf)
        standard = (wide - mean) / scale
        variances, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
        kept = vectors[:, ::-1][:, :n_components]
        # Eigenvectors have no sign of their own; this fixes one on every machine.
        kept = kept * np.sign(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])])
        total = max(float(variances[::-1][:n_components].sum()), 1e-12)
        kept = kept * np.sqrt(kept.shape[1] / total)
        finite = np.where(np.isinf(scale), np.finfo(np.float32).max, scale)
        return Reducer(*(part.astype(np.float32) for part in (mean, finite, kept)))


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

    def to(self, device: torch.device) -> "Content":
        """The same on a device."""
        return Content(tuple(x.to(device) for x in self.features), self.present.to(device))


def fit_reducers(
    tokens: Mapping[str, TokenTable], seen: Bools, n_components: int
) -> dict[str, Reducer]:
    """One reducer a modality, fitted on the items (n_items,) seen in training that have it."""
    reducers = {}
    for name, table in tokens.items():
        features, present = table.at()
        rows = features[present & seen]
        if len(rows):
            reducers[name] = Reducer.fit(rows, n_components)
    return reducers


def content_at(
    tokens: Mapping[str, TokenTable],
    reducers: Mapping[str, Reducer],
    n_items: int,
    instant: int | None = None,
) -> Content:
    """What was known of all items before `instant` (UTC microseconds); None means everything.

    A modality the model knows but the tokens lack is absent for every item.
    """
    columns, masks = [], []
    for name, reducer in reducers.items():
        reduced = np.zeros((n_items, reducer.components.shape[1]), dtype=np.float32)
        present = np.zeros(n_items, dtype=bool)
        if name in tokens:
            features, present = tokens[name].at(instant if name in TIME_DEPENDENT else None)
            reduced[present] = reducer(features[present])
        columns.append(torch.from_numpy(reduced))
        masks.append(torch.from_numpy(present))
    stacked = torch.stack(masks, dim=1) if masks else torch.zeros(n_items, 0, dtype=torch.bool)
    return Content(tuple(columns), stacked)
