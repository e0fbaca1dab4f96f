"""Messages between a decoding worker and its owner: JSON and raw arrays over a pipe."""

import json
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Payload:
    """What a task found in one file.

    Attributes:
        facts: JSON-able values.
        arrays: decoded pixels or samples.
    """

    facts: dict[str, Any]
    arrays: tuple[np.ndarray, ...] = ()


def send(pipe: IO[bytes], facts: dict[str, Any], arrays: Sequence[np.ndarray] = ()) -> None:
    """Writes one message."""
    shapes = [[array.dtype.str, *array.shape] for array in arrays]
    head = json.dumps({"facts": facts, "arrays": shapes}).encode()
    pipe.write(_LENGTH.pack(len(head)) + head)
    for array in arrays:
        pipe.write(np.ascontiguousarray(array).data.cast("B"))
    pipe.flush()


def receive(pipe: IO[bytes]) -> Payload:
    """Reads one message.

    Raises:
        EOFError: the other side is gone.
    """
    head = json.loads(_exactly(pipe, _LENGTH.unpack(_exactly(pipe, _LENGTH.size))[0]))
    arrays = tuple(_array(pipe, *described) for described in head["arrays"])
    return Payload(head["facts"], arrays)


def _array(pipe: IO[bytes], dtype: str, *shape: int) -> np.ndarray:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.frombuffer(_exactly(pipe, size), dtype=dtype).reshape(shape)


def _exactly(pipe: IO[bytes], size: int) -> bytearray:
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        count = pipe.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError("the other side of the pipe is gone")
        filled += count
    return data
