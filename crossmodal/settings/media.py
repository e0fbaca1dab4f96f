"""What is read of the items' files."""

from pydantic import BaseModel, Field


class MediaSettings(BaseModel):
    """Bounds of files, and who decodes them."""

    media_max_bytes: int = Field(default=50_000_000, gt=0, description="Largest file that is read.")
    media_max_pixels: int = Field(
        default=40_000_000, gt=0, description="Largest picture that is decoded."
    )
    media_max_seconds: float = Field(
        default=60.0, gt=0, description="Sound decoded from one file, in seconds."
    )
    media_max_frames: int = Field(default=16, gt=0, description="Frames taken from one video.")
    media_max_lost_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of a picture or sound that may be damaged or missing; above it, the "
        "file counts as broken.",
    )
    media_timeout_seconds: float = Field(
        default=30.0, gt=0, description="Time that one file may take to decode."
    )
    media_workers: int = Field(default=2, ge=1, description="Processes that decode media.")
