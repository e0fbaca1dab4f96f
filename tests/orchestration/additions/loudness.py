"""Loudness of a sound over time, without weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.encoders.catalogue import LoadRequest
from models.encoders.fingerprints import fingerprint_of
from models.encoders.protocol import Floats

NAME = "loudness"
_PARTS = 16


class LoudnessEncoder:
    """Root mean squares of sixteen parts of a sound."""

    task = "samples"

    def __init__(self, asked: LoadRequest) -> None:
        self.name = NAME
        self.fingerprint = fingerprint_of("audio", NAME, asked.limits)
        self.device = asked.device
        self.dim = _PARTS
        self.task_options: dict[str, Any] = {}
        self.batch_size = 32

    def encode(self, batch: Sequence[NDArray[np.float32]]) -> Floats:
        """Features (n, 16) of sounds (samples,) float32, mono at 16 kHz."""
        parts = [np.array_split(np.pad(sound, (0, _PARTS)), _PARTS) for sound in batch]
        return np.array(
            [[np.sqrt(np.mean(part**2)) for part in sound] for sound in parts], dtype=np.float32
        )
