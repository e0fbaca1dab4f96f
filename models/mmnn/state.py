"""A fitted MMNN as arrays and a description, and back."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from models.mmnn.ratings import RatingState
from models.persistence import tensor
from models.reducer_state import reducer_arrays, reducers_of
from models.sequences import Scale

if TYPE_CHECKING:
    from models.mmnn.model import MMNN

Arrays = dict[str, np.ndarray]


def taken_apart(model: "MMNN") -> tuple[Arrays, dict[str, Any]]:
    """All that a fit has learned: arrays by name, and what is no array as JSON can hold it."""
    tensors = {f"network.{name}": x for name, x in model.network.state_dict().items()}
    tensors |= {"codes": model.codes, "ablated": model.ablated, "bias": model.bias}
    tensors["known"] = model.known
    arrays = {name: x.detach().cpu().numpy() for name, x in tensors.items()}
    arrays["ties"] = model.ties
    arrays |= reducer_arrays(model.reducers)
    if model.ratings is not None:
        arrays |= model.ratings.arrays()
    return arrays, {
        "settings": model.config.model_dump(),
        "modalities": list(model.modalities),
        "value_mean": model.scale.mean,
        "value_deviation": model.scale.deviation,
        "n_context": model.n_context,
        "task_weights": model.task_weights,
        "trained_epochs": model.trained_epochs,
    }


def put_together(model: "MMNN", arrays: Arrays, described: Mapping[str, Any], folder: Path) -> None:
    """Gives an unfitted model of the same settings what `taken_apart` took from another.

    Args:
        model: gets it.
        arrays: of `taken_apart`.
        described: of `taken_apart`.
        folder: where they were read, for errors.

    Raises:
        KeyError: something is missing.
        ModelFormatError: an array is missing.
        RuntimeError: an array has another shape than the settings ask for.
        ValueError: what reasons are made of has another shape.
    """
    model.scale = Scale(described["value_mean"], described["value_deviation"])
    model.n_context = described["n_context"]
    model.task_weights = described["task_weights"]
    # Absent where an older version fitted it: it answers, and is not fitted again.
    model.trained_epochs = described.get("trained_epochs")
    model.reducers = reducers_of(described["modalities"], arrays, folder)
    model.ties = tensor(arrays, "ties", folder)
    if "rating" in model.config.tasks:
        model.ratings = RatingState.of(arrays, folder)
    loaded = {name: torch.from_numpy(x).to(model.device) for name, x in arrays.items()}
    ablated = loaded["ablated"]
    if len(ablated) != len(model.reducers) + 1:
        raise ValueError(f"{len(ablated)} codes an item for reasons, not one a part of a score")
    model.ablate = lambda: ablated
    model.bias, model.known = loaded["bias"], loaded["known"]
    network = model.build(len(model.bias))
    # Assigned, not copied: what is mapped from a file stays so, and processes share it.
    weights = {name: loaded[f"network.{name}"] for name in network.state_dict()}
    network.load_state_dict(weights, assign=True)
    network.eval()
    model.take_codes(loaded["codes"])
