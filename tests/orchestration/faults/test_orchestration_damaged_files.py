"""Damaged files of a home: what a run can make again it makes, and all else is one sentence."""

import json
from pathlib import Path

import polars as pl
import pytest
from small_platform import small_settings
from typer.testing import CliRunner

from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.cli import app
from orchestration.doctor import examine
from orchestration.health.gather import health_of
from orchestration.instance import open_instance
from orchestration.run import RunFailedError, run_pipeline

GARBAGE = b"no such file is written " * 100
NOTES = ("finished.json", "timings.json", "checks.json", "alerts.json")


def test_status_and_doctor_name_a_damaged_table(tmp_path: Path) -> None:
    settings = small_settings(tmp_path / "home", unattended_free_gb=0)
    lake = Workspace(settings).lake
    for table in ("items", "interactions/1995-01"):
        lake.write(table, pl.DataFrame({"item_id": ["a"]}), {})
        lake.path(table).write_bytes(b"")
    health = health_of(Workspace(settings))
    assert health.problems[0].key == "unreadable"
    assert all(
        str(lake.path(name)) in health.headline for name in ("items", "interactions/1995-01")
    )
    tables = examine(settings)["tables"]
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


@pytest.mark.slow
def test_a_run_makes_again_what_is_damaged(copied: Settings) -> None:
    lake = Lake(copied.home / "lake")
    month = lake.partitions("interactions")[3]
    damaged = ("items", f"interactions/{month}", "published_interactions")
    before = {table: lake.version(table).data_version for table in damaged}
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
    features = lake.path("items")
    content = bytearray(features.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 64] = b"\xa5" * 64
    features.write_bytes(bytes(content))
    with pytest.raises(RunFailedError, match=r"items\.parquet is damaged .*Run again"):
        run_pipeline(copied)
    run_pipeline(copied)
    assert lake.version("items").data_version == before["items"]


@pytest.mark.slow
def test_a_damaged_feature_registry_is_named_and_made_again_once_deleted(copied: Settings) -> None:
    registry = StatePaths(copied.home).registry
    registry.write_bytes(GARBAGE)
    with pytest.raises(RunFailedError, match=r"registry\.db is damaged: delete it"):
        run_pipeline(copied)
    registry.unlink()
    run_pipeline(copied)
    assert health_of(Workspace(copied.model_copy(update={"unattended_free_gb": 0}))).well
