"""What every encoder can do."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Input = TypeVar("Input", contravariant=True)


class EncoderLoadError(RuntimeError):
    """An encoder cannot be loaded; the message names the setting and the way out."""


@runtime_checkable
class Encoder(Protocol[Input]):
    """Content to vectors.

    Attributes:
        name: as in the setting that chose it.
        fingerprint: changes when the same content would get another vector.
        dim: length of a vector.
        device: where it computes, as torch names it.
    """

    name: str
    fingerprint: str
    dim: int
    device: str

    def encode(self, batch: Sequence[Input]) -> Floats:
        """Vectors (n, dim) in the order of the batch."""
        ...


class MediaEncoder(Encoder[NDArray[Any]], Protocol):
    """An encoder of pictures (frames, height, width, 3) uint8 or of samples (n,) float32.

    Attributes:
        task: what a decoding worker must do for it, a name of `models.media.tasks.TASKS`.
        task_options: options of that task.
    """

    task: str
    task_options: dict[str, Any]


class TextEncoder(Encoder[str], Protocol):
    """An encoder of texts."""
