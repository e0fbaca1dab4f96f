"""Dagster's databases stay open while a run writes, and others read them meanwhile."""

from pathlib import Path

import dagster as dg
import psutil
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage

from crossmodal.paths import StatePaths
from orchestration.instance import open_instance


def databases_open_below(folder: Path) -> set[str]:
    files = [Path(file.path) for file in psutil.Process().open_files()]
    return {
        file.name for file in files if file.name.endswith(".db") and file.is_relative_to(folder)
    }


def test_what_is_written_is_read_at_once_and_of_many_runs_few_stay_open(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path)
    runs = [dg.DagsterRun(job_name="everything") for _ in range(5)]
    with (
        open_instance(paths) as writing,
        dg.DagsterInstance.from_config(str(paths.dagster)) as reading,
    ):
        for number, run in enumerate([*runs, *runs]):
            if number < len(runs):
                writing.add_run(run)
            writing.report_engine_event(f"event {number}", run)
            writing.report_runless_asset_event(dg.AssetMaterialization(f"asset_{number}"))
            (*_, last) = reading.all_logs(run.run_id)
            assert last.message == f"event {number}"
            assert reading.get_latest_materialization_event(dg.AssetKey(f"asset_{number}"))
        assert len(databases_open_below(tmp_path)) == 2
    assert not databases_open_below(tmp_path)


def test_all_events_can_be_deleted_while_they_are_open(tmp_path: Path) -> None:
    run = dg.DagsterRun(job_name="everything")
    with open_instance(StatePaths(tmp_path)) as instance:
        instance.add_run(run)
        instance.report_engine_event("before", run)
        instance.wipe()
        instance.add_run(run)
        instance.report_engine_event("after", run)
        assert [entry.message for entry in instance.all_logs(run.run_id)] == ["after"]


def test_a_storage_that_an_operator_has_chosen_stays(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path)
    paths.dagster.mkdir()
    own = ConsolidatedSqliteEventLogStorage
    (paths.dagster / "dagster.yaml").write_text(
        "telemetry: {enabled: false}\n"
        "event_log_storage:\n"
        "  module: dagster._core.storage.event_log\n"
        f"  class: {own.__name__}\n"
        f"  config: {{base_dir: {tmp_path / 'elsewhere'}}}\n"
    )
    run = dg.DagsterRun(job_name="everything")
    with open_instance(paths) as instance:
        instance.add_run(run)
        instance.report_engine_event("said", run)
        assert [entry.message for entry in instance.all_logs(run.run_id)] == ["said"]
    assert list((tmp_path / "elsewhere").glob("*.db"))
