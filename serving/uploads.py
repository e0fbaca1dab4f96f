"""Pictures and sounds that callers send: bounded, decoded in a process that can be killed, encoded.

A file is recognised by its bytes, and lies under a name that no caller chose.
"""

import io
import logging
import tempfile
import threading
import wave
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossmodal.modalities import MEDIA_KINDS, MediaKind, made_of_media
from crossmodal.workspace import Workspace
from models.data import Floats
from models.media import DecodePool, MediaError, sniff
from models.media.limits import MediaLimits, media_limits
from models.media.pool import WorkerStartError
from models.media.sniffing import MediaType
from serving.problems import FieldError, Problem

if TYPE_CHECKING:
    from models.encoders.protocol import MediaEncoder

_log = logging.getLogger(__name__)
_MOST_SECONDS = 2.5
_AT_ONCE_A_WORKER = 2
_WORDS = {"image": "picture", "audio": "sound"}
_HEARD = {"video/webm": "audio/webm", "video/mp4": "audio/mp4"}
"""Containers of pictures that move, in which browsers record sound."""


@dataclass(frozen=True)
class Upload:
    """What was found in a file.

    Attributes:
        mime: what its bytes are.
        features: (d,) of each modality that is made of such files; of the kind itself too.
    """

    mime: str
    features: Mapping[str, Floats]


class Uploads:
    """Reads what callers send.

    Args:
        workspace: whose encoders and limits are used.
    """

    def __init__(self, workspace: Workspace) -> None:
        settings = workspace.settings
        self._workspace = workspace
        wanted = media_limits(settings)
        # A caller waits, for one file before theirs too: what a run may take its time for would be
        # a request that hangs.
        seconds = min(wanted.timeout_seconds, _MOST_SECONDS)
        self._limits: MediaLimits = replace(wanted, timeout_seconds=seconds)
        self._room = threading.BoundedSemaphore(_AT_ONCE_A_WORKER * settings.media_workers)
        self._encoders: dict[str, MediaEncoder] = {}
        self._open = ExitStack()
        self._pool: DecodePool | None = None
        self._folder = Path()

    def start(self) -> None:
        """Loads the encoders and makes a place for what comes in."""
        from models.encoders.device import choose_device
        from models.encoders.factory import load_media_encoder

        settings, weights = self._workspace.settings, self._workspace.paths.weights
        device = choose_device(settings.device)
        # The catalogue's limits, which are part of what an encoder is.
        limits = media_limits(settings)
        self._encoders = {
            modality.name: load_media_encoder(
                kind, modality.encoder(settings), weights=weights, device=device, limits=limits
            )
            for kind in MEDIA_KINDS
            for modality in made_of_media(kind)
        }
        folder = tempfile.TemporaryDirectory(prefix="crossmodal-uploads-")
        self._folder = Path(self._open.enter_context(folder))
        # Processes take seconds to start, which the first caller should not wait for.
        warming = threading.Thread(target=self._warm_up, name="uploads", daemon=True)
        self._open.callback(warming.join)
        pool = DecodePool(self._folder, self._limits, settings.media_workers)
        self._pool = self._open.enter_context(pool)
        warming.start()

    def stop(self) -> None:
        """Ends the decoding processes and removes what is left."""
        self._open.close()

    def read(self, kind: MediaKind, data: bytes, field: str) -> Upload:
        """Decodes and encodes a file.

        Args:
            kind: what it should be.
            data: its bytes.
            field: where it stands in the request, for errors.

        Raises:
            Problem: 415 if it is no picture or sound; 422 if it is empty, damaged, or beyond the
                limits on pixels and time; 503 if too many wait, or nothing can be decoded.
        """
        media_type = _type(kind, data, field)
        if not self._room.acquire(blocking=False):
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "Too many pictures and sounds are being read; send it again a little later.",
                headers={"Retry-After": "1"},
            )
        try:
            features = {
                modality.name: self._features(modality.name, kind, data, field)
                for modality in made_of_media(kind)
            }
            return Upload(media_type.mime, features)
        finally:
            self._room.release()

    def _warm_up(self) -> None:
        """Starts all decoding processes and lets each load what sounds need."""
        assert self._pool is not None
        encoder = self._encoders["audio"]
        workers = range(self._workspace.settings.media_workers)
        with self._file(_silence()) as name:
            tasks = [(worker, name) for worker in workers]
            try:
                for _, outcome in self._pool.map(encoder.task, tasks, encoder.task_options):
                    if isinstance(outcome, MediaError):
                        _log.info("A decoding process does not work. %s", outcome)
            except (WorkerStartError, CancelledError, RuntimeError) as error:
                _log.info("Decoding processes are not ready. %s", error)

    def _features(self, modality: str, kind: MediaKind, data: bytes, field: str) -> Floats:
        encoder = self._encoders[modality]
        decoded = self._decoded(encoder, data)
        if isinstance(decoded, MediaError):
            raise _unusable(HTTPStatus.UNPROCESSABLE_ENTITY, field, str(decoded))
        features: Floats = encoder.encode([decoded])[0]
        if not np.isfinite(features).all():
            message = f"The {_WORDS[kind]} cannot be put in numbers; send another."
            raise _unusable(HTTPStatus.UNPROCESSABLE_ENTITY, field, message)
        return features

    def _decoded(self, encoder: "MediaEncoder", data: bytes) -> np.ndarray | MediaError:
        assert self._pool is not None
        with self._file(data) as name:
            try:
                ((_, outcome),) = self._pool.map(encoder.task, [(0, name)], encoder.task_options)
            except WorkerStartError as error:
                raise Problem(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    f"Pictures and sounds cannot be read now: {error}",
                    headers={"Retry-After": "5"},
                ) from error
        return outcome if isinstance(outcome, MediaError) else outcome.arrays[0]

    @contextmanager
    def _file(self, data: bytes) -> Iterator[str]:
        """The name of a file with these bytes, for the block."""
        with tempfile.NamedTemporaryFile(dir=self._folder) as file:
            file.write(data)
            file.flush()
            yield Path(file.name).name


def _silence() -> bytes:
    """A tenth of a second of it, as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        sound.writeframes(bytes(3200))
    return file.getvalue()


def _type(kind: MediaKind, data: bytes, field: str) -> MediaType:
    """The type of a file.

    Raises:
        Problem: it is empty, or of another kind.
    """
    if not data:
        raise _unusable(HTTPStatus.UNPROCESSABLE_ENTITY, field, "The file is empty.")
    media_type = sniff(data)
    if media_type is not None and kind == "audio" and media_type.mime in _HEARD:
        return replace(media_type, mime=_HEARD[media_type.mime])
    if media_type is None or media_type.kind != _WORDS[kind]:
        what = "of a kind that is not known" if media_type is None else media_type.mime
        raise _unusable(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            field,
            f"The file is no {_WORDS[kind]} but {what}; send "
            + ("a JPEG, PNG, WebP or GIF." if kind == "image" else "a WAV, MP3, Ogg or FLAC."),
        )
    return media_type


def _unusable(status: int, field: str, message: str) -> Problem:
    return Problem(status, message, (FieldError(field=field, message=message),))
