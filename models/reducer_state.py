"""Each modality's regressions as named arrays, to be kept as a model's state."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from models.persistence import tensor
from models.reducers import CrossFitted, Reducer

_PARTS = ("mean", "components", "fold_of")


def reducer_arrays(reducers: Mapping[str, CrossFitted]) -> dict[str, np.ndarray]:
    """For each modality, the regression on all items and those of the folds, stacked."""
    arrays: dict[str, np.ndarray] = {}
    for name, reducer in reducers.items():
        fitted = (reducer.whole, *reducer.folds)
        arrays |= {
            f"features.{name}.mean": np.stack([regression.mean for regression in fitted]),
            f"features.{name}.components": np.stack(
                [regression.components for regression in fitted]
            ),
            f"features.{name}.fold_of": reducer.fold_of,
        }
    return arrays


def reducers_of(
    modalities: Sequence[str], arrays: Mapping[str, np.ndarray], folder: Path
) -> dict[str, CrossFitted]:
    """The reducers whose arrays `reducer_arrays` named.

    Raises:
        ModelFormatError: the arrays, read from `folder`, lack some of a modality.
    """
    reducers = {}
    for name in modalities:
        means, components, fold_of = (
            tensor(arrays, f"features.{name}.{part}", folder) for part in _PARTS
        )
        whole, *folds = (Reducer(*parts) for parts in zip(means, components, strict=True))
        reducers[name] = CrossFitted(whole, tuple(folds), fold_of)
    return reducers
