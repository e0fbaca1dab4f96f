"""From a modality's own features to a few well-scaled numbers, and a mask."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from models.data import Floats, Interactions, TokenTable

TIME_DEPENDENT = frozenset({"reviews"})
"""Modalities made of what users did; the others describe the item and hold at any time."""


_PRINCIPAL = 128
_RIDGE = 0.2


@dataclass(frozen=True)
class Reducer:
    """Standardisation and a projection of one modality: ((x - mean) / scale) P.

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
    def fit(features: Floats, choices: csr_matrix, n_components: int) -> "Reducer":
        """Reduced-rank ridge regression (Izenman 1975) from content to who chose it.

        Directions are ordered, and sized, by how much of the choices they foretell: what is weak
        stays small, and what foretells nothing is gone. Principal components come first, so that
        the regression is well posed for any width.

        Args:
            features: (n, p) of items that have the modality and were chosen.
            choices: (n, n_users) what each of them was chosen by.
            n_components: most directions kept.
        """
        wide = features.astype(np.float64)
        mean, deviation = wide.mean(axis=0), wide.std(axis=0)
        constant = deviation <= 1e-6 * (1 + np.abs(mean))
        standard = (wide - mean) / np.where(constant, np.inf, deviation)
        variances, axes = np.linalg.eigh(standard.T @ standard)
        variances, axes = variances[::-1][:_PRINCIPAL], axes[:, ::-1][:, :_PRINCIPAL]
        size = np.sqrt(np.maximum(variances, 1e-12))
        principal = standard @ axes
        told = np.asarray(choices.T @ principal).T  # c users
        mean_variance = variances.sum() / max(1, len(variances))
        fitted = told / (variances + _RIDGE * mean_variance + 1e-9)[:, None] * size[:, None]
        strengths, turns = np.linalg.eigh(fitted @ fitted.T)
        strengths = np.sqrt(np.maximum(strengths[::-1][:n_components], 0))
        directions = axes @ (turns[:, ::-1][:, :n_components] * strengths / size[:, None])
        # Directions have no sign of their own; this fixes one on every machine.
        largest = directions[np.abs(directions).argmax(axis=0), np.arange(directions.shape[1])]
        directions = directions * np.where(largest < 0, -1, 1)
        spread = np.sqrt((strengths**2).sum() / len(wide))
        directions = directions * np.sqrt(directions.shape[1]) / max(spread, 1e-12)
        scale = np.where(constant, np.finfo(np.float32).max, deviation)
        return Reducer(*(part.astype(np.float32) for part in (mean, scale, directions)))


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
    tokens: Mapping[str, TokenTable], train: Interactions, n_components: int
) -> dict[str, Reducer]:
    """One reducer a modality, fitted on the items with training events that have it."""
    reducers = {}
    for name, table in tokens.items():
        features, present = table.at()
        choices = _choices(train, table.n_items)
        rows = np.flatnonzero(present & (choices.getnnz(axis=1) > 0))
        if len(rows):
            reducers[name] = Reducer.fit(features[rows], choices[rows], n_components)
    return reducers


def _choices(train: Interactions, n_items: int) -> csr_matrix:
    """Who chose what (n_items, n_users); each user's column has unit length."""
    counts = np.bincount(train.users) if len(train) else np.zeros(1)
    weights = 1 / np.sqrt(np.maximum(counts, 1))[train.users]
    return csr_matrix((weights, (train.items, train.users)), shape=(n_items, len(counts)))


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
