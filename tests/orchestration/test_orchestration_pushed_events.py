"""From a push through Feast to the lake: once, and with the features that the push had shown."""

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import polars as pl
import pytest
from feast import FeatureStore

from crossmodal.event_log import EventLog
from crossmodal.lake import Lake
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from feature_repo.store import close_store
from orchestration.lookup import feast_key
from orchestration.run import run_pipeline
from serving.champion import load_champion
from serving.histories import user_state

pytestmark = pytest.mark.slow
READ = "group:sources or group:ingestion or group:features"
FEATURES = ["user_statistics:user_n_events", "user_statistics:user_n_items"]
FEATURES += ["item_statistics:item_n_events", "item_statistics:item_n_users"]
FEATURES += ["user_statistics:user_value_mean", "user_taste_text:text_taste"]


def read(store: FeatureStore, user: str, item: str) -> dict[str, Any]:
    key = {"user_id": user, "item_id": item}
    found = store.get_online_features(FEATURES, [key]).to_dict()
    return {name: values[0] for name, values in found.items() if name not in key}


def test_a_push_is_in_the_next_list_and_after_the_run_in_the_lake_once(copied: Settings) -> None:
    workspace = Workspace(copied)
    paths, lake = workspace.paths, Lake(copied.home / "lake")
    before = lake.scan_partitions("interactions").collect()
    item = lake.read("items")["item_id"][0]
    # As an app does it that has nothing but the secret.
    user = hmac.digest(b"a key for tests", b"ada", hashlib.sha256).hex()
    assert feast_key(copied, "ada") == user
    store = FeatureStore(repo_path=str(paths.feast))
    items_events = read(store, user, item)["item_n_events"] or 0
    told = {"event_id": "e0", "user_id": user, "item_id": item, "event_type": "rating"}
    told |= {"value": 0.75, "event_timestamp": datetime(2026, 5, 30, tzinfo=UTC)}
    store.push("events", pd.DataFrame([told]))
    pushed = read(store, user, item)
    assert pushed["user_n_events"] == 1 and pushed["item_n_events"] == items_events + 1

    champion = load_champion(workspace, lake.read("serving_model")["version"].item())
    log = EventLog(paths.event_log)
    state = user_state(champion, user, log.acts_of_user(user))
    log.close()
    assert [champion.log.item_ids.ids[one] for one in state.history.items] == [item]

    # Its checks compare the online store with the tables.
    run_pipeline(copied, only=READ)
    mine = lake.scan_partitions("interactions").filter(user_id=user).collect()
    assert mine.select("item_id", "value").rows() == [(item, 0.75)]
    assert lake.scan_partitions("interactions").collect().height == before.height + 1
    after = read(store, user, item)
    for name, value in pushed.items():
        assert after[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    store.push("events", pd.DataFrame([told]))
    assert read(store, user, item) == after
    run_pipeline(copied, only=READ)
    assert lake.scan_partitions("interactions").collect().height == before.height + 1
    assert pl.scan_parquet(lake.path("reported_events")).collect().height == 1

    # Of one that is undone before a run takes it no table hears, and the online rows forget it.
    later = {"event_id": "e1", "event_timestamp": datetime(2026, 5, 31, tzinfo=UTC)}
    store.push("events", pd.DataFrame([{**told, **later}]))
    assert read(store, user, item) != after
    log = EventLog(paths.event_log)
    assert log.undo("e1").result() == 1
    log.close()
    run_pipeline(copied, only=READ)
    assert read(store, user, item) == after
    assert "online_features" not in run_pipeline(copied, only=READ).made
    close_store(store)
