"""What the graph is built from as named arrays, to be kept as a model's state."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.gat.choices import Choices
from models.gat.nearest import NearestItems
from models.persistence import tensor
from models.standardisation import Standardisation

_CHOICES = ("offsets", "items", "values", "recency")
_SCALE = ("mean", "deviation")


def graph_arrays(choices: Choices, nearest: NearestItems) -> dict[str, np.ndarray]:
    """The users' choices, and the standardisation of each modality."""
    arrays: dict[str, np.ndarray] = {f"choices.{part}": getattr(choices, part) for part in _CHOICES}
    for name, scale in nearest.scales.items():
        arrays |= {f"nearest.{name}.{part}": getattr(scale, part) for part in _SCALE}
    return arrays


def choices_of(arrays: Mapping[str, np.ndarray], n_items: int, folder: Path) -> Choices:
    """The choices whose arrays `graph_arrays` named.

    Raises:
        ModelFormatError: the arrays, read from `folder`, lack one.
    """
    return Choices(n_items, *(tensor(arrays, f"choices.{part}", folder) for part in _CHOICES))


def nearest_of(
    modalities: Sequence[str], arrays: Mapping[str, np.ndarray], k: int, folder: Path
) -> NearestItems:
    """The nearest items whose arrays `graph_arrays` named.

    Raises:
        ModelFormatError: the arrays, read from `folder`, lack some of a modality.
    """
    scales = {
        name: Standardisation(
            *(tensor(arrays, f"nearest.{name}.{part}", folder) for part in _SCALE)
        )
        for name in modalities
    }
    return NearestItems(scales, k)
