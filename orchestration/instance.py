"""Dagster's own instance, below the state folder."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from crossmodal.atomic import sweep
from crossmodal.home_lock import HomeBusyError, home_lock
from crossmodal.paths import StatePaths
from models.registry import ModelRegistry

CLI_RUN_TAG = "crossmodal/command_line"
_INSTANCE_CONFIG = """\
telemetry:
  enabled: false
nux:
  enabled: false
"""
_UNFINISHED = [DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING]
_OF_COMMAND_LINE = RunsFilter(statuses=_UNFINISHED, tags={CLI_RUN_TAG: "true"})


def open_instance(paths: StatePaths) -> DagsterInstance:
    """The instance that the command line, the web UI and the schedule share."""
    paths.dagster.mkdir(parents=True, exist_ok=True)
    config = paths.dagster / "dagster.yaml"
    if not config.is_file():
        config.write_text(_INSTANCE_CONFIG)
    return DagsterInstance.from_config(str(paths.dagster))


def cancel_unfinished(instance: DagsterInstance) -> None:
    """Records that the unfinished run of the command line was canceled; whoever asks is alone."""
    for run in instance.get_runs(_OF_COMMAND_LINE):
        instance.report_run_canceled(run, message="The command that ran it was interrupted.")


def cancel_left_by_ui(instance: DagsterInstance) -> None:
    """Records that runs were canceled which the web UI had started, and which ended with it."""
    for run in instance.get_runs(RunsFilter(statuses=_UNFINISHED)):
        if CLI_RUN_TAG not in run.tags:
            instance.report_run_canceled(run, message="The web UI that ran it was ended.")


def newest_run(paths: StatePaths) -> str | None:
    """The id of the run that began last in a home; None where there was none."""
    if not paths.dagster.is_dir():
        return None
    with open_instance(paths) as instance:
        return next((run.run_id for run in instance.get_runs(limit=1)), None)


def run_of_ui(paths: StatePaths) -> str | None:
    """The id of a run that the web UI or its schedule works at in a home; None if at none."""
    if not paths.dagster.is_dir():
        return None
    with open_instance(paths) as instance:
        unfinished = instance.get_runs(RunsFilter(statuses=_UNFINISHED))
    runs = [run.run_id for run in unfinished if CLI_RUN_TAG not in run.tags]
    if not runs:
        return None
    try:
        with home_lock(paths, "ui"):
            # What looks unfinished was killed with the web UI that ran it.
            return None
    except HomeBusyError:
        return runs[0]


@contextmanager
def sole_run(paths: StatePaths, instance: DagsterInstance) -> Iterator[None]:
    """Keeps other command-line runs out of the state folder, and clears up after killed ones.

    Who holds the lock is alone, so that an unfinished run of the command line was killed: it is
    marked as failed, which it could not report itself, and its half-written files are removed.

    Raises:
        HomeBusyError: another process holds the lock.
    """
    with home_lock(paths):
        for run in instance.get_runs(_OF_COMMAND_LINE):
            instance.report_run_failed(run, message="The process of this run was killed.")
        if not instance.get_runs(RunsFilter(statuses=_UNFINISHED)):
            # A run of the web UI or the schedule writes without this lock: leave its files be.
            sweep(paths.home)
            ModelRegistry(paths.models).sweep()
        yield
