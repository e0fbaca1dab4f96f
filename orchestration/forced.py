"""What a run makes although nothing that it is made from has changed."""

from collections.abc import Collection

import dagster as dg
from dagster._core.storage.tags import BACKFILL_ID_TAG, PARENT_RUN_ID_TAG

from orchestration.stages import pipeline_assets
from orchestration.taken_up import made_before

_OF_A_PART = {BACKFILL_ID_TAG, PARENT_RUN_ID_TAG}
"""Tags of runs that make a part of what was asked for; the config is that of the whole."""


def forced_in(
    instance: dg.DagsterInstance, run: dg.DagsterRun, named: Collection[str]
) -> frozenset[str]:
    """Those of the named assets that a run has to make again.

    A run that takes up an interrupted one leaves what that one has made.

    Args:
        instance: of the home.
        run: whose config names the assets.
        named: their names.

    Raises:
        dg.Failure: the run does not make one of them, so that nothing would come of naming it.
    """
    if not named:
        return frozenset()
    missing = set() if _OF_A_PART & run.tags.keys() else set(named) - _made_by(instance, run)
    if missing:
        raise dg.Failure(
            f"The run config forces {', '.join(sorted(missing))}, which this run does not make: "
            "select it too, or take it out of `force`.",
            allow_retries=False,
        )
    return frozenset(named) - made_before(instance, run)


def _made_by(instance: dg.DagsterInstance, run: dg.DagsterRun) -> set[str]:
    """The names of the assets that a run makes or keeps."""
    assert run.execution_plan_snapshot_id is not None
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    keys_of_step = {asset.op.name: asset.keys for asset in pipeline_assets() if asset.is_executable}
    return {
        key.to_user_string()
        for step in plan.step_keys_to_execute
        for key in keys_of_step.get(step, {dg.AssetKey(step)})
    }
