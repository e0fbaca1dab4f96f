"""Sound: mono, 16 kHz, float32, at most so many seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from models.media.limits import MediaError, MediaLimits, MediaMissingError
from models.media.paths import Content, read_content
from models.media.streams import opened

SAMPLE_RATE = 16_000
"""Samples a second of every decoded sound."""

Samples = NDArray[np.float32]

_LOUDEST = 1000.0
_OPEN_ENDED = (0, 0xFFFFFFFF)


@dataclass(frozen=True)
class Sound:
    """A decoded sound.

    Attributes:
        samples: (n,) float32, mono, `SAMPLE_RATE`.
        seconds: length of the whole sound, also where only its beginning was decoded.
    """

    samples: Samples
    seconds: float


def decode_audio(path: Path, limits: MediaLimits) -> Samples:
    """The sound in a sound or video file, (n,) float32, mono at 16 kHz.

    Raises:
        MediaMissingError: a video without a sound track.
        MediaError: no sound, damaged, cut short, or with samples that are no numbers.
    """
    return decode_sound(read_content(path, limits), limits).samples


def decode_sound(content: Content, limits: MediaLimits) -> Sound:
    """Like `decode_audio`, of bytes already read."""
    with opened(content, "sound") as container:
        if not container.streams.audio:
            if content.type.kind == "video":
                raise MediaMissingError("The video has no sound track.")
            raise MediaError("The file holds no sound.")
        stream = container.streams.audio[0]
        stream.codec_context.thread_count = 1
        declared = _declared_seconds(container.duration, stream)
        samples = _collect(_resampled(container, stream), int(limits.max_seconds * SAMPLE_RATE))
    _check(samples)
    decoded = len(samples) / SAMPLE_RATE
    if decoded >= limits.max_seconds:
        return Sound(samples, max(decoded, declared or 0.0))
    _check_whole(content, decoded, declared)
    return Sound(samples, decoded)


def _resampled(container: av.container.InputContainer, stream: AudioStream) -> Iterator[Samples]:
    # FFmpeg's own mix adds 3 dB to a stereo file of one voice: a mean leaves the level alone.
    resampler = av.AudioResampler(format="fltp", rate=SAMPLE_RATE)
    for frame in container.decode(stream):
        # Time stamps of damaged or spliced files jump, and the resampler would fill the gap.
        frame.pts = None
        for piece in resampler.resample(frame):
            yield piece.to_ndarray().mean(axis=0)
    for piece in resampler.resample(None):
        yield piece.to_ndarray().mean(axis=0)


def _collect(pieces: Iterator[Samples], most: int) -> Samples:
    kept: list[Samples] = []
    count = 0
    for piece in pieces:
        kept.append(piece)
        count += len(piece)
        if count >= most:
            break
    if not count:
        raise MediaError("The file holds no sound.")
    return np.concatenate(kept)[:most]


def _check(samples: Samples) -> None:
    if not np.isfinite(samples).all():
        raise MediaError("The sound holds samples that are not numbers.")
    if np.abs(samples).max() > _LOUDEST:
        raise MediaError("The sound holds samples far beyond full scale.")


def _declared_seconds(duration: int | None, stream: AudioStream) -> float | None:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return None if duration is None else duration / av.time_base


def _check_whole(content: Content, decoded: float, declared: float | None) -> None:
    """Finds what was cut off: FFmpeg plays what is left without a word."""
    if content.type.decoder == "wav":
        claimed = int.from_bytes(content.data[4:8], "little")
        missing = claimed + 8 - len(content.data)
        if claimed not in _OPEN_ENDED and missing > 1:
            raise MediaError(f"The sound is cut short: {missing} of its bytes are missing.")
    elif declared is not None and _knows_length(content) and decoded < 0.9 * declared - 0.3:
        raise MediaError(f"The sound is cut short: {decoded:.1f} of {declared:.1f} seconds.")


def _knows_length(content: Content) -> bool:
    """An MP3 without a Xing header has no length: FFmpeg guesses one from the first bit rate."""
    if content.type.decoder != "mp3":
        return True
    head = content.data[:65536]
    return b"Xing" in head or b"Info" in head
