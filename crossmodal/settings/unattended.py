"""Runs that nobody watches."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, field_validator


class UnattendedSettings(BaseModel):
    """Tries, schedules, and when something is overdue."""

    unattended_retries: int = Field(
        default=3,
        ge=0,
        description="How often a step is tried again after a fault that can pass: a lock that is "
        "held, a network or a disk that does not answer. Others are not tried again.",
    )
    unattended_retry_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Wait before the first of these tries, give or take as much; before the next "
        "ones, 3 and 7 times as long.",
    )
    unattended_run_seconds: int = Field(
        default=86_400,
        ge=0,
        description="Time that a run of the web UI or its daemon may work; after it, the run is "
        "ended and counts as failed. 0 for any time.",
    )
    unattended_time_zone: str = Field(
        default="UTC",
        description="Time zone of the schedules' hours, such as Europe/Paris.",
    )
    unattended_features_hours: float = Field(
        default=30.0,
        ge=1,
        description="Age of the features in the online store above which the web UI calls them "
        "overdue. With the hourly schedule, 3 says so sooner.",
    )
    unattended_lists_hours: float = Field(
        default=30.0,
        ge=1,
        description="Age of the lists above which it calls them overdue. By default, a night that "
        "fails is seen in the morning.",
    )
    unattended_champion_hours: float = Field(
        default=30.0,
        ge=1,
        description="Time since models were last judged above which it calls the champion overdue.",
    )

    @field_validator("unattended_time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone; write one as Europe/Paris") from error
        return value
