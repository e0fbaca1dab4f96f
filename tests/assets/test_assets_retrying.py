"""A fault that can pass is tried again; one that says what is wrong is not."""

import errno
import sqlite3
import urllib.error
from pathlib import Path

import dagster as dg
import filelock
import polars as pl
import pytest

from assets.retrying import retry_policy
from assets.table_asset import Making, table_asset
from crossmodal.passing_faults import can_pass
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from sources.protocol import SourceError

ROWS = pl.DataFrame({"item_id": ["a", "b"]})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(Settings(home=tmp_path, unattended_retries=2, unattended_retry_seconds=0.01))


def materialized(workspace: Workspace, asset: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    return dg.materialize([asset], resources={"workspace": workspace}, raise_on_error=False)


def tries(result: dg.ExecuteInProcessResult) -> int:
    """How often the step was begun."""
    begun = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED}
    return sum(event.event_type in begun for event in result.all_events)


def test_a_lock_that_is_held_for_a_moment_only_delays_a_table(
    workspace: Workspace, tmp_path: Path
) -> None:
    held = filelock.FileLock(tmp_path / "shared.lock")
    held.acquire()

    @table_asset(group="tests", kinds={"polars"}, code_version="1")
    def behind_a_lock(making: Making) -> None:
        try:
            with filelock.FileLock(tmp_path / "shared.lock", timeout=0):
                making.lake.write("behind_a_lock", ROWS, making.stamp)
        finally:
            held.release()

    result = materialized(workspace, behind_a_lock)
    assert result.success and tries(result) == 2
    assert workspace.lake.read("behind_a_lock").equals(ROWS)


def test_a_database_that_stays_locked_ends_the_step_with_its_own_message(
    workspace: Workspace, tmp_path: Path
) -> None:
    @table_asset(group="tests", kinds={"polars"}, code_version="1")
    def behind_a_database(making: Making) -> None:
        with sqlite3.connect(tmp_path / "store.db", timeout=0) as other:
            other.execute("BEGIN IMMEDIATE")

    holder = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    result = materialized(workspace, behind_a_database)
    holder.close()
    assert not result.success and tries(result) == 3
    error = result.failure_data_for_node("behind_a_database").error
    assert error.cause.cls_name == "OperationalError" and "locked" in error.cause.message


def test_what_is_wrong_with_the_data_is_not_tried_again(workspace: Workspace) -> None:
    @table_asset(group="tests", kinds={"polars"}, code_version="1")
    def without_a_column(making: Making) -> None:
        making.lake.write("without_a_column", ROWS.select("user_id"), making.stamp)

    result = materialized(workspace, without_a_column)
    assert not result.success and tries(result) == 1


def raised_from(cause: Exception) -> Exception:
    try:
        raise SourceError("The set cannot be downloaded.") from cause
    except SourceError as error:
        return error


@pytest.mark.parametrize(
    ("fault", "passes"),
    [
        (TimeoutError(), True),
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (OSError(errno.EAGAIN, "try again"), True),
        (OSError(errno.ESTALE, "stale"), True),
        (urllib.error.URLError(TimeoutError()), True),
        (raised_from(ConnectionRefusedError()), True),
        (OSError(errno.ENOSPC, "full"), False),
        (FileNotFoundError(errno.ENOENT, "gone"), False),
        (PermissionError(errno.EACCES, "denied"), False),
        (urllib.error.URLError("unknown url type"), False),
        (sqlite3.OperationalError("no such table: x"), False),
        (SourceError("The file has no column user."), False),
        (raised_from(ValueError()), False),
        (pl.exceptions.ColumnNotFoundError("user_id"), False),
    ],
)
def test_which_faults_can_pass(fault: Exception, passes: bool) -> None:
    assert can_pass(fault) is passes


def test_waits_grow_from_try_to_try(workspace: Workspace) -> None:
    policy = retry_policy(workspace.settings)
    assert policy.max_retries == 2 and policy.jitter is dg.Jitter.PLUS_MINUS
    assert policy._replace(jitter=None).calculate_delay(3) == pytest.approx(0.07)
