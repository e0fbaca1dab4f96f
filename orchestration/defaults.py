"""Whether a schedule or sensor is on as long as nobody has decided about it in the web UI."""

import dagster as dg

from crossmodal.settings import Settings

HOW_TO_TURN_ON = "Off until it is turned on here; under `crossmodal up`, on until it is turned off."
"""The end of the description of each."""


def of_schedules(settings: Settings) -> dg.DefaultScheduleStatus:
    """The status of schedules; what somebody has turned on or off stays so."""
    status = dg.DefaultScheduleStatus
    return status.RUNNING if settings.unattended else status.STOPPED


def of_sensors(settings: Settings) -> dg.DefaultSensorStatus:
    """The status of sensors that start runs; what somebody has turned on or off stays so."""
    status = dg.DefaultSensorStatus
    return status.RUNNING if settings.unattended else status.STOPPED
