"""When the sensor of items that apps put asks for a run."""

from contextlib import closing
from pathlib import Path

import dagster as dg
import polars as pl
from small_platform import small_settings

from assets.reported_items import copy_items
from crossmodal.home_lock import home_lock
from crossmodal.item_log import ItemLog
from crossmodal.logged_items import Description, Vector
from crossmodal.workspace import Workspace
from orchestration.instance import open_instance
from orchestration.item_sensor import reported_items_sensor


def asked(workspace: Workspace) -> list[str | None]:
    with open_instance(workspace.paths) as instance:
        sensor = reported_items_sensor(workspace)
        ticked = sensor.evaluate_tick(dg.build_sensor_context(instance))
    return [request.run_key for request in ticked.run_requests or ()]


def test_a_run_that_ended_after_the_copy_is_followed_by_one_more(tmp_path: Path) -> None:
    workspace = Workspace(small_settings(tmp_path / "home"))
    lake, log = workspace.lake, workspace.paths.item_log
    lake.write("staged_interactions", pl.DataFrame({"item_id": ["a"]}), {}, months=["2020-01"])
    assert asked(workspace) == [], "no app has put anything"
    with closing(ItemLog(log, workspace.paths.uploads)) as items:
        items.put("new", Description("t", "", (), 0), Vector("f", b""), known=False)
    (first,) = asked(workspace)
    assert asked(workspace) == [first]
    copy_items(lake, log, {})
    with home_lock(workspace.paths):
        assert asked(workspace) == [], "that run may still go on"
    (second,) = asked(workspace)
    assert second != first, "Dagster starts one run a key"
    assert asked(workspace) == [second]
    stamp = {"input:reported_items": lake.version("reported_items").data_version}
    lake.write("staged_interactions", pl.DataFrame({"item_id": ["a"]}), stamp, months=["2020-01"])
    assert asked(workspace) == []
