"""Jobs by stage, and the sensor that starts one of them."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets.drift_table import DRIFT
from assets.partitions import register_months
from assets.prequential import PREQUENTIAL
from assets.reported_events import reported_months
from crossmodal import event_log
from crossmodal.published_events import published
from crossmodal.workspace import Workspace
from orchestration import defaults

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

STAGES = {
    "ingest": ("sources", "ingestion"),
    "embed": ("embeddings", "features"),
    "train": ("training", "evaluation"),
    "recommend": ("recommendations",),
}

NIGHT = " or ".join(
    [
        *(f"group:{group}" for group in ("sources", "ingestion", "embeddings", "features")),
        *(f"key:{asset}" for asset in ("splits", "training_frame", "item_tokens")),
        *(f"key:{asset}" for asset in (PREQUENTIAL, "click_through", DRIFT)),
        "key:serving_model",
        "group:recommendations",
    ]
)
"""The assets of a night that judges no model: the champion's recipe learns from the new events."""

FULL_EVALUATION_TAG = "crossmodal/full_evaluation"
"""Of runs that fit and judge all there is, whatever CROSSMODAL_EVALUATION says."""


def stage_selection(stage: str) -> dg.AssetSelection:
    """The assets of a job."""
    return dg.AssetSelection.groups(*STAGES[stage])


def make_jobs() -> list[UnresolvedAssetJobDefinition]:
    """One job a stage, and those of the schedules."""
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
        dg.define_asset_job(
            "refresh",
            stage_selection("ingest") | dg.AssetSelection.groups("features"),
            description="Takes what apps reported into the features and into the online store.",
        ),
        dg.define_asset_job(
            "nightly",
            dg.AssetSelection.from_string(NIGHT),
            description="Judges the version that answers by the new events, then fits its recipe "
            "to them too and makes lists; fits and judges no other model.",
        ),
        dg.define_asset_job(
            "full_evaluation",
            # Models that were fitted before the last night know events that judge today.
            dg.AssetSelection.all(),
            tags={FULL_EVALUATION_TAG: "true"},
            description="Everything, judged as `crossmodal evaluate --full` does.",
        ),
    ]


def month_range_tags(month_keys: list[str]) -> dict[str, str]:
    """Run tags that ask for every month from the first to the last in a single run."""
    return {RANGE_START: month_keys[0], RANGE_END: month_keys[-1]} if month_keys else {}


def reported_events_sensor(workspace: Workspace) -> dg.SensorDefinition:
    """Looks every minute for events that the lake does not have yet."""

    @dg.sensor(
        name="reported_events",
        job_name="ingest",
        minimum_interval_seconds=60,
        default_status=defaults.of_sensors(workspace.settings),
        description=f"Takes what apps reported into the lake. {defaults.HOW_TO_TURN_ON}",
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
