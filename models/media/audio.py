"""Sound: mono, 16 kHz, float32, at most so many seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from numpy.typing import NDArray

from models.media.limits import MediaError, MediaLimits, MediaMissingError
from models.media.losses import Losses, judge_losses
from models.media.mpeg_frames import counted_seconds
from models.media.paths import Content, read_content
from models.media.streams import on_one_thread, opened, packets_of
from models.media.wav_header import WavSizes, check_wav_format, wav_sizes

SAMPLE_RATE = 16_000
"""Samples a second of every decoded sound."""

Samples = NDArray[np.float32]

_LOUDEST = 1000.0
_EXACT, _CODEC_SLACK = 0.05, 0.3
_OGG_FLAGS_AT, _OGG_LAST = 5, 4
_MOST_PLANES = 7
_LOSSLESS = {"wav", "flac", "aiff", "au", "w64"}
_UNCOUNTED = {"mp3", "aac"}
"""Formats without a length: FFmpeg guesses one from the first bit rate."""


@dataclass(frozen=True)
class Sound:
    """A decoded sound.

    Attributes:
        samples: (n,) float32, mono, `SAMPLE_RATE`.
        seconds: length of the whole sound, also where only its beginning was decoded.
        note: what is missing of it, one sentence; None where nothing is.
    """

    samples: Samples
    seconds: float
    note: str | None = None


def decode_audio(path: Path, limits: MediaLimits) -> Samples:
    """The sound in a sound or video file, (n,) float32, mono at 16 kHz.

    Raises:
        MediaMissingError: a video without a sound track.
        MediaError: no sound, damaged, cut short, or with samples that are no numbers.
    """
    return decode_sound(read_content(path, limits), limits).samples


def decode_sound(content: Content, limits: MediaLimits) -> Sound:
    """Like `decode_audio`, of bytes already read."""
    sizes = _wav_sizes(content) if content.type.decoder == "wav" else None
    losses = Losses(
        uncounted=0 if sizes is None else sizes.uncounted,
        unended=content.type.decoder == "ogg" and not _is_ended_ogg(content.data),
    )
    with opened(content, "sound") as container:
        stream = _first_track(content, container)
        on_one_thread(stream, "sound")
        declared = _declared_seconds(content, container, stream)
        packets = packets_of(container, stream)
        # Both are lazy: `_collect` draws as much as it may keep, which fills `losses` on the way.
        pieces = _resampled(_decoded(packets, losses))
        samples = _collect(pieces, int(limits.max_seconds * SAMPLE_RATE), losses)
        decoded = len(samples) / SAMPLE_RATE
        capped = decoded >= limits.max_seconds
        if capped and declared is None:
            # The packets that were not drawn are counted, not decoded.
            declared = losses.seconds + sum(map(_seconds_of, packets))
    _check(samples)
    if capped:
        note = judge_losses(losses, decoded, None, 0.0, limits)
        return Sound(samples, max(decoded, declared or 0.0), note)
    if sizes is not None:
        declared = decoded * sizes.whole_of_present
    slack = _EXACT if content.type.decoder in _LOSSLESS else _CODEC_SLACK
    return Sound(samples, decoded, judge_losses(losses, decoded, declared, slack, limits))


def _wav_sizes(content: Content) -> WavSizes | None:
    """What a WAV's header says of its samples, None where it says nothing.

    Raises:
        MediaError: the header contradicts itself, or far more bytes follow than it counts.
    """
    check_wav_format(content.data)
    sizes = wav_sizes(content.data)
    if sizes is not None and sizes.uncounted > sizes.present:
        raise MediaError(
            f"The sound is damaged: its header counts {sizes.present:,} bytes of samples, and "
            f"{sizes.uncounted:,} more follow them; write the file again."
        )
    return sizes


def _first_track(content: Content, container: InputContainer) -> AudioStream:
    """The sound of a file.

    Raises:
        MediaMissingError: a video without a sound track.
        MediaError: any other file without sound.
    """
    if container.streams.audio:
        return container.streams.audio[0]
    if content.type.kind == "video":
        raise MediaMissingError("The video has no sound track.")
    raise MediaError("The file holds no sound.")


def _decoded(packets: Iterator["Packet[AudioStream]"], losses: Losses) -> Iterator[AudioFrame]:
    """Frames of the packets that can be decoded; what is refused is counted and left out."""
    for packet in packets:
        try:
            frames = packet.decode()
        except av.error.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            losses.refuse(packet.size, error.strerror or type(error).__name__)
            continue
        if packet.size:
            losses.take(packet.size, _seconds_of(packet))
        for frame in frames:
            if isinstance(frame, AudioFrame):
                yield frame


def _resampled(frames: Iterator[AudioFrame]) -> Iterator[Samples]:
    """Mono samples at `SAMPLE_RATE`, by a resampler for each format that the frames come in."""
    shape, resampler = None, None
    for frame in frames:
        # A spliced file goes on in another rate or with more channels.
        if resampler is None or shape != (frame.format.name, frame.layout.name, frame.rate):
            if resampler is not None:
                yield from _mixed(resampler, None)
            shape = (frame.format.name, frame.layout.name, frame.rate)
            # PyAV reads past the end of a frame that fills all eight of its planes (7.1 sound).
            packed = len(frame.layout.channels) > _MOST_PLANES
            resampler = av.AudioResampler(format="flt" if packed else "fltp", rate=SAMPLE_RATE)
        # Time stamps of damaged or spliced files jump, and the resampler would fill the gap.
        frame.pts = None
        yield from _mixed(resampler, frame)
    if resampler is not None:
        yield from _mixed(resampler, None)


def _mixed(resampler: av.AudioResampler, frame: AudioFrame | None) -> Iterator[Samples]:
    """A frame resampled and mixed to mono; for None, what the resampler still holds."""
    # FFmpeg's own mix adds 3 dB to a stereo file of one voice: a mean leaves the level alone.
    for piece in resampler.resample(frame):
        samples = piece.to_ndarray()
        if not piece.format.is_planar:
            samples = samples.reshape(piece.samples, -1).T
        yield samples.mean(axis=0)


def _collect(pieces: Iterator[Samples], most: int, losses: Losses) -> Samples:
    """The first `most` samples (n,), drawing no more pieces than they need.

    Raises:
        MediaError: there are none.
    """
    kept: list[Samples] = []
    count = 0
    for piece in pieces:
        kept.append(piece)
        count += len(piece)
        if count >= most:
            break
    if not count and losses.packets:
        reason = f" ({losses.reason})" if losses.reason else ""
        raise MediaError(f"The sound is damaged: none of it can be decoded{reason}.")
    if not count:
        raise MediaError("The file holds no sound.")
    return np.concatenate(kept)[:most]


def _check(samples: Samples) -> None:
    if not np.isfinite(samples).all():
        raise MediaError("The sound holds samples that are not numbers.")
    if np.abs(samples).max() > _LOUDEST:
        raise MediaError("The sound holds samples far beyond full scale.")


def _declared_seconds(
    content: Content, container: InputContainer, stream: AudioStream
) -> float | None:
    """How long the file says that its sound is, None where it does not or says nothing true."""
    if content.type.decoder == "wav":
        return None
    if content.type.decoder in _UNCOUNTED:
        return counted_seconds(content.data)
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # That of a container with pictures is the pictures'.
    if container.duration is None or container.streams.video:
        return None
    return container.duration / av.time_base


def _is_ended_ogg(data: bytes) -> bool:
    """Whether the last page says that it is the last: its length stands nowhere else."""
    flags = data.rfind(b"OggS") + _OGG_FLAGS_AT
    return flags < len(data) and bool(data[flags] & _OGG_LAST)


def _seconds_of(packet: "Packet[AudioStream]") -> float:
    if packet.duration is None or packet.time_base is None:
        return 0.0
    return float(packet.duration * packet.time_base)
