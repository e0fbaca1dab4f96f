"""From an app's report to the lake: once, in order, and counted once by the service too."""

from datetime import UTC, datetime

import dagster as dg
import numpy as np
import polars as pl
import pytest

from crossmodal.event_log import EventLog, LoggedEvent, log_end
from crossmodal.pseudonyms import pseudonym
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from orchestration.definitions import build_definitions
from orchestration.instance import open_instance
from orchestration.run import run_pipeline
from serving.champion import load_champion
from serving.histories import user_state

pytestmark = pytest.mark.slow
START = int(datetime(2026, 5, 30, tzinfo=UTC).timestamp() * 1_000_000)
ADA = pseudonym("ada", b"a key for tests")
READ = "group:sources or group:ingestion"


def told(number: int, item: str, kind: str, value: float | None = None) -> LoggedEvent:
    instant = START + number * 86_400_000_000
    return LoggedEvent(f"e{number}", ADA, item, kind, value, "kind words", "r1", instant)


def test_reports_reach_the_lake_once_and_the_service_counts_them_once(copied: Settings) -> None:
    workspace = Workspace(copied)
    lake = workspace.lake
    before = lake.scan_partitions("interactions").collect()
    items = lake.read("items")["item_id"]
    log = EventLog(workspace.paths.event_log)
    reports = [
        told(0, items[0], "click"),
        told(1, items[1], "rating", 0.75),
        told(2, items[2], "like"),
        told(3, items[3], "review"),
        told(4, items[4], "impression"),
        told(5, items[5], "hide"),
        told(6, "an item that is gone", "click"),
    ]
    log.append(reports).result()
    log.append([reports[0]]).result()

    with open_instance(workspace.paths) as instance:
        sensor = build_definitions(workspace).get_sensor_def("reported_events")
        asked = sensor.evaluate_tick(dg.build_sensor_context(instance))
    assert [request.run_key for request in asked.run_requests] == ["up to 7, e6"]

    run_pipeline(copied, only=READ)
    stored = lake.read("reported_events")
    assert stored["event_id"].to_list() == [f"e{number}" for number in range(7)]
    assert stored["request_id"].to_list() == ["r1"] * 7
    after = lake.scan_partitions("interactions").collect()
    mine = after.filter(pl.col("user_id") == ADA).sort("event_timestamp")
    assert after.height == before.height + 4
    assert mine["item_id"].to_list() == items.head(4).to_list()
    values = before.filter(pl.col("value") > 0)["value"].to_numpy()
    middle, strong = np.quantile(values, [0.5, 0.9])
    np.testing.assert_allclose(mine["value"], [middle, 0.75, strong, 0.0], rtol=1e-6)
    assert mine["text"][3] == "kind words"
    assert {"2026-05", "2026-06"} <= set(lake.partitions("interactions"))

    again = run_pipeline(copied, only=READ)
    assert lake.scan_partitions("interactions").collect().equals(after) and again.made == ()
    with open_instance(workspace.paths) as instance:
        sensor = build_definitions(workspace).get_sensor_def("reported_events")
        asked = sensor.evaluate_tick(dg.build_sensor_context(instance))
    assert not asked.run_requests and "every reported event" in asked.skip_message

    version = lake.read("serving_model")["version"].item()
    champion = load_champion(workspace, version)
    assert champion.log_position.position == 7, "live counts begin after it"
    log.append([told(7, items[6], "play")]).result()
    state = user_state(champion, ADA, log.acts_of_user(ADA))
    done = [champion.log.item_ids.ids[item] for item in state.history.items]
    assert done == [items[0], items[1], items[2], items[6]]

    assert [log.undo(name).result() for name in ("e1", "e3", "e1")] == [1, 1, 1]
    state = user_state(champion, ADA, log.acts_of_user(ADA))
    done = [champion.log.item_ids.ids[item] for item in state.history.items]
    assert done == [items[0], items[2], items[6]], "also before the lake hears of it"
    with open_instance(workspace.paths) as instance:
        sensor = build_definitions(workspace).get_sensor_def("reported_events")
        asked = sensor.evaluate_tick(dg.build_sensor_context(instance))
    end = log_end(workspace.paths.event_log)
    assert [request.run_key for request in asked.run_requests] == [f"up to {end.position}, e3"]
    # A check of the rejected rows would end a run here.
    run_pipeline(copied, only="group:sources or key:staged_interactions")
    assert load_champion(workspace, version).log_position == champion.log_position
    run_pipeline(copied, only=READ)
    assert load_champion(workspace, version).log_position == end
    after = lake.scan_partitions("interactions").collect()
    mine = after.filter(pl.col("user_id") == ADA).sort("event_timestamp")
    assert mine["item_id"].to_list() == [items[0], items[2], items[6]]
    assert after.filter(pl.col("user_id") != ADA).equals(before)
    assert (
        "kind words"
        not in lake.read("reported_events")
        .filter(pl.col("event_id").is_in(["e1", "e3"]))["text"]
        .to_list()
    )
    log.close()
