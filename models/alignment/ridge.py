"""Closed-form ridge regression (Hoerl and Kennard 1970), all strengths from one decomposition."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from models.alignment.head import AlignmentHead, Doubles, standardisation
from models.data import Floats


@dataclass(frozen=True)
class RidgePath:
    """Features and anchors whose ridge solutions can be had at any strength.

    A strength is the penalty on standardised features: the weight of so many items that say
    nothing. It stays when the number of items grows.
    """

    features: Floats
    anchors: Floats

    def head(self, strength: float) -> AlignmentHead:
        """The solution at one strength, solved in float64."""
        mean, scale, bias, values, axes, projected = self._decomposed
        weight = axes @ (projected / (values + strength)[:, None])
        return AlignmentHead(
            mean.astype(np.float32),
            scale.astype(np.float32),
            weight.astype(np.float32),
            bias.astype(np.float32),
            method="ridge",
            strength=strength,
        )

    @cached_property
    def _decomposed(self) -> tuple[Doubles, Doubles, Doubles, Doubles, Doubles, Doubles]:
        mean, scale = standardisation(self.features)
        standardised = (self.features.astype(np.float64) - mean) / scale
        bias = self.anchors.astype(np.float64).mean(axis=0)
        values, axes = np.linalg.eigh(standardised.T @ standardised)
        projected = axes.T @ (standardised.T @ (self.anchors - bias))
        return mean, scale, bias, np.maximum(values, 0.0), axes, projected
