"""Dagster's own instance, below the state folder."""

import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dagster import DagsterInstance, DagsterInvalidConfigError, DagsterRunStatus, RunsFilter
from dagster._check import CheckError
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy.exc import SQLAlchemyError
from yaml import YAMLError

from crossmodal.atomic import atomic_write_bytes, sweep
from crossmodal.home_lock import Holder, holder_of, home_lock
from crossmodal.paths import StatePaths
from crossmodal.store_errors import StoreError, store_errors_of
from models.registry import ModelRegistry
from orchestration.kept_open import KeptOpenStorage

CLI_RUN_TAG = "crossmodal/command_line"
_FIRST_CONFIG = """\
telemetry:
  enabled: false
nux:
  enabled: false
"""
_QUEUE_CONFIG = f"""\
{_FIRST_CONFIG}\
run_coordinator:
  module: orchestration.run_queue
  class: HomeRunQueue
  config:
    tag_concurrency_limits:
      - key: crossmodal/queued
        limit: 1
run_monitoring:
  enabled: true
  start_timeout_seconds: 600
"""
# A step that fails has tries of its own; these are for a run whose process was killed.
_INSTANCE_CONFIG = f"""\
{_QUEUE_CONFIG}\
run_retries:
  enabled: true
  max_retries: 3
  retry_on_asset_or_op_failure: false
"""
_REPLACED_CONFIGS = [text.encode().strip() for text in ("", _FIRST_CONFIG, _QUEUE_CONFIG)]
_UNFINISHED = [DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.CANCELING]
_OF_COMMAND_LINE = RunsFilter(statuses=_UNFINISHED, tags={CLI_RUN_TAG: "true"})


def open_instance(paths: StatePaths) -> DagsterInstance:
    """The instance that the command line, the web UI and the schedule share.

    Raises:
        StoreError: its configuration cannot be read.
    """
    paths.dagster.mkdir(parents=True, exist_ok=True)
    config = paths.dagster / "dagster.yaml"
    # What an operator has changed in it stays. Without a word in it there would be no queue.
    if not config.is_file() or config.read_bytes().strip() in _REPLACED_CONFIGS:
        atomic_write_bytes(config, _INSTANCE_CONFIG.encode())
    try:
        return DagsterInstance.from_ref(_kept_open(InstanceRef.from_dir(str(paths.dagster))))
    except (CheckError, DagsterInvalidConfigError, YAMLError, UnicodeDecodeError) as error:
        raise StoreError(
            f"{config} is damaged, or what was changed in it is wrong: put it right, or delete it, "
            "and the next command makes it again."
        ) from error


def _kept_open(ref: InstanceRef) -> InstanceRef:
    """With faster access to the databases, where an operator has chosen no other storage."""
    storage = ref.storage_data
    if storage is None or storage.class_name != DagsterSqliteStorage.__name__:
        return ref
    kept = storage._replace(
        module_name=KeptOpenStorage.__module__, class_name=KeptOpenStorage.__name__
    )
    return ref._replace(storage_data=kept)


@contextmanager
def readable_records(paths: StatePaths) -> Iterator[None]:
    """Makes what goes wrong with Dagster's databases in the block one sentence.

    Raises:
        StoreError: one is damaged, or cannot be written.
    """
    try:
        yield
    except SQLAlchemyError as error:
        origin = getattr(error, "orig", None)
        if not isinstance(origin, sqlite3.Error):
            raise
        with store_errors_of(paths.dagster, "without the history of runs"):
            raise origin from error


def cancel_unfinished(instance: DagsterInstance) -> None:
    """Records that the unfinished run of the command line was canceled; whoever asks is alone."""
    for run in instance.get_runs(_OF_COMMAND_LINE):
        instance.report_run_canceled(run, message="The command that ran it was interrupted.")


def cancel_left_by_ui(instance: DagsterInstance) -> None:
    """Records that runs were canceled which the web UI had started, and which ended with it."""
    for run in instance.get_runs(RunsFilter(statuses=_UNFINISHED)):
        if CLI_RUN_TAG not in run.tags:
            instance.report_run_canceled(run, message="The web UI that ran it was ended.")


def fail_left_by_killed_ui(paths: StatePaths, instance: DagsterInstance) -> None:
    """Records that runs failed which ended with a web UI that was killed, or that broke down.

    Its queue would wait for them for ever. As nobody asked them to end, the daemon of the next web
    UI takes them up again. A run that works in the home at this moment stays as it is.
    """
    holder = holder_of(paths)
    working = "" if holder is None else holder.run_id
    for run in instance.get_runs(RunsFilter(statuses=_UNFINISHED)):
        if CLI_RUN_TAG in run.tags or run.run_id == working:
            continue
        if run.status is DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, message="The web UI that ran it was killed.")
        else:
            instance.report_run_failed(run, message="The web UI that ran it was killed.")


@contextmanager
def sole_run(
    paths: StatePaths,
    instance: DagsterInstance,
    run_id: str = "",
    waiting: Callable[[str], None] | None = None,
    seconds: float = math.inf,
    what: str = "crossmodal run",
) -> Iterator[None]:
    """Keeps other runs out of the state folder, and clears up after killed ones.

    Who holds the lock is alone. So runs of the command line that are not finished were killed, and
    so was the one that had the lock and did not give it back. They are marked as failed, which they
    could not report themselves, and their half-written files are removed.

    Args:
        paths: of the folder.
        instance: that holds the runs.
        run_id: of the run in the web UI or its daemon; empty on the command line.
        waiting: called with a sentence that says for whom this run waits; without it, none waits.
        seconds: how long it waits at most.
        what: how others name this process where it is no run of Dagster's.

    Raises:
        HomeBusyError: another process holds the lock, and `waiting` is None or the time is over.
    """
    named = "Dagster run" if run_id else what
    with home_lock(paths, what=named, run_id=run_id, waiting=waiting, seconds=seconds) as killed:
        _record_killed(instance, killed)
        sweep(paths.home)
        ModelRegistry(paths.models).sweep()
        yield


def _record_killed(instance: DagsterInstance, killed: Holder | None) -> None:
    runs = list(instance.get_runs(_OF_COMMAND_LINE))
    if killed is not None and killed.run_id:
        runs += instance.get_runs(RunsFilter(run_ids=[killed.run_id], statuses=_UNFINISHED))
    for run in runs:
        instance.report_run_failed(run, message="The process of this run was killed.")
