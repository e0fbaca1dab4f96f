"""The workspace of runs that Dagster starts: theirs once nobody else works in the home."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import dagster as dg
from dagster._core.errors import raise_execution_interrupts
from dagster._core.storage.tags import MAX_RUNTIME_SECONDS_TAG

from crossmodal.workspace import Workspace
from orchestration.instance import sole_run
from orchestration.jobs import FULL_EVALUATION_TAG
from orchestration.run_queue import QUEUED_TAG

_LIMITED_TAG = "crossmodal/limited"
"""Of runs whose limit of time is that of the settings. Tries after a kill have a run's tags too."""


def workspace_alone(
    workspace: Workspace, reopened: Callable[[], Workspace] | None = None
) -> dg.ResourceDefinition:
    """The workspace as a resource that keeps the home's lock from a run's first step to its last.

    The queue lets one run of the web UI and its daemon work at a time, but knows nothing of
    `crossmodal run`. A run that finds the home busy waits; its log says for whom.

    Args:
        workspace: of the home.
        reopened: opens it again once the run is alone; by default it stays as it is.
    """

    @dg.resource(description="Settings and tables of the home, in which one run works at a time.")
    def alone(context: dg.InitResourceContext) -> Iterator[Workspace]:
        instance, run, log = context.instance, context.run, context.log
        if instance is None or run is None or log is None:
            raise dg.DagsterInvariantViolationError("The workspace is there for runs alone.")
        with ExitStack() as held:
            # While it waits it can be canceled; Dagster would put that off until a step begins.
            with raise_execution_interrupts():
                held.enter_context(
                    sole_run(workspace.paths, instance, run.run_id, waiting=log.info)
                )
            current = workspace if reopened is None else reopened()
            _limit_time(instance, run, current.settings.unattended_run_seconds)
            yield _as_tagged(current, run)

    return alone


def _as_tagged(workspace: Workspace, run: dg.DagsterRun) -> Workspace:
    """The workspace, with what the run's job has chosen in place of a setting."""
    if FULL_EVALUATION_TAG not in run.tags:
        return workspace
    of_full = workspace.settings.model_copy(update={"evaluation": "full"})
    return replace(workspace, settings=of_full)


def _limit_time(instance: dg.DagsterInstance, run: dg.DagsterRun, seconds: int) -> None:
    """Has the daemon end the run once it has worked so long, not counting what it has waited.

    The daemon can only end what it has launched. A limit that whoever launched it chose stays.
    """
    record = instance.get_run_record_by_id(run.run_id)
    chosen = MAX_RUNTIME_SECONDS_TAG in run.tags and _LIMITED_TAG not in run.tags
    launched = QUEUED_TAG in run.tags
    if not seconds or chosen or not launched or record is None or record.start_time is None:
        return
    until = math.ceil(time.time() + seconds - record.start_time)
    tags = {MAX_RUNTIME_SECONDS_TAG: str(until), _LIMITED_TAG: "true"}
    instance.add_run_tags(run.run_id, tags)
