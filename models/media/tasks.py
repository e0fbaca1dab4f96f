"""What a worker can be asked to do with one file; free of torch, so that workers start fast."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from models.media.images import decode_picture, shrunk, to_bucket
from models.media.inspection import inspect
from models.media.limits import MediaError, MediaLimits, MediaMissingError, MediaRecord
from models.media.paths import Content, read_content, resolve_inside
from models.media.wire import Payload

Task = Callable[[Path, str, MediaLimits, dict[str, Any]], Payload]

_PHOTO_SIDE = 368
"""Shorter side to which a JPEG may be decoded: both sides of every bucket fit in it."""


def inspect_file(root: Path, uri: str, limits: MediaLimits, options: dict[str, Any]) -> Payload:
    """The file's `MediaRecord`, for `options["modality"]`."""
    try:
        path = resolve_inside(root, uri)
    except MediaMissingError as error:
        return Payload(MediaRecord(status="missing", error=str(error)).as_dict())
    except MediaError as error:
        return Payload(MediaRecord(status="broken", error=str(error)).as_dict())
    return Payload(inspect(path, options["modality"], limits).as_dict())


def bucketed_pixels(root: Path, uri: str, limits: MediaLimits, options: dict[str, Any]) -> Payload:
    """The picture, or frames of the video, in the size of its bucket: (frames, h, w, 3) uint8."""
    content = read_content(resolve_inside(root, uri), limits)
    frames = [to_bucket(frame) for frame in _frames(content, limits, _PHOTO_SIDE)]
    return _with_hash(content, np.stack(frames))


def plain_pixels(root: Path, uri: str, limits: MediaLimits, options: dict[str, Any]) -> Payload:
    """Like `bucketed_pixels`, in its own size but at most `options["longest"]` a side."""
    content = read_content(resolve_inside(root, uri), limits)
    longest = options["longest"]
    frames = [np.asarray(shrunk(frame, longest)) for frame in _frames(content, limits, None)]
    return _with_hash(content, np.stack(frames))


def samples(root: Path, uri: str, limits: MediaLimits, options: dict[str, Any]) -> Payload:
    """The sound: (n,) float32, mono at 16 kHz."""
    from models.media.audio import decode_sound

    content = read_content(resolve_inside(root, uri), limits)
    return _with_hash(content, decode_sound(content, limits).samples)


TASKS: dict[str, Task] = {
    "inspect": inspect_file,
    "bucketed_pixels": bucketed_pixels,
    "plain_pixels": plain_pixels,
    "samples": samples,
}


def _frames(content: Content, limits: MediaLimits, at_least: int | None) -> list[Image.Image]:
    if content.type.kind == "picture":
        return [decode_picture(content, limits, at_least).image]
    from models.media.video import decode_clip

    return decode_clip(content, limits).frames


def _with_hash(content: Content, array: np.ndarray) -> Payload:
    return Payload({"sha256": content.sha256}, (array,))
