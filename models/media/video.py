"""Frames of a video, evenly spaced, scaled down while they are decoded."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from models.media.limits import MediaError, MediaLimits, MediaMissingError
from models.media.paths import Content, read_content
from models.media.streams import on_one_thread, opened

LONGEST_SIDE = 512
"""Longer side of a decoded frame in pixels: sixteen frames then take 12 MB, whatever the video."""


@dataclass(frozen=True)
class Clip:
    """Some frames of a video.

    Attributes:
        frames: RGB pictures in time order, at least one.
        width, height: size of the video as it is shown, after its rotation.
        seconds: its length, None where it does not say.
    """

    frames: list[Image.Image]
    width: int
    height: int
    seconds: float | None


def decode_frames(path: Path, limits: MediaLimits) -> list[Image.Image]:
    """Up to `limits.max_frames` evenly spaced key frames of a video as RGB pictures.

    Raises:
        MediaMissingError: the file has sound only.
        MediaError: no video, damaged or beyond the limits.
    """
    return decode_clip(read_content(path, limits), limits).frames


def decode_clip(content: Content, limits: MediaLimits) -> Clip:
    """Like `decode_frames`, of bytes already read."""
    with opened(content, "video") as container:
        if not container.streams.video:
            if content.type.kind == "video":
                raise MediaMissingError("The video has sound only.")
            raise MediaError(f"The file is no picture but {content.type.mime}.")
        stream = container.streams.video[0]
        on_one_thread(stream, "video")
        width, height = stream.width, stream.height
        _check_size(width, height, limits)
        frames, turned = [], False
        for frame in _spaced(container, stream, limits):
            frames.append(_picture(frame, limits))
            turned = _quarter_turns(frame) % 2 == 1
        seconds = None if container.duration is None else container.duration / av.time_base
    if not frames:
        raise MediaError("The video holds no frame that can be decoded.")
    if turned:
        width, height = height, width
    return Clip(frames, width, height, seconds)


def _spaced(
    container: InputContainer, stream: VideoStream, limits: MediaLimits
) -> Iterator[VideoFrame]:
    """Key frames at or before evenly spaced instants, each once; the first ones if unseekable."""
    stream.codec_context.skip_frame = "NONKEY"
    if not container.duration:
        yield from islice(container.decode(stream), limits.max_frames)
        return
    seen: set[int | None] = set()
    for instant in np.linspace(0, container.duration, limits.max_frames, endpoint=False):
        container.seek(int(instant), backward=True)
        for frame in islice(container.decode(stream), 1):
            if frame.pts not in seen:
                seen.add(frame.pts)
                yield frame


def _picture(frame: VideoFrame, limits: MediaLimits) -> Image.Image:
    _check_size(frame.width, frame.height, limits)
    scale = min(1.0, LONGEST_SIDE / max(frame.width, frame.height))
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    picture = Image.fromarray(frame.reformat(width, height, format="rgb24").to_ndarray())
    turns = _quarter_turns(frame)
    return picture.rotate(90 * turns, expand=True) if turns else picture


def _quarter_turns(frame: VideoFrame) -> int:
    """Counterclockwise, 0 to 3."""
    return round(frame.rotation / 90) % 4


def _check_size(width: int, height: int, limits: MediaLimits) -> None:
    if width * height > limits.max_pixels:
        raise MediaError(
            f"The video has {width} x {height} pixels, "
            f"more than the {limits.max_pixels / 1e6:g} million allowed."
        )
