"""An affine map from a tower's features into the shared space."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.data import Floats
from models.persistence import load_state, save_state, tensor

Doubles = NDArray[np.float64]

_FAMILY = "alignment"
_SAME = 1e-3


@dataclass(frozen=True)
class AlignmentHead:
    """Standardises features, maps them, and scales them to unit norm.

    Attributes:
        mean, scale: (d,) of the tower's features.
        weight: (d, dim) of the standardised features.
        bias: (dim,), zero for ridge.
        method: ridge, contrastive, or none where too few items have both.
        strength: the ridge penalty, or the epochs of the contrastive fit.
    """

    mean: Floats
    scale: Floats
    weight: Floats
    bias: Floats
    method: str
    strength: float

    def transform(self, features: Floats) -> Floats:
        """Unit vectors (n, dim) float32 of features (n, d)."""
        mapped = ((features - self.mean) / self.scale) @ self.weight + self.bias
        return unit_rows(mapped).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Writes `weights.safetensors` and `config.json` into an existing folder."""
        arrays = {
            "mean": self.mean,
            "scale": self.scale,
            "weight": self.weight,
            "bias": self.bias,
        }
        config = {"method": self.method, "strength": self.strength}
        save_state(folder, arrays, config, family=_FAMILY)

    @classmethod
    def load(cls, folder: Path) -> "AlignmentHead":
        """Reads what `save` wrote.

        Raises:
            ModelFormatError: the folder holds no alignment head.
        """
        arrays, config = load_state(folder, family=_FAMILY)
        return cls(
            tensor(arrays, "mean", folder),
            tensor(arrays, "scale", folder),
            tensor(arrays, "weight", folder),
            tensor(arrays, "bias", folder),
            method=str(config["method"]),
            strength=float(config["strength"]),
        )


def unaligned_head(features: Floats, dim: int = 384) -> AlignmentHead:
    """The principal axes of the features themselves, for a tower without paired texts.

    Distances within the modality are kept as far as `dim` axes go; distances to text mean nothing.

    Args:
        features: (n, d), n may be any number.
        dim: of the shared space; axes the features lack stay zero.
    """
    mean, scale = standardisation(features)
    standardised = (features.astype(np.float64) - mean) / scale
    weight = np.zeros((features.shape[1], dim))
    if len(features):
        _, axes = np.linalg.eigh(standardised.T @ standardised)
        leading = axes[:, ::-1][:, :dim]
        # An eigenvector's sign is the solver's whim: make its largest entry positive.
        largest = np.take_along_axis(leading, np.abs(leading).argmax(0)[None], axis=0)
        weight[:, : leading.shape[1]] = leading * np.where(largest < 0, -1.0, 1.0)
    return AlignmentHead(
        mean.astype(np.float32),
        scale.astype(np.float32),
        weight.astype(np.float32),
        np.zeros(dim, dtype=np.float32),
        method="none",
        strength=0.0,
    )


def says_nothing(features: Floats) -> bool:
    """Whether features (n, d), n at least 1, are the same for every item but for rounding."""
    if not len(features):
        return False
    mean = features.mean(axis=0, dtype=np.float64)
    spread = np.linalg.norm(features - mean, axis=1).max()
    return bool(spread <= _SAME * np.linalg.norm(mean))


def standardisation(features: Floats) -> tuple[Doubles, Doubles]:
    """Mean and deviation (d,) in float64; a deviation of zero counts as one."""
    if not len(features):
        width = features.shape[1]
        return np.zeros(width), np.ones(width)
    exact = features.astype(np.float64)
    deviation = exact.std(axis=0)
    return exact.mean(axis=0), np.where(deviation > 1e-8, deviation, 1.0)


def unit_rows(rows: NDArray[np.floating]) -> NDArray[np.floating]:
    """Rows scaled to unit norm; a zero row stays zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: NDArray[np.floating] = rows / np.where(norms > 0, norms, 1.0)
    return scaled
