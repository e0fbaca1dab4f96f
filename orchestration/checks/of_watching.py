"""Checks that what watches the version that answers could do so; what they find stops nothing."""

from collections.abc import Iterator

import dagster as dg

from assets.watching import why_unmeasured
from crossmodal.workspace import Workspace
from orchestration.watching import WATCHING


def watching_checks() -> Iterator[dg.AssetChecksDefinition]:
    """One check per table."""
    for table in WATCHING:
        yield _check(table)


def _check(table: str) -> dg.AssetChecksDefinition:
    description = "The last run could measure it."

    @dg.asset_check(asset=table, name="measured", description=description)
    def check(workspace: dg.ResourceParam[Workspace]) -> dg.AssetCheckResult:
        fault = why_unmeasured(workspace.lake, table)
        return dg.AssetCheckResult(
            passed=not fault,
            severity=dg.AssetCheckSeverity.WARN,
            description=fault or description,
        )

    return check
