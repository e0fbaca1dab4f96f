"""Whether all is well in a home: what is found, what must be done first, and its pages."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.types import DaemonHeartbeat
from dagster._utils.error import SerializableErrorInfo
from health_homes import DATED, FAILED, HOURS, keys, make, now, problem
from typer.testing import CliRunner

from crossmodal.home_lock import home_lock
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.cli import app
from orchestration.finished import remember_finished
from orchestration.health.facts import GB
from orchestration.health.gather import health_of
from orchestration.health.page import as_markdown, as_text, for_programs
from orchestration.health.verdict import EMPTY, WELL
from orchestration.instance import open_instance
from orchestration.services.places import Started, note, socket_of


@contextmanager
def turned_on(
    workspace: Workspace,
    name: str,
    cron: str,
    status: InstigatorStatus = InstigatorStatus.RUNNING,
) -> Iterator[dg.DagsterInstance]:
    """The instance, in which somebody has turned on a schedule, or as its status says."""
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__")
    state = InstigatorState(
        RemoteInstigatorOrigin(repository, name),
        InstigatorType.SCHEDULE,
        status,
        ScheduleInstigatorData(cron, start_timestamp=now().timestamp()),
    )
    with open_instance(workspace.paths) as instance:
        instance.add_instigator_state(state)
        yield instance


def beat(instance: dg.DagsterInstance, at: datetime) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(at.timestamp(), "SCHEDULER", "one", []))


def test_an_empty_home_is_told_what_to_run_and_stays_empty(settings: Settings) -> None:
    health = health_of(Workspace(settings))
    assert keys(health) == [EMPTY]
    assert health.headline.endswith("Next: `crossmodal run`.")
    assert not settings.home.exists()


def test_what_is_current_is_well(workspace: Workspace) -> None:
    health = health_of(workspace)
    assert health.well and health.headline == WELL
    assert health.facts.runs.last_success is not None and health.facts.runs.last_failure is None
    ages = {table.name: table.current_at for table in health.facts.tables}
    assert all(ages[name] is not None for name in DATED)


def test_what_no_run_has_made_for_too_long_is_overdue_since_its_hour(workspace: Workspace) -> None:
    made_at = health_of(workspace).facts.tables[-1].current_at
    assert made_at is not None
    late = health_of(workspace, now=made_at + 31 * HOURS)
    assert keys(late) == ["overdue"]
    overdue = problem(late, "overdue")
    assert overdue.command == "crossmodal run" and "recommendations (30 h)" in overdue.what
    of_lists = [table.due_at for table in late.facts.tables if table.hours == 30]
    assert overdue.since == min(at for at in of_lists if at is not None)
    weekly = problem(health_of(workspace, now=made_at + 217 * HOURS), "overdue")
    assert "champion (216 h)" in weekly.what and "champion" not in overdue.what


def test_what_is_on_by_default_counts_as_long_as_up_is_in_charge(workspace: Workspace) -> None:
    by_default = InstigatorStatus.DECLARED_IN_CODE
    with turned_on(workspace, "nightly", "0 3 * * *", by_default) as instance:
        # Dagster keeps the state after the default has changed back to off.
        assert not health_of(workspace, instance).facts.automation.next_runs
        workspace.paths.services.mkdir()
        of_another_home = StatePaths(workspace.paths.home / "original")
        note(workspace.paths, Started(str(of_another_home.services / "control.sock"), "", ""))
        assert not health_of(workspace, instance).facts.automation.next_runs
        note(workspace.paths, Started(str(socket_of(workspace.paths)), "", ""))
        health = health_of(workspace, instance)
        (run,) = health.facts.automation.next_runs
        assert problem(health, "daemon").command == "crossmodal up"
        workspace.paths.up_note.unlink()
        by_setting = Workspace(workspace.settings.model_copy(update={"unattended": True}))
        assert health_of(by_setting, instance).facts.automation.next_runs
    assert run.schedule == "nightly"


def test_a_sensor_that_only_watches_is_not_said_to_wait_for_the_web_ui(
    workspace: Workspace,
) -> None:
    workspace.paths.services.mkdir()
    note(workspace.paths, Started(str(socket_of(workspace.paths)), "", ""))
    by_default = InstigatorStatus.DECLARED_IN_CODE
    with turned_on(workspace, "failed_runs", "0 3 * * *", by_default) as instance:
        assert health_of(workspace, instance).well


def test_a_run_that_found_everything_current_counts(workspace: Workspace) -> None:
    remember_finished(workspace, "choices", DATED)
    finished_at = health_of(workspace).facts.tables[-1].current_at
    with open_instance(workspace.paths) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("champion"))
    assert event is not None and finished_at is not None
    assert finished_at.timestamp() > event.timestamp
    assert health_of(workspace, now=finished_at + 29 * HOURS).well


@pytest.mark.parametrize("back", [HOURS, 365 * 24 * HOURS])
def test_a_clock_that_was_set_back_is_a_problem(workspace: Workspace, back: timedelta) -> None:
    assert keys(health_of(workspace, now=now() - back)) == ["clock"]
    assert health_of(workspace, now=now() - timedelta(minutes=1)).well


def test_a_watched_folder_that_is_gone_is_a_problem(workspace: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    chosen = {"unattended_events_folder": folder}
    watching = Workspace(workspace.settings.model_copy(update=chosen))
    assert str(folder) in problem(health_of(watching), "events_folder").what
    folder.mkdir()
    assert health_of(watching).well


def test_a_schedule_that_is_on_needs_the_daemon(workspace: Workspace) -> None:
    with turned_on(workspace, "nightly", "0 3 * * *") as instance:
        health = health_of(workspace, instance)
        assert problem(health, "daemon").command == "crossmodal ui"
        (run,) = health.facts.automation.next_runs
        assert run.schedule == "nightly" and run.at.hour == 3
        assert timedelta() <= run.at - health.facts.at <= 24 * HOURS
        beat(instance, now())
        assert health_of(workspace, instance).well
        assert not health_of(workspace, instance, now() + HOURS).well
        with home_lock(workspace.paths, "ui"):
            assert health_of(workspace, instance, now() + HOURS).well


def test_a_schedule_that_cannot_look_is_named_with_its_reason(workspace: Workspace) -> None:
    with turned_on(workspace, "nightly", "0 3 * * *") as instance:
        beat(instance, now())
        (state,) = instance.all_instigator_state()
        error = SerializableErrorInfo("the folder is not there", [], "SourceError")
        for status in (TickStatus.FAILURE, TickStatus.STARTED):
            instance.create_tick(
                TickData(
                    state.instigator_origin_id,
                    "nightly",
                    InstigatorType.SCHEDULE,
                    status,
                    now().timestamp(),
                    error=error if status is TickStatus.FAILURE else None,
                    selector_id=state.selector_id,
                )
            )
        health = health_of(workspace, instance)
    assert keys(health) == ["failed_tick:nightly"]
    assert "the folder is not there" in health.headline


def test_little_room_comes_first(workspace: Workspace) -> None:
    with open_instance(workspace.paths) as instance:
        make(instance, "champion", broken="champion")
    asked = workspace.settings.model_copy(update={"unattended_free_gb": 1e9})
    health = health_of(Workspace(asked))
    assert keys(health) == ["disk", FAILED]
    assert "CROSSMODAL_UNATTENDED_FREE_GB" in health.headline
    assert health.facts.disk.least == 1e9 * GB


def test_a_champion_that_is_gone_is_a_problem(workspace: Workspace) -> None:
    workspace.paths.models.mkdir()
    (workspace.paths.models / "champion").write_text("ease-all-events-1f2e3d4c")
    found = problem(health_of(workspace), "champion")
    assert "holds no version ease-all-events-1f2e3d4c" in found.what


def test_who_works_is_named_and_may_not_work_for_ever(workspace: Workspace) -> None:
    with home_lock(workspace.paths, what="crossmodal run"):
        health = health_of(workspace)
        (worker,) = health.facts.working
        assert health.well and worker.what == "crossmodal run"
        late = health_of(workspace, now=now() + 25 * HOURS)
    assert problem(late, "long_run").command == f"kill {worker.pid}"
    assert health_of(workspace).facts.working == ()


def test_more_rejects_than_a_run_allows_are_a_problem(workspace: Workspace) -> None:
    workspace.lake.write("rejects", pl.DataFrame({"row": [1]}), {}, share=0.25)
    assert "25.0% of the source's rows" in problem(health_of(workspace), "rejects").what


@pytest.mark.parametrize("damaged", ["dagster/history/runs.db", "models/history.jsonl"])
def test_a_store_that_cannot_be_read_is_a_problem_and_no_crash(
    workspace: Workspace, damaged: str
) -> None:
    workspace.paths.models.mkdir()
    (workspace.paths.models / "champion").write_text("ease-all-events-1f2e3d4c")
    (workspace.settings.home / damaged).write_bytes(b"no such file is written " * 100)
    health = health_of(workspace)
    assert keys(health)[0] == "unreadable" and "cannot be read" in health.headline


def test_all_pages_say_the_same(workspace: Workspace) -> None:
    with open_instance(workspace.paths) as instance:
        make(instance, "champion", broken="champion")
    health = health_of(workspace)
    text, page, content = as_text(health), as_markdown(health), for_programs(health)
    assert text.splitlines()[0] == health.headline == content["headline"]
    assert page.startswith(f"**{health.headline}**")
    assert json.loads(json.dumps(content))["problems"][0]["key"] == FAILED
    for name in DATED:
        assert name in text and f"| {name} | current " in page


def test_the_command_says_by_its_status_whether_something_must_be_done(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.settings.home)
    monkeypatch.setenv("CROSSMODAL_HOME", str(workspace.settings.home))
    monkeypatch.setenv("CROSSMODAL_UNATTENDED_FREE_GB", "0")
    well = CliRunner().invoke(app, ["status"])
    assert (well.exit_code, well.output.splitlines()[0]) == (0, WELL)
    monkeypatch.setenv("CROSSMODAL_UNATTENDED_FREE_GB", "1e9")
    unwell = CliRunner().invoke(app, ["status", "--json"])
    assert unwell.exit_code == 1
    assert [one["key"] for one in json.loads(unwell.output)["problems"]] == ["disk"]


@pytest.mark.slow
def test_a_home_after_its_first_run_is_well(finished: tuple[Settings, object]) -> None:
    settings, _ = finished
    health = health_of(Workspace(settings.model_copy(update={"unattended_free_gb": 0})))
    assert health.well, health.headline
    assert health.facts.champion.changes[0].by == "gate" and health.facts.champion.verdict
    assert health.facts.rejects is not None
