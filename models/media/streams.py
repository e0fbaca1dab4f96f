"""Opening a sound or video with FFmpeg, held to the one demuxer that its bytes call for."""

import io
from collections.abc import Iterator
from contextlib import contextmanager

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from models.media.limits import MediaError
from models.media.paths import Content

# What PyAV raises on damaged bytes; its own errors are subclasses of these.
_DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    av.error.FFmpegError,
)

_MOST_STUMBLES = 64


@contextmanager
def opened(content: Content, what: str) -> Iterator[InputContainer]:
    """The container of a sound or video.

    Args:
        content: the file.
        what: its name in messages.

    Raises:
        MediaError: the file is neither, or is damaged; also for errors in the block.
    """
    if content.type.kind == "picture":
        raise MediaError(f"The file is no {what} but {content.type.mime}.")
    try:
        with av.open(
            io.BytesIO(content.data),
            mode="r",
            format=content.type.decoder,
            metadata_errors="replace",
        ) as container:
            yield container
    except MediaError:
        raise
    except MemoryError as error:
        raise MediaError(f"The {what} needs more memory than a decoder may use.") from error
    except _DAMAGE as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise MediaError(f"The {what} is damaged ({reason}).") from error


def on_one_thread(stream: AudioStream | VideoStream, what: str) -> None:
    """Keeps a stream's decoder to one thread.

    Raises:
        MediaError: FFmpeg has no decoder for it.
    """
    if stream.codec_context is None:
        raise MediaError(
            f"The {what} is in a coding that FFmpeg does not know; save it as "
            + ("MP4." if what == "video" else "WAV, FLAC or MP3.")
        )
    stream.codec_context.thread_count = 1


def packets_of(container: InputContainer, stream: AudioStream) -> Iterator["Packet[AudioStream]"]:
    """The packets of a stream up to the end of the file, past places that hold none.

    Raises:
        av.error.FFmpegError: there are too many such places.
    """
    stumbles = 0
    while True:
        try:
            yield from container.demux(stream)
            return
        except av.error.InvalidDataError:
            stumbles += 1
            if stumbles > _MOST_STUMBLES:
                raise
