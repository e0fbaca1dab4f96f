"""Features with mean 0 and variance 1, and vectors of length 1: what cosines are taken of."""

from dataclasses import dataclass

import numpy as np

from models.data import Floats


@dataclass(frozen=True)
class Standardisation:
    """Where a modality's features lie, and how widely.

    Attributes:
        mean: (p,) float32.
        deviation: (p,) float32, 1 where nothing differs.
    """

    mean: Floats
    deviation: Floats

    @staticmethod
    def of(features: Floats) -> "Standardisation":
        """That of features (n, p) float32; of none, mean 0 and deviation 1."""
        if not len(features):
            width = features.shape[1]
            return Standardisation(
                np.zeros(width, dtype=np.float32), np.ones(width, dtype=np.float32)
            )
        # Rounding gives a constant a deviation, and hides that of numbers next to each other.
        deviation = features.std(axis=0)
        differs = (np.ptp(features, axis=0) > 0) & (deviation > 0)
        return Standardisation(features.mean(axis=0), np.where(differs, deviation, np.float32(1)))

    def standardised(self, features: Floats) -> Floats:
        """The features (n, p) minus this mean, divided by this deviation."""
        scaled: Floats = (features - self.mean) / self.deviation
        return scaled

    def unit(self, features: Floats) -> Floats:
        """Unit vectors (n, p) of the standardised features; zeros for an item at the mean."""
        return unit_vectors(self.standardised(features))


def unit_vectors(vectors: Floats) -> Floats:
    """Vectors (n, p) scaled to length 1; zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)
    return unit
