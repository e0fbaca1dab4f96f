"""Runs that are started at once, in processes of their own: one works, the others wait for it."""

import json
import os
import shutil
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import psutil
import pytest
import requests
from commands import patiently, started
from dagster._core.storage.tags import WILL_RETRY_TAG
from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError
from small_platform import chosen_by_variables

from crossmodal.home_lock import Holder, HomeBusyError, holder_of, home_lock
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from orchestration.instance import CLI_RUN_TAG, fail_left_by_killed_ui, open_instance, sole_run

MODEL = "model_ease"


@pytest.fixture
def unfitted(copied: Settings) -> StatePaths:
    """A finished home that has lost a model's versions, so that a run has to fit it."""
    paths = StatePaths(copied.home)
    for version in paths.models.glob("ease-*"):
        shutil.rmtree(version)
    return paths


def runs_by_status(paths: StatePaths) -> Counter[dg.DagsterRunStatus]:
    with open_instance(paths) as instance:
        return Counter(run.status for run in instance.get_runs())


def waiting_for(paths: StatePaths, said: str) -> list[str]:
    """Runs whose logs say that they wait."""
    with open_instance(paths) as instance:
        return [
            run.run_id
            for run in instance.get_runs()
            if any(said in entry.user_message for entry in instance.all_logs(run.run_id))
        ]


def times_fitted(paths: StatePaths, since: float) -> list[bool]:
    """Of each materialization of the model since then, whether it was made and not kept."""
    with open_instance(paths) as instance:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(MODEL), after_timestamp=since), limit=100
        ).records
    found = [record.asset_materialization for record in records]
    return [not made.metadata["kept"].value for made in found if made is not None]


def last_materialized(paths: StatePaths) -> float:
    with open_instance(paths) as instance:
        (record,) = instance.fetch_materializations(dg.AssetKey(MODEL), limit=1).records
    return record.timestamp


@pytest.mark.slow
def test_runs_that_start_at_once_wait_for_each_other_and_fit_nothing_twice(
    unfitted: StatePaths,
) -> None:
    before = last_materialized(unfitted)
    variables = {**chosen_by_variables(), "DAGSTER_HOME": str(unfitted.dagster)}
    command = ["run", "--only", MODEL]
    materialize = ["asset", "materialize", "-m", "orchestration.definitions", "--select", MODEL]
    this_test = f"this test (process {os.getpid()}), since"

    @patiently
    def dagster_waits() -> None:
        if by_dagster.poll() is not None:
            raise RuntimeError(f"The run has ended: {by_dagster.stdout.read()}")
        assert len(waiting_for(unfitted, this_test)) == 1

    with ExitStack() as processes:
        with home_lock(unfitted, what="this test"):
            by_command, impatient, by_dagster = (
                processes.enter_context(started(unfitted.home, *words, module=module, **variables))
                for module, words in (
                    ("orchestration.cli", [*command, "--wait"]),
                    ("orchestration.cli", command),
                    ("dagster", materialize),
                )
            )
            assert any(this_test in line for line in iter(by_command.stdout.readline, ""))
            assert this_test in impatient.communicate()[0] and impatient.returncode == 1
            dagster_waits()
        for process in (by_command, by_dagster):
            said = process.communicate()[0]
            assert process.returncode == 0, said
    assert sorted(times_fitted(unfitted, before)) == [False, True]


@pytest.mark.slow
def test_of_runs_of_the_web_ui_one_works_and_the_next_is_queued(unfitted: StatePaths) -> None:
    before = last_materialized(unfitted)
    done = runs_by_status(unfitted)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    @patiently
    def launched() -> None:
        if ui.poll() is not None:
            raise RuntimeError("The web UI has ended.")
        try:
            client = DagsterGraphQLClient("127.0.0.1", port_number=port)
            client.submit_job_execution("everything", asset_selection=[dg.AssetKey(MODEL)])
        except (requests.RequestException, DagsterGraphQLClientError) as error:
            raise AssertionError("The web UI does not answer yet.") from error

    @patiently
    def one_waits_in_the_queue() -> None:
        now = runs_by_status(unfitted) - done
        assert now == {dg.DagsterRunStatus.STARTED: 1, dg.DagsterRunStatus.QUEUED: 1}
        assert waiting_for(unfitted, "crossmodal run of this test")

    @patiently
    def both_are_done() -> None:
        assert runs_by_status(unfitted) - done == {dg.DagsterRunStatus.SUCCESS: 2}

    with started(unfitted.home, "ui", "--port", str(port), **chosen_by_variables()) as ui:
        with home_lock(unfitted, what="crossmodal run of this test"):
            launched()
            launched()
            one_waits_in_the_queue()
        both_are_done()
    assert sorted(times_fitted(unfitted, before)) == [False, True]


