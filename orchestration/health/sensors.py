"""What the web UI's daemon does about health: a page of its own, and alerts."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from assets.stage import OWNERS
from crossmodal.workspace import Workspace
from orchestration.health.alerts import announce
from orchestration.health.automation import WATCHING
from orchestration.health.facts import GB
from orchestration.health.gather import health_of
from orchestration.health.page import as_markdown
from orchestration.health.verdict import Health

_LOOK_EVERY_SECONDS = 300
_FAILED_EVERY_SECONDS = 120
"""By default it would be 30, and the daemon logs a line for each."""

_KEY, _FAILED_RUNS = WATCHING

health_asset = dg.AssetSpec(
    _KEY,
    description="Is all well? The page is what `crossmodal status` prints. The sensor of this name "
    "writes it every hour, and when the answer changes; it needs no run.",
    group_name=_KEY,
    owners=OWNERS,
    kinds={"markdown"},
)


def health_sensors(workspace: Workspace) -> Sequence[dg.SensorDefinition]:
    """What looks at the home. On by default, as it changes nothing but what is said about it."""

    @dg.sensor(
        name=_KEY,
        minimum_interval_seconds=_LOOK_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Says when something must be done and when that has passed, and writes the "
        "page of the asset `health`.",
    )
    def health(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        found = health_of(workspace, context.instance)
        announce(workspace, found)
        mark = _mark(found, datetime.now(UTC))
        pages = [] if mark == context.cursor else [_page(found)]
        return dg.SensorResult(asset_events=pages, cursor=mark, skip_reason=found.headline)

    @dg.run_failure_sensor(
        name=_FAILED_RUNS,
        minimum_interval_seconds=_FAILED_EVERY_SECONDS,
        # Those of the command line are of no code location.
        monitor_all_code_locations=True,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Says within two minutes that a run has failed, whoever started it.",
    )
    def failed_runs(context: dg.RunFailureSensorContext) -> None:
        announce(workspace, health_of(workspace, context.instance))

    return [health, failed_runs]


def _mark(found: Health, now: datetime) -> str:
    """The same for looks at the same hour that find the same problems."""
    return f"{now:%Y-%m-%d %H} {' '.join(problem.key for problem in found.problems)}"


def _page(found: Health) -> dg.AssetMaterialization:
    share = found.facts.rejects
    return dg.AssetMaterialization(
        _KEY,
        description=found.headline,
        metadata={
            "page": dg.MetadataValue.md(as_markdown(found)),
            "problems": len(found.problems),
            "free_disk_gb": round(found.facts.disk.free / GB, 1),
            **({} if share is None else {"rejected_share": share.rejected}),
        },
    )
