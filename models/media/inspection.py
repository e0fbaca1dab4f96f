"""What a media file is, found out by decoding it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.media.images import decode_picture
from models.media.limits import MediaError, MediaLimits, MediaMissingError, MediaRecord
from models.media.paths import Content, read_content, sha256_of

if TYPE_CHECKING:
    from crossmodal.modalities import MediaKind


def inspect(path: Path, modality: "MediaKind", limits: MediaLimits) -> MediaRecord:
    """Decodes a file as a picture or a sound and records what it is.

    Never raises for a bad file: the record's status is broken or missing, with the reason. Only
    the limits on size are kept here; `DecodePool` keeps those on time and memory.
    """
    try:
        content = read_content(path, limits)
    except MediaMissingError as error:
        return MediaRecord(status="missing", error=str(error))
    except MediaError as error:
        return replace(_unread(path, limits), status="broken", error=str(error))
    known = MediaRecord(content.sha256, content.type.mime, content.size)
    try:
        return _decoded(known, content, modality, limits)
    except MediaMissingError as error:
        return replace(known, status="missing", error=str(error))
    except MediaError as error:
        return replace(known, status="broken", error=str(error))


def _decoded(
    known: MediaRecord, content: Content, modality: "MediaKind", limits: MediaLimits
) -> MediaRecord:
    # PyAV is heavy: a process that sees pictures only never loads it.
    if modality == "audio":
        from models.media.audio import decode_sound

        sound = decode_sound(content, limits)
        return replace(known, seconds=sound.seconds, note=sound.note)
    if content.type.kind == "picture":
        picture = decode_picture(content, limits, thorough=True)
        width, height = picture.image.size
        return replace(known, width=width, height=height, note=picture.note)
    from models.media.video import decode_clip

    clip = decode_clip(content, limits)
    return replace(known, width=clip.width, height=clip.height, seconds=clip.seconds)


def _unread(path: Path, limits: MediaLimits) -> MediaRecord:
    """Size, and for a file that is not too large the hash, of what could not be sniffed."""
    if not path.is_file():
        return MediaRecord()
    size = path.stat().st_size
    if size > limits.max_bytes:
        return MediaRecord(bytes=size)
    try:
        return MediaRecord(sha256=sha256_of(path), bytes=size)
    except OSError:
        return MediaRecord(bytes=size)