def test_a_killed_holder_is_named_to_the_next_one_and_its_run_is_marked_as_failed(
    tmp_path: Path,
) -> None:
    paths = StatePaths(tmp_path)
    going = [
        dg.DagsterRun(job_name="everything", status=dg.DagsterRunStatus.STARTED, tags=tags)
        for tags in ({CLI_RUN_TAG: "true"}, {}, {})
    ]
    with open_instance(paths) as instance:
        for run in going:
            instance.add_run(run)
        _, killed, waits = going
        with home_lock(paths, what="Dagster run", run_id=killed.run_id):
            note = paths.home / "run.lock.json"
            left = note.read_bytes()
        assert not note.exists()
        note.write_bytes(left)
        with sole_run(paths, instance):
            pass
        statuses = [instance.get_run_by_id(run.run_id).status for run in going]
        assert statuses == [
            dg.DagsterRunStatus.FAILURE,
            dg.DagsterRunStatus.FAILURE,
            dg.DagsterRunStatus.STARTED,
        ]
        with home_lock(paths, run_id=waits.run_id):
            fail_left_by_killed_ui(paths, instance)
        assert instance.get_run_by_id(waits.run_id).status is dg.DagsterRunStatus.STARTED
        fail_left_by_killed_ui(paths, instance)
        failed = instance.get_run_by_id(waits.run_id)
    assert failed.status is dg.DagsterRunStatus.FAILURE and failed.tags[WILL_RETRY_TAG] == "true"


@pytest.mark.parametrize("given_again", [False, True])
def test_what_a_dead_process_has_left_names_nobody(tmp_path: Path, *, given_again: bool) -> None:
    paths = StatePaths(tmp_path)
    gone = psutil.Popen(["true"])
    gone.wait()
    # Of a container every command has one of the first numbers.
    number = os.getpid() if given_again else gone.pid
    with home_lock(paths):
        assert holder_of(paths) is not None
        (tmp_path / "run.lock.json").write_text(
            f'{{"what": "a run", "run_id": "", "pid": {number}, "since": "2026-01-01", "began": 1}}'
        )
        assert holder_of(paths) is None
        with pytest.raises(HomeBusyError) as caught, home_lock(paths):
            pass
    assert "a run (process" not in str(caught.value)
    assert str(Holder("a run", "42", 7, "noon")) == "a run 42 (process 7), since noon UTC"


@pytest.mark.parametrize("since", ["1999-01-01 00:00:00", "2999-01-01 00:00:00"])
def test_who_holds_a_lock_is_known_whatever_the_clock_was_set_to(
    tmp_path: Path, since: str
) -> None:
    paths = StatePaths(tmp_path)
    with home_lock(paths):
        note = tmp_path / "run.lock.json"
        note.write_text(json.dumps(json.loads(note.read_bytes()) | {"since": since}))
        holder = holder_of(paths)
    assert holder is not None and holder.pid == os.getpid()


def test_a_home_of_an_older_version_gets_queue_and_retries_and_an_edited_file_stays(
    tmp_path: Path,
) -> None:
    paths = StatePaths(tmp_path)
    paths.dagster.mkdir()
    config = paths.dagster / "dagster.yaml"
    config.write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n")
    with open_instance(paths) as instance:
        queue = instance.get_concurrency_config().run_queue_config
        assert instance.run_retries_enabled
    assert queue is not None
    assert queue.tag_concurrency_limits == [{"key": "crossmodal/queued", "limit": 1}]
    config.write_text("telemetry:\n  enabled: true\n")
    with open_instance(paths) as instance:
        assert instance.telemetry_enabled
