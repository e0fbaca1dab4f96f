"""Dagster's run queue for one home: of the runs that it starts, one works at a time."""

from dagster import DagsterRun, QueuedRunCoordinator
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.storage.tags import RETRY_STRATEGY_TAG

QUEUED_TAG = "crossmodal/queued"
"""Every run of the web UI, a schedule, a sensor or a backfill has it, and dagster.yaml allows one
run with it at a time. `max_concurrent_runs` would count runs of the command line too, and one of
these that was killed would keep the queue shut."""


class HomeRunQueue(QueuedRunCoordinator):
    """Marks every run that is put into the queue, so that one limit holds for all of them.

    A run that was killed is tried again as a whole: what it had made is kept anyway, and what it
    read may have changed since.
    """

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Puts a run into the queue."""
        tags = {QUEUED_TAG: "true", RETRY_STRATEGY_TAG: "ALL_STEPS"}
        self._instance.add_run_tags(context.dagster_run.run_id, tags)
        return super().submit_run(context)
