"""Jobs by stage, and the nightly schedule."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.ingestion import source_of
from assets.partitions import month_of, register_months
from assets.reported_events import reported_months
from crossmodal import event_log
from crossmodal.published_events import published
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

STAGES = {
    "ingest": ("sources", "ingestion"),
    "embed": ("embeddings", "features"),
    "train": ("training", "evaluation"),
    "recommend": ("recommendations",),
}


def stage_selection(stage: str) -> dg.AssetSelection:
    """The assets of a job."""
    return dg.AssetSelection.groups(*STAGES[stage])


def make_jobs() -> list[UnresolvedAssetJobDefinition]:
    """One job a stage, and one for everything."""
    jobs = [
        dg.define_asset_job(
            stage,
            stage_selection(stage),
            description=f"Materializes the groups {', '.join(groups)}.",
        )
        for stage, groups in STAGES.items()
    ]
    return [
        *jobs,
        dg.define_asset_job(
            "everything",
            dg.AssetSelection.all(),
            description="From the raw files to the recommendations; what is current is kept.",
        ),
    ]


def month_range_tags(month_keys: list[str]) -> dict[str, str]:
    """Run tags that ask for every month from the first to the last in a single run."""
    return {RANGE_START: month_keys[0], RANGE_END: month_keys[-1]} if month_keys else {}


def nightly_schedule(workspace: Workspace) -> dg.ScheduleDefinition:
    """Every night at three, reads the source again and makes again whatever is stale."""

    @dg.schedule(
        name="nightly",
        cron_schedule="0 3 * * *",
        job_name="everything",
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description="Runs everything that is stale and promotes a model that is not worse. "
        "Off until it is turned on here.",
    )
    def nightly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        # The process that evaluates schedules lives for weeks; the source may have changed since.
        current = Workspace(load_settings(home=workspace.settings.home))
        if not current.lake.exists("raw_interactions"):
            return dg.SkipReason("Nothing was ingested yet: run `crossmodal run` once first.")
        month_keys = register_months(context.instance, source_months(current))
        return dg.RunRequest(tags=month_range_tags(month_keys))

    return nightly


def reported_events_sensor(workspace: Workspace) -> dg.SensorDefinition:
    """Looks every minute for events that the lake does not have yet."""

    @dg.sensor(
        name="reported_events",
        job_name="ingest",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Takes what apps reported into the lake. Off until it is turned on here.",
    )
    def reported(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        lake, log = workspace.lake, workspace.paths.event_log
        if not lake.exists("staged_interactions"):
            return dg.SkipReason("Nothing was ingested yet: run `crossmodal run` once first.")
        end = event_log.log_end(log)
        if end.position <= event_log.position_in(log, published(lake).position):
            return dg.SkipReason("The lake has every reported event.")
        known = lake.version("staged_interactions").summary["months"]
        month_keys = register_months(
            context.instance, sorted({*known, *reported_months(workspace)})
        )
        # The key asks for one run per position, however often the sensor looks before it has ended;
        # the same position of another log is another key.
        key = f"up to {end.position}, {end.event_id}"
        return dg.RunRequest(run_key=key, tags=month_range_tags(month_keys))

    return reported


def source_months(workspace: Workspace) -> list[str]:
    """Months in which the source or the apps have events now."""
    events = source_of(workspace).interactions().frame
    of_source = events.select(month_of().unique()).collect().to_series().to_list()
    return sorted({*of_source, *reported_months(workspace)})
