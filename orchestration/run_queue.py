"""Dagster's run queue for one home: of the runs that it starts, one works at a time."""

from dagster import DagsterEventType, DagsterRun, QueuedRunCoordinator
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.storage.tags import RETRY_NUMBER_TAG, RETRY_STRATEGY_TAG

QUEUED_TAG = "crossmodal/queued"
"""Every run of the web UI, a schedule, a sensor or a backfill has it, and dagster.yaml allows one
run with it at a time. `max_concurrent_runs` would count runs of the command line too, and one of
these that was killed would keep the queue shut."""


class HomeRunQueue(QueuedRunCoordinator):
    """Marks every run that is put into the queue, so that one limit holds for all of them.

    A run that was killed is tried again as a whole: what it had made is kept anyway, and what it
    read may have changed since. One that was ended since it worked for too long is not.
    """

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Puts a run into the queue, or records that it was canceled."""
        run = context.dagster_run
        if self._tries_again_what_was_ended(run):
            self._instance.report_run_canceled(
                run, message="The run before it was not killed, but ended: it is not tried again."
            )
            return run
        tags = {QUEUED_TAG: "true", RETRY_STRATEGY_TAG: "ALL_STEPS"}
        self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)

    def _tries_again_what_was_ended(self, run: DagsterRun) -> bool:
        # To Dagster's daemon, a run that it has ended itself is one more that failed.
        if RETRY_NUMBER_TAG not in run.tags or run.parent_run_id is None:
            return False
        found = self._instance.get_records_for_run(
            run.parent_run_id, of_type=DagsterEventType.PIPELINE_CANCELING, limit=1
        )
        return bool(found.records)
