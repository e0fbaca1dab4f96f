"""From files and texts to vectors, batch by batch: decoding runs ahead, and memory stays flat."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.encoders.protocol import Floats, MediaEncoder, TextEncoder
from models.media.limits import MediaError, MediaLimits
from models.media.pool import DecodePool
from models.media.wire import Payload

_CHUNK = 4096
_READ_AHEAD = 2
_READ_AHEAD_SAMPLES = 64

Progress = Callable[[int], None]
Value = TypeVar("Value")


@dataclass(frozen=True)
class MediaRow:
    """One file to encode.

    Attributes:
        key: what the caller knows it by.
        uri: plain path relative to the root.
        sha256: what its bytes should hash to; None if anything will do.
    """

    key: str
    uri: str
    sha256: str | None = None


@dataclass(frozen=True)
class Failure:
    """A file that could not be encoded, and why in one sentence."""

    key: str
    reason: str


@dataclass(frozen=True)
class Encoded:
    """Some rows, encoded.

    Attributes:
        keys: of the rows that have a vector.
        features: (len(keys), d) float32.
        failures: the rows that have none; they are in no table and have no zero vector.
    """

    keys: list[str]
    features: Floats
    failures: list[Failure] = field(default_factory=list)


def no_progress(done: int) -> None:
    """Where nobody watches."""


def encode_media(
    rows: Iterable[MediaRow],
    root: Path,
    encoder: MediaEncoder,
    *,
    limits: MediaLimits,
    workers: int,
    batch_size: int,
    progress: Progress = no_progress,
) -> Iterator[Encoded]:
    """Decodes files in worker processes and encodes them in the order of `rows`.

    Args:
        rows: the files; read lazily.
        root: no file outside it is opened.
        encoder: of pictures or sounds.
        limits: bounds of each file.
        workers: decoding processes.
        batch_size: rows per batch.
        progress: called after each batch with the number of rows that are done.

    Yields:
        One `Encoded` a batch. A file that has changed since it was hashed is a failure.
    """
    held = _READ_AHEAD * batch_size
    prefetch = held if encoder.task != "samples" else min(held, _READ_AHEAD_SAMPLES)
    done = 0
    with DecodePool(root, limits, workers, prefetch=prefetch) as pool:
        items = ((row, row.uri) for row in rows)
        results = pool.map(encoder.task, items, encoder.task_options)
        for batch in _batches(results, batch_size):
            yield _encode_batch(batch, encoder)
            done += len(batch)
            progress(done)


def encode_texts(
    texts: Iterable[tuple[str, ...]],
    encoder: TextEncoder,
    *,
    batch_size: int = _CHUNK,
    progress: Progress = no_progress,
) -> Iterator[Encoded]:
    """Encodes texts in the order given.

    Args:
        texts: a key and one or more texts each, as many for all; read lazily.
        encoder: sorts a chunk by length and pads it in small batches.
        batch_size: texts a chunk; long chunks waste less padding.
        progress: called after each chunk with the number of texts that are done.

    Yields:
        One `Encoded` a chunk; the vectors of several texts stand side by side.
    """
    done = 0
    for chunk in _batches(iter(texts), batch_size):
        keys, *columns = zip(*chunk, strict=True)
        yield Encoded(list(keys), np.hstack([encoder.encode(column) for column in columns]))
        done += len(chunk)
        progress(done)


def _encode_batch(
    batch: list[tuple[MediaRow, Payload | MediaError]], encoder: MediaEncoder
) -> Encoded:
    checked = [(row, _usable(row, payload)) for row, payload in batch]
    good = [(row.key, array) for row, array in checked if isinstance(array, np.ndarray)]
    failures = [Failure(row.key, reason) for row, reason in checked if isinstance(reason, str)]
    if not good:
        return Encoded([], np.zeros((0, encoder.dim), dtype=np.float32), failures)
    return Encoded([key for key, _ in good], encoder.encode([a for _, a in good]), failures)


def _usable(row: MediaRow, payload: Payload | MediaError) -> np.ndarray | str:
    """The decoded array, or why there is none."""
    if isinstance(payload, MediaError):
        return str(payload)
    if row.sha256 is not None and payload.facts["sha256"] != row.sha256:
        return "The file has changed since it was inspected; run again."
    return payload.arrays[0]


def _batches(values: Iterator[Value], size: int) -> Iterator[list[Value]]:
    while batch := list(islice(values, size)):
        yield batch
