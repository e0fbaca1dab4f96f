"""Damaged files of a home: what a run can make again it makes, and all else is one sentence."""

import json
import os
from pathlib import Path

import polars as pl
import pytest
from small_platform import small_settings
from typer.testing import CliRunner

from assets.drift_table import DRIFT, SCHEMA
from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from feature_repo.store import require_readable_registry
from orchestration.cli import app
from orchestration.doctor import examine
from orchestration.health.gather import health_of
from orchestration.instance import open_instance
from orchestration.report import ReportNotReadyError, collect_report
from orchestration.run import RunFailedError, run_pipeline

GARBAGE = b"no such file is written " * 100
NOTES = ("finished.json", "timings.json", "checks.json", "alerts.json")


def test_status_and_doctor_name_a_damaged_table(tmp_path: Path) -> None:
    settings = small_settings(tmp_path / "home", unattended_free_gb=0)
    lake = Workspace(settings).lake
    for table in ("items", "interactions/1995-01", "online_features"):
        lake.write(table, pl.DataFrame({"item_id": ["a"]}), {})
        lake.path(table).write_bytes(b"")
    health = health_of(Workspace(settings))
    assert health.problems[0].key == "unreadable"
    assert all(
        str(lake.path(name)) in health.headline for name in ("items", "interactions/1995-01")
    )
    found = examine(settings)
    assert found["feast"]["online_store"].startswith("unknown, since online_features is unreadable")
    tables = found["tables"]
    assert tables["items"].startswith("unreadable: ") and "is damaged" in tables["items"]
    assert "is damaged" in tables["interactions"]


@pytest.mark.parametrize(
    "name", ["history/runs.db", "history/runs/index.db", "schedules/schedules.db"]
)
def test_damaged_records_of_runs_are_one_sentence(tmp_path: Path, name: str) -> None:
    paths = StatePaths(tmp_path / "home")
    with open_instance(paths):
        pass
    file = paths.dagster / name
    assert file.is_file()
    file.write_bytes(GARBAGE)
    ended = CliRunner().invoke(app, ["run"], env={"CROSSMODAL_HOME": str(paths.home)})
    assert ended.exit_code == 1
    (said,) = [line for line in ended.output.splitlines() if str(paths.dagster) in line]
    assert "is damaged: restore it from a backup, or move it away" in said
    assert "Traceback" not in ended.output


@pytest.mark.parametrize("content", [GARBAGE, b"\xa5", b"run_queue: [", b"no_such_part: 1"])
def test_a_damaged_configuration_of_dagster_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    paths = StatePaths(tmp_path / "home")
    with open_instance(paths):
        pass
    config = paths.dagster / "dagster.yaml"
    written = config.read_bytes()
    config.write_bytes(content)
    ended = CliRunner().invoke(app, ["run"], env={"CROSSMODAL_HOME": str(paths.home)})
    assert ended.exit_code == 1
    assert f"{config} is damaged" in ended.output and "delete it" in ended.output
    assert "Traceback" not in ended.output
    config.write_bytes(b"")
    with open_instance(paths):
        assert config.read_bytes() == written, "without it there would be no queue"


def test_commands_that_show_a_damaged_table_end_with_one_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    lake = Lake(home / "lake")
    lake.write(DRIFT, pl.DataFrame(schema=SCHEMA), {})
    os.truncate(lake.path(DRIFT), 40)
    ended = CliRunner().invoke(app, ["drift"], env={"CROSSMODAL_HOME": str(home)})
    assert ended.exit_code == 1
    assert f"{lake.path(DRIFT)} is damaged" in ended.output and "crossmodal run" in ended.output


def test_doctor_says_of_each_store_whether_it_can_be_read(tmp_path: Path) -> None:
    settings = small_settings(tmp_path / "home")
    paths = StatePaths(settings.home)
    databases = (paths.event_log, paths.item_log, paths.rate_limits, paths.studies)
    stores = (*databases, paths.registry)
    for path in stores:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(GARBAGE)
    (paths.models / "ease-1").mkdir(parents=True)
    (paths.models / "champion").write_bytes(b"ease-1")
    found = examine(settings)
    names = {path.relative_to(paths.home).as_posix() for path in stores}
    assert set(found["stores"]) == names
    assert all(state.startswith("unreadable: ") for state in found["stores"].values())
    assert "no version ease-1" in found["champion_files"]
    (paths.models / "champion").write_bytes(b"\xa5")
    assert "cannot be read" in examine(settings)["champion_files"]


@pytest.mark.slow
@pytest.mark.faults
def test_a_run_makes_again_what_is_damaged(copied: Settings) -> None:
    lake = Lake(copied.home / "lake")
    month = lake.partitions("interactions")[3]
    damaged = ("items", f"interactions/{month}", "published_interactions")
    before = {table: lake.version(table).data_version for table in damaged}
    lake.path(damaged[1]).write_bytes(b"")
    with pytest.raises(ReportNotReadyError, match="crossmodal doctor"):
        collect_report(copied)
    for table in damaged:
        lake.path(table).write_bytes(b"")
    for name in NOTES:
        (copied.home / name).write_bytes(GARBAGE)
    summary = run_pipeline(copied)
    assert {table: lake.version(table).data_version for table in damaged} == before
    assert summary.fitted == 0 and summary.encoded == 0
    assert lake.path("items").with_name("items.parquet.damaged").exists()
    assert json.loads((copied.home / "finished.json").read_bytes())["assets"]

    # A reader answers with wrong values where it can, so that only all bytes say what is wrong.
    events = lake.path(damaged[1])
    content = events.read_bytes()
    half = len(content) // 2
    events.write_bytes(content[:4] + b"\xa5" * (half - 4) + content[half:])
    lake.path("splits").unlink()
    with pytest.raises(RunFailedError, match=rf"{events.name} is damaged .*Run again"):
        run_pipeline(copied, only="key:splits")
    assert not events.exists()


@pytest.mark.slow
@pytest.mark.faults
def test_a_damaged_feature_registry_is_named_and_made_again_once_deleted(copied: Settings) -> None:
    registry = StatePaths(copied.home).registry
    registry.write_bytes(GARBAGE)
    with pytest.raises(RunFailedError, match=r"registry\.db is damaged: delete it"):
        run_pipeline(copied, only="key:feature_registry")
    registry.unlink()
    run_pipeline(copied, only="key:feature_registry")
    require_readable_registry(registry)
