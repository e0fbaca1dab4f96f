"""What the daemon does by itself: schedules, what counts as overdue, limits."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from pydantic import ValidationError
from small_platform import chosen_by_variables, small_settings

from crossmodal.event_log import EventLog, LoggedEvent
from crossmodal.home_lock import HomeBusyError, home_lock
from crossmodal.paths import StatePaths
from crossmodal.pseudonyms import pseudonym
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.definitions import build_definitions
from orchestration.health.automation import WATCHING
from orchestration.instance import open_instance
from orchestration.jobs import RANGE_END, RANGE_START
from orchestration.lookup import LookupFailedError, features_of
from orchestration.run_queue import QUEUED_TAG
from orchestration.run_resource import workspace_alone

SCHEDULES = ("hourly", "nightly", "weekly")
SENSORS = ("reported_events", "reported_items", "event_files", "source_changed", "follow_inputs")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return small_settings(tmp_path / "home", unattended_time_zone="Europe/Paris")


@contextmanager
def repository_of(settings: Settings) -> Iterator[tuple[dg.DagsterInstance, Any]]:
    """The definitions, which Dagster resolves with the instance that was opened last."""
    workspace = Workspace(settings)
    with open_instance(workspace.paths) as instance:
        yield instance, build_definitions(workspace).get_repository_def()


def evaluated(settings: Settings, name: str) -> ScheduleExecutionData:
    with (
        repository_of(settings) as (instance, repository),
        # Unless it is closed, later tests find an instance that is gone.
        dg.build_schedule_context(instance, repository_def=repository) as context,
    ):
        return repository.get_schedule_def(name).evaluate_tick(context)


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_off_in_the_zone_of_the_settings_and_skips_an_empty_home(
    settings: Settings, name: str
) -> None:
    with repository_of(settings) as (_, repository):
        schedule = repository.get_schedule_def(name)
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
    assert schedule.execution_timezone == "Europe/Paris"
    tick = evaluated(settings, name)
    assert not tick.run_requests and "run `crossmodal run` once first" in tick.skip_message


@pytest.mark.parametrize("unattended", [False, True])
def test_one_setting_turns_on_what_nobody_has_turned_off(tmp_path: Path, unattended: bool) -> None:
    with repository_of(small_settings(tmp_path, unattended=unattended)) as (_, repository):
        schedules = {one.name: one.default_status.value for one in repository.schedule_defs}
        sensors = {one.name: one.default_status.value for one in repository.sensor_defs}
    watching = {sensors.pop(name) for name in WATCHING}
    assert set(schedules) == set(SCHEDULES) and set(sensors) == set(SENSORS)
    assert {*schedules.values(), *sensors.values()} == {"RUNNING" if unattended else "STOPPED"}
    assert watching == {"RUNNING"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_asks_for_its_job_and_for_all_months(
    finished: tuple[Settings, object], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = finished
    # The daemon reads them again at every tick.
    for variable, value in chosen_by_variables().items():
        monkeypatch.setenv(variable, value)
    (request,) = evaluated(settings, name).run_requests
    months = Workspace(settings).lake.partitions("interactions")
    ranged = {RANGE_START: months[0], RANGE_END: months[-1]}
    assert name == "weekly" or ranged.items() <= request.tags.items()


@pytest.mark.slow
def test_every_hour_a_reported_event_reaches_the_online_store_and_nothing_is_fitted(
    copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in chosen_by_variables().items():
        monkeypatch.setenv(variable, value)
    workspace = Workspace(copied)
    item = workspace.lake.read("items")["item_id"][0]
    instant = int(datetime(2026, 5, 30, tzinfo=UTC).timestamp() * 1_000_000)
    click = LoggedEvent(
        "e1", pseudonym("ada", b"a key for tests"), item, "click", *3 * [None], instant
    )
    with closing(EventLog(workspace.paths.event_log)) as log:
        log.append([click]).result()
    with pytest.raises(LookupFailedError):
        features_of(copied, "user", "ada")
    (request,) = evaluated(copied, "hourly").run_requests
    with repository_of(copied) as (instance, repository):
        done = repository.get_job("refresh").execute_in_process(
            instance=instance, tags=dict(request.tags)
        )
    assert done.success
    assert features_of(copied, "user", "ada")["user_statistics__user_n_events"] == 1
    made = {
        event.asset_key.to_user_string()
        for event in done.get_asset_materialization_events()
        if not event.materialization.metadata["kept"].value
    }
    assert "online_features" in made and not made & {"champion", "model_ease", "recommendations"}


def test_what_the_jobs_make_is_what_they_say(settings: Settings) -> None:
    with repository_of(settings) as (_, repository):
        refreshed, judged = (
            {
                key.to_user_string()
                for key in repository.get_job(job).asset_layer.executable_asset_keys
            }
            for job in ("refresh", "full_evaluation")
        )
    assert {"reported_events", "interactions", "user_statistics", "online_features"} <= refreshed
    assert not {name for name in refreshed if name.startswith(("model_", "champion"))}
    assert {"metrics", "modality_ablation", "modality_robustness", "champion"} <= judged


def test_what_an_app_reads_is_overdue_after_the_hours_of_the_settings(tmp_path: Path) -> None:
    settings = small_settings(tmp_path, unattended_features_hours=3)
    with repository_of(settings) as (_, repository):
        graph = repository.asset_graph
    policies = {
        key.to_user_string(): node.freshness_policy
        for key in graph.get_all_asset_keys()
        if (node := graph.get(key)).freshness_policy is not None
    }
    assert {name: policy.fail_window.to_timedelta() for name, policy in policies.items()} == {
        "online_features": timedelta(hours=3),
        "recommendations": timedelta(hours=30),
        "online_recommendations": timedelta(hours=30),
        "champion": timedelta(hours=216),
    }


@pytest.mark.parametrize(
    "cron", ["*/2 * * * *", "15 2 * * 1-5", "0 22,23 1-31/2 * *", "0 0 29 2 *"]
)
def test_the_hour_of_the_night_can_be_chosen(tmp_path: Path, cron: str) -> None:
    with repository_of(small_settings(tmp_path, unattended_nightly_cron=cron)) as (_, repository):
        crons = {one.name: one.cron_schedule for one in repository.schedule_defs}
    assert crons["nightly"] == cron and crons["hourly"] == "30 * * * *"


@pytest.mark.parametrize(
    "cron", ["3:00", "0 24 * * *", "* * *", "5-1 * * * *", "0 3 * * SUN", "*/0 3 * * *"]
)
def test_a_time_that_is_no_cron_expression_is_refused(tmp_path: Path, cron: str) -> None:
    with pytest.raises(ValidationError, match=r"write one as 0 3 \* \* \*"):
        small_settings(tmp_path, unattended_nightly_cron=cron)


def test_a_zone_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="write one as Europe/Paris"):
        small_settings(tmp_path, unattended_time_zone="Paris time")


@pytest.mark.parametrize(
    ("tags", "limited"),
    [
        ({QUEUED_TAG: "true"}, True),
        ({QUEUED_TAG: "true", "dagster/max_runtime": "7"}, False),
        # A run that was killed had this limit, and this is the next try.
        ({QUEUED_TAG: "true", "dagster/max_runtime": "7", "crossmodal/limited": "true"}, True),
        # Nobody but the daemon could end it.
        ({}, False),
    ],
)
def test_a_run_of_the_daemon_gets_a_time_limit_when_it_begins_to_work(
    settings: Settings, tags: dict[str, str], limited: bool
) -> None:
    workspace = Workspace(settings.model_copy(update={"unattended_run_seconds": 100}))

    @dg.asset
    def which_models(workspace: dg.ResourceParam[Workspace]) -> str:
        return workspace.settings.evaluation

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [which_models],
            instance=instance,
            resources={"workspace": workspace_alone(workspace)},
            tags=tags,
        )
        run = instance.get_run_by_id(done.run_id)
    assert run is not None and done.success
    limit = int(run.tags.get("dagster/max_runtime", 0))
    assert limit == int(tags.get("dagster/max_runtime", 0)) or limited
    assert (100 <= limit <= 100 + time.time()) is limited


def test_a_run_works_with_the_settings_that_are_there_once_it_is_alone(settings: Settings) -> None:
    @dg.asset
    def source(workspace: dg.ResourceParam[Workspace]) -> str:
        return workspace.settings.source

    def reopened(**chosen: object) -> Workspace:
        with pytest.raises(HomeBusyError), home_lock(StatePaths(settings.home)):
            pass
        return Workspace(settings.model_copy(update={"source": "tables"}))

    with dg.DagsterInstance.ephemeral() as instance:
        workspace = workspace_alone(Workspace(settings), reopened)
        done = dg.materialize([source], instance=instance, resources={"workspace": workspace})
    assert done.output_for_node("source") == "tables"
    with home_lock(StatePaths(settings.home)):
        pass


def test_a_run_that_fails_sets_aside_a_table_whose_bits_have_changed(settings: Settings) -> None:
    workspace = Workspace(settings)
    lake = workspace.lake
    for table in ("items", "splits"):
        lake.write(table, pl.DataFrame({"item_id": ["a", "b"]}), {})

    @dg.asset
    def reader(workspace: dg.ResourceParam[Workspace]) -> None:
        content = bytearray(lake.path("items").read_bytes())
        content[10] ^= 1
        lake.path("items").write_bytes(content)
        raise ValueError("two columns differ")

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [reader],
            instance=instance,
            resources={"workspace": workspace_alone(workspace)},
            raise_on_error=False,
        )
    assert not done.success
    assert (lake.exists("items"), lake.exists("splits")) == (False, True)


def test_a_run_of_the_full_evaluation_hides_modalities_from_every_model(tmp_path: Path) -> None:
    workspace = Workspace(small_settings(tmp_path, evaluation="brief"))

    @dg.asset
    def which_models(workspace: dg.ResourceParam[Workspace]) -> str:
        return workspace.settings.evaluation

    with repository_of(workspace.settings) as (_, repository):
        of_job = dict(repository.get_job("full_evaluation").run_tags)
    with dg.DagsterInstance.ephemeral() as instance:
        asked = [
            dg.materialize(
                [which_models],
                instance=instance,
                resources={"workspace": workspace_alone(workspace)},
                tags=tags,
            ).output_for_node("which_models")
            for tags in (None, of_job)
        ]
    assert asked == ["brief", "full"]
