"""When the sensor asks for a run, and what the lake notes once its months are published."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from small_platform import small_settings

from assets.ingestion import interactions
from assets.partitions import register_months
from crossmodal.event_log import EventLog, LoggedEvent, log_end
from crossmodal.log_position import START, LogPosition
from crossmodal.published_events import published, record_published, scale_summary
from crossmodal.value_scale import ValueScale
from crossmodal.workspace import Workspace
from orchestration.instance import open_instance
from orchestration.jobs import month_range_tags, reported_events_sensor

MONTHS = ["1997-04", "1997-05"]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(small_settings(tmp_path / "home"))


def report(workspace: Workspace, name: str) -> None:
    one = LoggedEvent(name, "ada", "a", "click", None, None, None, 1)
    with closing(EventLog(workspace.paths.event_log)) as log:
        log.append([one]).result()


def stage(workspace: Workspace, position: LogPosition) -> None:
    rows = pl.DataFrame(
        {
            "user_id": ["u", "u"],
            "item_id": ["a", "b"],
            "value": [1.0, 1.0],
            "event_timestamp": [datetime(1997, month, 1, tzinfo=UTC) for month in (4, 5)],
        }
    )
    figures = {**position.summary(), **scale_summary(ValueScale(0.5, 0.9)), "months": MONTHS}
    workspace.lake.write("staged_interactions", rows, {}, **figures)


def asked(workspace: Workspace) -> list[str | None]:
    with open_instance(workspace.paths) as instance:
        found = reported_events_sensor(workspace)(dg.build_sensor_context(instance))
    return [found.run_key] if isinstance(found, dg.RunRequest) else []


def test_events_of_another_log_are_asked_for_whatever_their_positions(
    workspace: Workspace,
) -> None:
    report(workspace, "e1")
    stage(workspace, log_end(workspace.paths.event_log))
    record_published(workspace.lake)
    assert asked(workspace) == []
    for path in workspace.paths.event_log.parent.glob("events.db*"):
        path.unlink()
    assert asked(workspace) == []
    report(workspace, "of a new log")
    assert asked(workspace) == ["up to 1, of a new log"]


def test_what_is_staged_is_taken_once_every_month_of_it_is_published(
    workspace: Workspace,
) -> None:
    stage(workspace, START)
    record_published(workspace.lake)
    report(workspace, "e1")
    stage(workspace, log_end(workspace.paths.event_log))
    assert published(workspace.lake).position == START
    assert asked(workspace) == ["up to 1, e1"]
    with dg.DagsterInstance.ephemeral() as instance:
        register_months(instance, MONTHS)
        for first, position in (("1997-05", START), ("1997-04", LogPosition(1, "e1"))):
            done = dg.materialize(
                [interactions],
                instance=instance,
                resources={"workspace": workspace},
                tags=month_range_tags([first, "1997-05"]),
            )
            assert done.success and published(workspace.lake).position == position
        # A month alone counts what all months hold, so that no plot falls while one is mended.
        again = dg.materialize(
            [interactions],
            instance=instance,
            partition_key="1997-05",
            resources={"workspace": workspace},
        )
        (event,) = again.get_asset_materialization_events()
        counts = event.materialization.metadata
        names = ("dagster/row_count", "users", "items")
        assert [counts[name].value for name in names] == [2, 1, 2]
    assert asked(workspace) == []
    assert published(workspace.lake).scale == ValueScale(0.5, 0.9)
