"""When the daemon starts which job; nothing is on until it is turned on in the web UI."""

from collections.abc import Sequence

import dagster as dg

from assets.ingestion import source_of
from assets.partitions import month_of, register_months
from assets.reported_events import reported_months
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace
from orchestration.jobs import month_range_tags

_NOTHING_YET = "Nothing was ingested yet: run `crossmodal run` once first."


def make_schedules(workspace: Workspace) -> Sequence[dg.ScheduleDefinition]:
    """Hourly, nightly and weekly, in the time zone of the settings."""
    return [hourly_schedule(workspace), nightly_schedule(workspace), weekly_schedule(workspace)]


def hourly_schedule(workspace: Workspace) -> dg.ScheduleDefinition:
    """Every hour, half past it, brings reported events to the features of the online store."""

    @dg.schedule(
        name="hourly",
        cron_schedule="30 * * * *",
        job_name="refresh",
        execution_timezone=workspace.settings.unattended_time_zone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Takes what apps reported into the features and into the online store. "
        "Off until it is turned on here.",
    )
    def hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _of_all_months(workspace, context)

    return hourly


def nightly_schedule(workspace: Workspace) -> dg.ScheduleDefinition:
    """Every night at three, reads the source again and makes again whatever is stale."""

    @dg.schedule(
        name="nightly",
        cron_schedule="0 3 * * *",
        job_name="everything",
        execution_timezone=workspace.settings.unattended_time_zone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Runs everything that is stale and promotes a model that is not worse. "
        "Off until it is turned on here.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return _of_all_months(workspace, context)

    return nightly


def weekly_schedule(workspace: Workspace) -> dg.ScheduleDefinition:
    """Every Sunday at five, when the night's run is over, judges the models in full."""

    @dg.schedule(
        name="weekly",
        cron_schedule="0 5 * * 0",
        job_name="full_evaluation",
        execution_timezone=workspace.settings.unattended_time_zone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Hides modalities from every model that can be masked, not from the best two "
        "of a split. Off until it is turned on here.",
    )
    def weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if not workspace.lake.exists("metrics"):
            return dg.SkipReason("Nothing was judged yet: run `crossmodal run` once first.")
        return dg.RunRequest()

    return weekly


def _of_all_months(
    workspace: Workspace, context: dg.ScheduleEvaluationContext
) -> dg.RunRequest | dg.SkipReason:
    # The process that evaluates schedules lives for weeks; the source may have changed since.
    current = Workspace(load_settings(home=workspace.settings.home))
    if not current.lake.exists("raw_interactions"):
        return dg.SkipReason(_NOTHING_YET)
    month_keys = register_months(context.instance, source_months(current))
    return dg.RunRequest(tags=month_range_tags(month_keys))


def source_months(workspace: Workspace) -> list[str]:
    """Months in which the source or the apps have events now."""
    events = source_of(workspace).interactions().frame
    of_source = events.select(month_of().unique()).collect().to_series().to_list()
    return sorted({*of_source, *reported_months(workspace)})
