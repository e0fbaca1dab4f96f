"""How every model is kept: safetensors for its arrays, JSON for its configuration, never pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

WEIGHTS = "weights.safetensors"
CONFIG = "config.json"
_FORMAT = 1
_DTYPES = {
    "BOOL": "?",
    "U8": "<u1",
    "I8": "<i1",
    "I16": "<i2",
    "U16": "<u2",
    "I32": "<i4",
    "U32": "<u4",
    "I64": "<i8",
    "U64": "<u8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}
"""NumPy's names for the types of the safetensors format."""


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

    The arrays are mapped from the file, so that processes which load the same one share its memory.
    Each may be written to: what changes is this process's own, and the file stays as it is.

    Raises:
        ModelFormatError: a file is missing or damaged, or the folder holds another family.
    """
    content = _read_config(folder)
    if content["family"] != family:
        raise ModelFormatError(
            f"{folder} holds a {content['family']!r} model, not {family!r}; load it as what it is."
        )
    try:
        return _mapped(folder / WEIGHTS), content["config"]
    except (OSError, ValueError, SafetensorError) as error:
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


def _mapped(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file without a copy: eight bytes, a JSON header, then the data.

    Raises:
        SafetensorError: the file is damaged.
        ValueError: an array is of a type that NumPy has not.
    """
    # The library checks the header against the file before it names anything.
    with safe_open(path, framework="np") as checked:
        names = list(checked.keys())
    data = np.memmap(path, dtype=np.uint8, mode="c")
    start = 8 + int(data[:8].view("<u8")[0])
    header: dict[str, Any] = json.loads(data[8:start].tobytes())
    arrays = {}
    for name in names:
        entry = header[name]
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{name!r} is of the type {entry['dtype']}")
        begin, end = (start + offset for offset in entry["data_offsets"])
        # As a plain array: NumPy's class for mapped ones makes every slice of it slower.
        arrays[name] = np.asarray(data[begin:end]).view(_DTYPES[entry["dtype"]])
        arrays[name] = arrays[name].reshape(entry["shape"])
    return arrays


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
