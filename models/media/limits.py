"""What a media file may cost, and what is found out about it."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from crossmodal.settings import Settings

Status = Literal["ok", "missing", "broken"]


class MediaError(ValueError):
    """A file cannot be used; the message is one sentence that says why."""


class MediaMissingError(MediaError):
    """There is no such file, or it does not have the modality at all."""


@dataclass(frozen=True)
class MediaLimits:
    """Bounds of one file.

    Attributes:
        max_bytes: largest file that is read.
        max_pixels: largest picture or video frame that is decoded, width times height.
        max_seconds: sound decoded from one file; what comes after is left out.
        max_frames: frames taken from one video.
        max_lost_share: share of a sound or picture above which what can't be decoded makes the
            file a broken one; up to it, the rest is used and a note says what is missing.
        timeout_seconds: time one file may take; its decoder is killed afterwards.
    """

    max_bytes: int = 50_000_000
    max_pixels: int = 40_000_000
    max_seconds: float = 60.0
    max_frames: int = 16
    max_lost_share: float = 0.1
    timeout_seconds: float = 30.0

    @property
    def memory_budget(self) -> int:
        """Bytes a decoder may allocate: room for the file and a few copies of the picture."""
        return max(256_000_000, 2 * self.max_bytes + 16 * self.max_pixels)


@dataclass(frozen=True)
class MediaRecord:
    """One row of the media table, without the item it belongs to.

    Attributes:
        sha256: of the file's bytes, hex; None where they could not be read.
        mime: type sniffed from the bytes; None where they are of no known type.
        bytes: size of the file.
        width, height: of a picture or video as it is shown, after its rotation.
        seconds: length of a sound or video.
        status: ok, missing or broken.
        error: why it is not ok, one sentence.
        note: what was left out of a file that is ok, one sentence; None where nothing was.
    """

    sha256: str | None = None
    mime: str | None = None
    bytes: int | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    status: Status = "ok"
    error: str | None = None
    note: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The record as one row, with the column names of the media table."""
        return asdict(self)


def media_limits(settings: "Settings") -> MediaLimits:
    """The bounds of one file, from the settings."""
    return MediaLimits(
        max_bytes=settings.media_max_bytes,
        max_pixels=settings.media_max_pixels,
        max_seconds=settings.media_max_seconds,
        max_frames=settings.media_max_frames,
        max_lost_share=settings.media_max_lost_share,
        timeout_seconds=settings.media_timeout_seconds,
    )
