"""What a run that takes up another one finds done."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.storage.tags import PARENT_RUN_ID_TAG

_BROKEN_OFF = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def made_before(instance: dg.DagsterInstance, run: dg.DagsterRun) -> frozenset[str]:
    """Assets that the runs which this one takes up have made, and not kept, before they broke off.

    Args:
        instance: of the home.
        run: one that the daemon tries again, or that somebody executes again.
    """
    return frozenset(
        name for broken in _taken_up(instance, run) for name in _made_by(instance, broken)
    )


def _taken_up(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[str]:
    """The ids of the runs before it, up to the last one that came to its end."""
    before = run.tags.get(PARENT_RUN_ID_TAG)
    while before is not None:
        parent = instance.get_run_by_id(before)
        if parent is None or parent.status not in _BROKEN_OFF:
            return
        yield before
        before = parent.tags.get(PARENT_RUN_ID_TAG)


def _made_by(instance: dg.DagsterInstance, run_id: str) -> Iterator[str]:
    of_type = dg.DagsterEventType.ASSET_MATERIALIZATION
    for record in instance.get_records_for_run(run_id, of_type=of_type).records:
        made = record.asset_materialization
        kept = None if made is None else made.metadata.get("kept")
        if made is not None and kept is not None and not kept.value:
            yield made.asset_key.to_user_string()
