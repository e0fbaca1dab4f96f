"""Everything Dagster shows and runs: `dagster dev` loads this module."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from assets.recipes import require_known_models
from crossmodal.settings import load_settings
from crossmodal.workspace import Workspace
from orchestration.automation import follow_inputs_sensor
from orchestration.checks import asset_checks
from orchestration.console import run_log
from orchestration.folder_sensor import event_files_sensor
from orchestration.freshness import with_freshness
from orchestration.health.sensors import health_asset, health_sensors
from orchestration.item_sensor import reported_items_sensor
from orchestration.jobs import make_jobs, reported_events_sensor
from orchestration.run_resource import RESOURCE, workspace_alone
from orchestration.schedules import make_schedules
from orchestration.source_sensor import source_sensor
from orchestration.stages import pipeline_assets


def build_definitions(
    workspace: Workspace,
    *,
    alone: bool = False,
    reopened: Callable[..., Workspace] | None = None,
) -> dg.Definitions:
    """The platform on one workspace.

    Steps run in the run's own process: loading torch and Feast costs each new process longer than
    most steps take.

    Args:
        workspace: of the home.
        alone: whether the caller holds the home's lock while these definitions are executed, so
            that their runs need not wait for it.
        reopened: opens the workspace again once a run that waited is alone, with the settings that
            were chosen for that run, since the run that it waited for may have been given another
            source; by default it stays as it is but for these settings.
    """
    require_known_models(workspace.settings)
    return dg.Definitions(
        assets=[*with_freshness(pipeline_assets(), workspace.settings), health_asset],
        asset_checks=asset_checks,
        jobs=make_jobs(),
        schedules=make_schedules(workspace),
        sensors=[
            reported_events_sensor(workspace),
            reported_items_sensor(workspace),
            event_files_sensor(workspace),
            source_sensor(workspace),
            follow_inputs_sensor(workspace),
            *health_sensors(workspace),
        ],
        resources={RESOURCE: workspace if alone else workspace_alone(workspace, reopened)},
        executor=dg.in_process_executor,
        loggers={"console": run_log},
    )


def _opened(**chosen: Any) -> Workspace:
    return Workspace(load_settings(**chosen))


defs = build_definitions(_opened(), reopened=_opened)
