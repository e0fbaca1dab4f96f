"""What comes in, and how much of it may be unusable."""

from datetime import UTC, datetime
from typing import Any, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from crossmodal.settings.home import AbsolutePath


class SourceSettings(BaseModel):
    """The source, and the bounds of its events and files."""

    source: str = Field(
        default="sample", description="Name of a source; see `crossmodal run --help`."
    )
    source_path: AbsolutePath | None = Field(
        default=None,
        description="Folder, zip or file that the source reads.",
    )
    source_name: str | None = Field(
        default=None, description="Name of a published MovieLens set to download."
    )
    max_reject_share: float = Field(
        default=0.01, ge=0, le=1, description="Share of unusable rows above which a run stops."
    )
    max_broken_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of a modality's files that may be broken; above it, a run stops before "
        "anything is fitted.",
    )
    max_repeated_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Share of a modality's files that may have the same content; above it, that "
        "content counts as a placeholder, and its items as having no file.",
    )
    earliest_event: datetime = Field(
        default=datetime(1900, 1, 1, tzinfo=UTC),
        description="Events before this time are rejected; it is in UTC unless it has an offset.",
    )
    latest_event: datetime | None = Field(
        default=None,
        description="Events after this time are rejected; by default, events in the future.",
    )
    sample_users: int = Field(default=1500, ge=10, description="Users of the sample source.")
    sample_items: int = Field(default=800, ge=20, description="Items of the sample source.")
    sample_events: int = Field(default=60_000, ge=100, description="Events of the sample source.")

    @field_validator("earliest_event", "latest_event", mode="before")
    @classmethod
    def _no_bare_number(cls, value: Any) -> Any:
        """A year alone would be read as seconds since 1970."""
        if isinstance(value, int | float) or (isinstance(value, str) and value.strip().isdecimal()):
            raise ValueError(f"{value} may be a year or seconds; give a date such as 2015-01-01")
        return value

    @field_validator("earliest_event", "latest_event")
    @classmethod
    def _in_utc(cls, value: datetime | None) -> datetime | None:
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.latest_event is not None and self.latest_event < self.earliest_event:
            raise ValueError(
                f"CROSSMODAL_LATEST_EVENT={self.latest_event} is before "
                f"CROSSMODAL_EARLIEST_EVENT={self.earliest_event}, so that no event could count"
            )
        return self
