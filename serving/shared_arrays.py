"""Large arrays as files that every process of the service maps: memory holds them once."""

import hashlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossmodal.atomic import atomic_path

_KEPT_SECONDS = 600.0
"""A process may have written an array and not mapped it yet."""


class SharedArrays:
    """Arrays by their content: processes that have the same array have one file, mapped.

    Args:
        folder: of the files; made where it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._used: set[str] = set()

    def shared(self, array: NDArray[Any]) -> NDArray[Any]:
        """The same array, read-only and mapped from a file. An empty one cannot be, and stays."""
        if not array.size:
            return array
        path = self._folder / f"{_digest(array)}.npy"
        self._used.add(path.name)
        try:
            os.utime(path)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            with atomic_path(path) as temporary, temporary.open("wb") as file:
                np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        # As a plain array: NumPy's class for mapped ones makes every slice of it slower.
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))

    def sweep(self) -> None:
        """Removes what this object has not shared and nobody has for a while."""
        before = time.time() - _KEPT_SECONDS
        for path in _files(self._folder):
            if path.name not in self._used and _touched(path) < before:
                path.unlink(missing_ok=True)


def _digest(array: NDArray[Any]) -> str:
    digest = hashlib.blake2b(f"{array.dtype.str} {array.shape}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(array).data.cast("B"))
    return digest.hexdigest()


def _files(folder: Path) -> Iterable[Path]:
    """The arrays, and what killed writers left of others."""
    return [*folder.glob("*.npy"), *folder.glob(".*.tmp")]


def _touched(path: Path) -> float:
    """When an array was shared last; now, where another process has removed it meanwhile."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
