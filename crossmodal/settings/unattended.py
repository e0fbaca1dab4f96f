"""Runs that nobody watches."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, Field, SecretStr, field_validator

from crossmodal.settings.home import AbsolutePath

_CRON_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
"""Least and most of minute, hour, day of the month, month, day of the week (0 is Sunday)."""

_CRON_PART = re.compile(r"(?:\*|(\d+)(?:-(\d+))?)(?:/([1-9]\d*))?")


class UnattendedSettings(BaseModel):
    """Tries, schedules, when something is overdue, and where alerts go."""

    unattended: bool = Field(
        default=False,
        description="Whether schedules and sensors are on where nobody has turned them on or off "
        "in the web UI. `crossmodal up` sets it to true for what it starts, unless you set it.",
    )
    unattended_retries: int = Field(
        default=3,
        ge=0,
        description="How often a step is tried again after a temporary fault: a lock that is held, "
        "a network or a disk that does not answer. After other faults it is not tried again.",
    )
    unattended_retry_seconds: float = Field(
        default=5.0,
        gt=0,
        description="Base of the waits before these tries: 1, 3 and 7 times as long, plus or minus "
        "a random time of up to the base.",
    )
    unattended_run_seconds: int = Field(
        default=86_400,
        ge=0,
        description="Time that a run of the web UI or its daemon may work; after it, the run is "
        "ended and counts as failed. 0 sets no limit.",
    )
    unattended_time_zone: str = Field(
        default="UTC",
        description="Time zone of the schedules' hours, such as Europe/Paris.",
    )
    unattended_nightly_cron: str = Field(
        default="0 3 * * *",
        description="When the schedule `nightly` starts its run, as a cron expression: minute, "
        "hour, day of the month, month, day of the week (0 to 6, Sunday is 0). Numbers, `*`, and "
        "`,`, `-` and `/` between them.",
    )
    unattended_events_folder: AbsolutePath | None = Field(
        default=None,
        description="Folder of event files that the sensor `event_files` takes in.",
    )
    unattended_features_hours: float = Field(
        default=30.0,
        ge=1,
        description="Age of the features in the online store above which the web UI and "
        "`crossmodal status` call them overdue. With the hourly schedule, you can set it to 3, to "
        "see a fault sooner.",
    )
    unattended_lists_hours: float = Field(
        default=30.0,
        ge=1,
        description="Age of the lists above which the web UI and `crossmodal status` call them "
        "overdue. With the default, they are overdue the morning after a nightly run has failed.",
    )
    unattended_champion_hours: float = Field(
        default=216.0,
        ge=1,
        description="Time since models were last judged above which the web UI and "
        "`crossmodal status` call the champion overdue. With the default of nine days, it is "
        "overdue when a week's judgement has failed.",
    )
    unattended_judge_days: float = Field(
        default=7.0,
        gt=0,
        description="Time since all models were last fitted and judged after which the schedule "
        "`nightly` and `crossmodal run --nightly` do so again. Until then, they only fit the "
        "champion's recipe to the new events.",
    )
    unattended_free_gb: float = Field(
        default=2.0,
        ge=0,
        description="Free space on the disk of the home, in GB, below which `crossmodal status` "
        "says that something must be done. 0 sets no limit.",
    )
    alert_webhook_url: SecretStr | None = Field(
        default=None,
        description="Address to which alerts are posted as JSON, such as that of a chat's incoming "
        "webhook. Whoever knows it can post there, so it is never shown. Without it, alerts are "
        "only logged.",
    )
    alert_timeout_seconds: float = Field(
        default=5.0,
        gt=0,
        le=8,
        description="Time that one try to post an alert may take. There are at most three tries.",
    )

    @field_validator("unattended_nightly_cron")
    @classmethod
    def _readable_cron(cls, value: str) -> str:
        fields = value.split()
        if len(fields) != len(_CRON_FIELDS) or not all(map(_is_cron, fields, _CRON_FIELDS)):
            raise ValueError(f"{value!r} is no cron expression; write one as 0 3 * * *")
        return value

    @field_validator("unattended_time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"{value!r} is no time zone; write one as Europe/Paris") from error
        return value


def _is_cron(field: str, limits: tuple[int, int]) -> bool:
    """Whether a field is a list of `*`, numbers and ranges within the limits, each with a step."""
    least, most = limits
    parts = [_CRON_PART.fullmatch(part) for part in field.split(",")]
    return all(
        part is not None
        and least <= int(part[1] or least) <= int(part[2] or part[1] or most) <= most
        for part in parts
    )
