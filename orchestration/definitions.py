"""Everything Dagster shows and runs: `dagster dev` loads this module."""

from collections.abc import Callable

import dagster as dg

import assets.ablation
import assets.alignment
import assets.champion
import assets.click_through
import assets.drift
import assets.embeddings
import assets.encoding
import assets.evaluation
import assets.features
import assets.ingestion
import assets.leaderboard
import assets.media
import assets.prequential
import assets.recommendations
import assets.reported_events
import assets.reported_items
import assets.retention
import assets.robustness
import assets.search
import assets.sensitivity
import assets.serving_model
import assets.source_state
import assets.splits
import assets.text_encoding
import assets.training
from assets.recipes import require_known_models
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace
from orchestration.checks import asset_checks
from orchestration.console import run_log
from orchestration.folder_sensor import event_files_sensor
from orchestration.freshness import with_freshness
from orchestration.health.sensors import health_asset, health_sensors
from orchestration.item_sensor import reported_items_sensor
from orchestration.jobs import make_jobs, reported_events_sensor
from orchestration.run_resource import workspace_alone
from orchestration.schedules import make_schedules
from orchestration.source_sensor import source_sensor

_STAGES = [
    assets.reported_events,
    assets.click_through,
    assets.reported_items,
    assets.source_state,
    assets.ingestion,
    assets.media,
    assets.text_encoding,
    assets.encoding,
    assets.alignment,
    assets.embeddings,
    assets.features,
    assets.splits,
    assets.training,
    assets.search,
    assets.evaluation,
    assets.leaderboard,
    assets.ablation,
    assets.robustness,
    assets.sensitivity,
    assets.champion,
    assets.prequential,
    assets.drift,
    assets.serving_model,
    assets.recommendations,
    assets.retention,
]


def build_definitions(
    workspace: Workspace,
    *,
    alone: bool = False,
    reopened: Callable[[], Workspace] | None = None,
) -> dg.Definitions:
    """The platform on one workspace.

    Steps run in the run's own process: loading torch and Feast costs each new process longer than
    most steps take.

    Args:
        workspace: of the home.
        alone: whether the caller holds the home's lock while these definitions are executed, so
            that their runs need not wait for it.
        reopened: opens the workspace again once a run that waited is alone, since the run that it
            waited for may have been given another source; by default it stays as it is.
    """
    require_known_models(workspace.settings)
    return dg.Definitions(
        assets=[*with_freshness(_assets(), workspace.settings), health_asset],
        asset_checks=asset_checks,
        jobs=make_jobs(),
        schedules=make_schedules(workspace),
        sensors=[
            reported_events_sensor(workspace),
            reported_items_sensor(workspace),
            event_files_sensor(workspace),
            source_sensor(workspace),
            *health_sensors(workspace),
        ],
        resources={"workspace": workspace if alone else workspace_alone(workspace, reopened)},
        executor=dg.in_process_executor,
        loggers={"console": run_log},
    )


def _assets() -> list[dg.AssetsDefinition]:
    loaded = dg.load_assets_from_modules(_STAGES)
    return [asset for asset in loaded if isinstance(asset, dg.AssetsDefinition)]


def _opened() -> Workspace:
    return Workspace(load_settings())


defs = build_definitions(_opened(), reopened=_opened)
