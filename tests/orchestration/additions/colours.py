"""Colours of a picture: how often each of 27 occurs, without weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.catalogue import LoadRequest
from models.encoders.fingerprints import fingerprint_of
from models.encoders.protocol import Floats

NAME = "colours"
_LEVELS = 3


class ColourEncoder:
    """Shares of the colours of a picture, over all frames of a video."""

    task = "bucketed_pixels"

    def __init__(self, asked: LoadRequest) -> None:
        self.name = NAME
        self.fingerprint = fingerprint_of("image", NAME, asked.limits)
        self.device = asked.device
        self.dim = _LEVELS**3
        self.task_options: dict[str, Any] = {}
        self.batch_size = 32

    def encode(self, batch: Sequence[NDArray[np.uint8]]) -> Floats:
        """Features (n, 27) of pictures (frames, height, width, 3) uint8, RGB."""
        return np.array([self._shares(clip) for clip in batch], dtype=np.float32)

    def _shares(self, clip: NDArray[np.uint8]) -> NDArray[np.float64]:
        levels = clip.reshape(-1, 3).astype(np.int64) * _LEVELS // 256
        places = levels @ np.array([_LEVELS**2, _LEVELS, 1])
        return np.bincount(places, minlength=self.dim) / len(places)
