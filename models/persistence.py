"""How every model is kept: safetensors for its arrays, JSON for its configuration, never pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

WEIGHTS = "weights.safetensors"
CONFIG = "config.json"
_FORMAT = 1


class ModelFormatError(ValueError):
    """A folder does not hold the model that was asked for."""


class NotFittedError(RuntimeError):
    """A model was asked before it was fitted or loaded."""


def save_state(
    folder: Path, tensors: Mapping[str, np.ndarray], config: Mapping[str, Any], *, family: str
) -> None:
    """Writes a model's arrays and JSON-able configuration into an existing folder.

    The same arrays and configuration give the same bytes.
    """
    arrays = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    save_file(arrays, folder / WEIGHTS)
    content = {"family": family, "format": _FORMAT, "config": dict(config)}
    (folder / CONFIG).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", "utf-8")


def load_state(folder: Path, *, family: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays and configuration as `save_state` wrote them.

    Raises:
        ModelFormatError: a file is missing or damaged, or the folder holds another family.
    """
    content = _read_config(folder)
    if content["family"] != family:
        raise ModelFormatError(
            f"{folder} holds a {content['family']!r} model, not {family!r}; load it as what it is."
        )
    try:
        return load_file(folder / WEIGHTS), content["config"]
    except (OSError, SafetensorError) as error:
        raise ModelFormatError(
            f"{folder / WEIGHTS} cannot be read ({error}); fit the model again."
        ) from error


def family_of(folder: Path) -> str:
    """The family of the model in a folder.

    Raises:
        ModelFormatError: the configuration is missing or damaged.
    """
    return str(_read_config(folder)["family"])


def tensor(tensors: Mapping[str, np.ndarray], name: str, folder: Path) -> np.ndarray:
    """One array of a loaded state.

    Raises:
        ModelFormatError: the state has no such array.
    """
    if name not in tensors:
        raise ModelFormatError(f"{folder / WEIGHTS} has no array {name!r}; fit the model again.")
    return tensors[name]


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelFormatError(f"{path} cannot be read ({error}); fit the model again.") from error
    shape = isinstance(content, dict) and {"family", "format", "config"} <= content.keys()
    if not shape or content["format"] != _FORMAT:
        raise ModelFormatError(
            f"{path} is not a model of format {_FORMAT}; fit the model again with this version."
        )
    return content
