"""When the daemon starts which job, if the schedule is on (`orchestration/defaults.py`)."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg

from assets.partitions import month_of, register_months
from assets.reported_events import reported_months
from assets.source_listing import source_of
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace
from orchestration import defaults
from orchestration.jobs import month_range_tags
from orchestration.night import plan_night

_Request = dg.RunRequest | dg.SkipReason
_Requesting = Callable[[dg.ScheduleEvaluationContext], _Request]
_NOTHING_YET = "Nothing was ingested yet: run `crossmodal run` once first."


def make_schedules(workspace: Workspace) -> Sequence[dg.ScheduleDefinition]:
    """Hourly, nightly and weekly, in the time zone of the settings."""

    def of_all_months(context: dg.ScheduleEvaluationContext) -> _Request:
        return _of_all_months(workspace, context)

    def as_planned(context: dg.ScheduleEvaluationContext) -> _Request:
        return _as_planned(workspace, context)

    def schedule(
        name: str, cron: str, job: str, does: str, request: _Requesting
    ) -> dg.ScheduleDefinition:
        return dg.schedule(
            name=name,
            cron_schedule=cron,
            job_name=job,
            execution_timezone=workspace.settings.unattended_time_zone,
            default_status=defaults.of_schedules(workspace.settings),
            description=f"{does} {defaults.HOW_TO_TURN_ON}",
        )(request)

    return [
        schedule(
            "hourly",
            "30 * * * *",
            "refresh",
            "Takes what apps reported into the features and into the online store.",
            of_all_months,
        ),
        schedule(
            "nightly",
            workspace.settings.unattended_nightly_cron,
            "everything",
            "Fits the champion's recipe to the new events and makes lists. Fits and judges all "
            "models where that is due, or where what answers ranks worse than popularity.",
            as_planned,
        ),
        # When the night's run is over.
        schedule(
            "weekly",
            "0 5 * * 0",
            "full_evaluation",
            "Fits and judges all models, and hides modalities from every model that can be masked, "
            "not from the best two of a split.",
            of_all_months,
        ),
    ]


def _of_all_months(workspace: Workspace, context: dg.ScheduleEvaluationContext) -> _Request:
    # The process that evaluates schedules lives for weeks; the source may have changed since.
    current = Workspace(load_settings(home=workspace.settings.home))
    if not current.lake.exists("raw_interactions"):
        return dg.SkipReason(_NOTHING_YET)
    month_keys = register_months(context.instance, source_months(current))
    return dg.RunRequest(tags=month_range_tags(month_keys))


def _as_planned(workspace: Workspace, context: dg.ScheduleEvaluationContext) -> _Request:
    request = _of_all_months(workspace, context)
    if isinstance(request, dg.SkipReason):
        return request
    current = Workspace(load_settings(home=workspace.settings.home))
    night = plan_night(current, context.instance, datetime.now(UTC))
    context.log.info(night.why)
    return night.request(context.repository_def, request.tags)


def source_months(workspace: Workspace) -> list[str]:
    """Months in which the source or the apps have events now."""
    events = source_of(workspace).interactions().frame
    of_source = events.select(month_of().unique()).collect().to_series().to_list()
    return sorted({*of_source, *reported_months(workspace)})
