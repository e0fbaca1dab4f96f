"""A fitted MMNN as arrays and a description, and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.data import Ints
from models.mmnn.config import MMNNConfig, TaskName
from models.mmnn.fitted import FittedMMNN
from models.mmnn.item_codes import FittedItems
from models.mmnn.network import MMNNNetwork
from models.mmnn.ratings import RatingState
from models.persistence import tensor
from models.reducer_state import reducer_arrays, reducers_of
from models.sequences import Scale

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class SavedMMNN:
    """All that a fit has learned.

    Attributes:
        fitted: what answers.
        items: its items.
        ties: (n_items,) which of equal scores comes first.
        ratings: what a predicted value needs; None without the task rating.
        task_weights: what the loss of each task was multiplied by at the end.
        trained_epochs: how long a refit trains; None where an older version fitted it.
    """

    fitted: FittedMMNN
    items: FittedItems
    ties: Ints
    ratings: RatingState | None
    task_weights: dict[TaskName, float]
    trained_epochs: int | None


def taken_apart(saved: SavedMMNN) -> tuple[Arrays, dict[str, Any]]:
    """Arrays by name, and what is no array as JSON can hold it."""
    fitted, items = saved.fitted, saved.items
    tensors = {f"network.{name}": x for name, x in fitted.network.state_dict().items()}
    tensors |= {"codes": items.codes, "ablated": items.ablated, "bias": items.bias}
    tensors["known"] = items.known
    arrays = {name: x.detach().cpu().numpy() for name, x in tensors.items()}
    arrays["ties"] = saved.ties
    arrays |= reducer_arrays(fitted.reducers)
    if saved.ratings is not None:
        arrays |= saved.ratings.arrays()
    return arrays, {
        "settings": fitted.config.model_dump(),
        "modalities": list(fitted.modalities),
        "value_mean": fitted.scale.mean,
        "value_deviation": fitted.scale.deviation,
        "n_context": fitted.n_context,
        "task_weights": saved.task_weights,
        "trained_epochs": saved.trained_epochs,
    }


def put_together(
    config: MMNNConfig,
    device: torch.device,
    arrays: Arrays,
    described: Mapping[str, Any],
    folder: Path,
) -> SavedMMNN:
    """What `taken_apart` took apart.

    Args:
        config: settings of the fit.
        device: where it computes from now on.
        arrays: of `taken_apart`.
        described: of `taken_apart`.
        folder: where they were read, for errors.

    Raises:
        KeyError: something is missing.
        ModelFormatError: an array is missing.
        RuntimeError: an array has another shape than the settings ask for.
        ValueError: what reasons are made of has another shape.
    """
    reducers = reducers_of(described["modalities"], arrays, folder)
    loaded = {name: torch.from_numpy(x).to(device) for name, x in arrays.items()}
    network = MMNNNetwork(len(reducers), len(loaded["bias"]), described["n_context"], config)
    network.to(device)
    # Assigned, not copied: what is mapped from a file stays so, and processes share it.
    weights = {name: loaded[f"network.{name}"] for name in network.state_dict()}
    network.load_state_dict(weights, assign=True)
    network.eval()
    items = _items(network, loaded, len(reducers))
    scale = Scale(described["value_mean"], described["value_deviation"])
    fitted = FittedMMNN(network, items, config, reducers, scale, described["n_context"])
    return SavedMMNN(
        fitted,
        items,
        tensor(arrays, "ties", folder),
        RatingState.of(arrays, folder) if "rating" in config.tasks else None,
        described["task_weights"],
        described.get("trained_epochs"),
    )


@torch.no_grad()
def _items(
    network: MMNNNetwork, loaded: Mapping[str, torch.Tensor], n_modalities: int
) -> FittedItems:
    codes, ablated = loaded["codes"], loaded["ablated"]
    if len(ablated) != n_modalities + 1:
        raise ValueError(f"{len(ablated)} codes per item for reasons, not one per part of a score")
    candidates = network.retrieval.candidates(codes)
    return FittedItems(codes, candidates, loaded["bias"], loaded["known"], lambda: ablated)
