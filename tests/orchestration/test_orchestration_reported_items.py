"""From an app's put over HTTP to the lake: learned from, once, until it is deleted over HTTP."""

import io
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from crossmodal.home_lock import home_lock
from crossmodal.item_states import items_end
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.data import Vocabulary
from orchestration.definitions import build_definitions
from orchestration.instance import open_instance
from orchestration.run import run_pipeline
from serving.app import create_app
from serving.champion import load_champion
from serving.media_files import media_files

pytestmark = pytest.mark.slow
NEW = "new/1"
STORY = {
    "title": "The Lighthouse of Ghosts",
    "text": "A keeper hears drowned sailors sing below his lighthouse.",
    "categories": ["Horror"],
    "attributes": {"year": 1931, "price": 4.5},
}
FANS = [f"fan {number}" for number in range(12)]


@pytest.fixture
def client(copied: Settings) -> Iterator[TestClient]:
    budgets = [name for name in Settings.model_fields if name.startswith("serve_")]
    patience = {name: 60.0 for name in budgets if name.endswith("_seconds")}
    chosen = {**patience, "serve_allowed_hosts": ("testserver",)}
    with TestClient(create_app(copied.model_copy(update=chosen))) as running:
        yield running


def picture() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(3).integers(0, 255, (64, 48, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def asked(workspace: Workspace) -> list[str | None]:
    with open_instance(workspace.paths) as instance:
        sensor = build_definitions(workspace).get_sensor_def("reported_items")
        ticked = sensor.evaluate_tick(dg.build_sensor_context(instance))
    return [request.run_key for request in ticked.run_requests or ()]


def like(client: TestClient, item: str) -> None:
    events = [
        {"event_id": f"{item} {fan}", "user_id": fan, "item_id": item, "type": "like"}
        for fan in FANS
    ]
    assert client.post("/v1/events", json={"events": events}).status_code == 200


def test_a_run_learns_from_what_people_do_with_an_item_that_an_app_put(
    client: TestClient, copied: Settings
) -> None:
    workspace = Workspace(copied)
    lake, paths = workspace.lake, workspace.paths
    assert asked(workspace) == [], "no app has put anything"
    before = lake.read("items")
    events = lake.scan_partitions("interactions").collect()
    changed, gone = events["item_id"].value_counts(sort=True)["item_id"].head(2)
    price = next(row for row in before.rows(named=True) if row["item_id"] == changed)["attributes"]
    assert client.put(f"/v1/items/{NEW}", json=STORY).status_code == 201
    assert client.get(f"/v1/items/{NEW}").json()["attributes"] == STORY["attributes"]
    data = picture()
    assert client.put(f"/v1/items/{NEW}/media/image", content=data).status_code == 200
    assert client.put(f"/v1/items/{changed}", json={"title": "Changed"}).status_code == 200
    assert client.delete(f"/v1/items/{gone}").status_code == 204
    like(client, NEW)
    end = items_end(paths.item_log)
    key = f"up to {end.position}, {gone}, {end.state}"
    assert asked(workspace) == [key] == asked(workspace)

    run_pipeline(copied, only="key:reported_items")
    with home_lock(workspace.paths):
        assert asked(workspace) == [], "that run may still go on"
    assert asked(workspace) == [f"{key}, copied"], "it ended between the copy and its readers"
    run_pipeline(copied)
    assert asked(workspace) == []
    items = {row["item_id"]: row for row in lake.read("items").iter_rows(named=True)}
    assert items.keys() == {*before["item_id"], NEW} - {gone}
    numbers = {number["name"]: number["value"] for number in items[NEW]["attributes"]}
    assert numbers == STORY["attributes"] and items[NEW]["title"] == STORY["title"]
    assert items[changed]["title"] == "Changed" and items[changed]["attributes"] == price
    after = lake.scan_partitions("interactions").collect()
    mine = after.filter(pl.col("item_id") == NEW)
    assert mine.height == mine["user_id"].n_unique() == len(FANS)
    left = after.filter(pl.col("item_id") != NEW)
    assert left.equals(events.filter(pl.col("item_id") != gone))
    row = lake.read("media").filter(item_id=NEW, modality="image").row(0, named=True)
    assert row["status"] == "ok" and row["uri"] == f"uploads://{row['sha256']}"
    assert NEW in lake.read("image_embeddings")["item_id"].to_list()
    assert gone not in lake.read("recommendations")["item_id"].to_list()
    (file,) = media_files(workspace, Vocabulary((NEW,)))["image"].values()
    path = file.path()
    assert path is not None and path.read_bytes() == data, "also without the log of items"

    champion = load_champion(workspace, lake.read("serving_model")["version"].item())
    place = champion.log.item_ids.index_of[NEW]
    assert champion.popularity[place] == len(FANS) and champion.vectors["image"].present[place]
    again = run_pipeline(copied)
    assert again.made == ()


def test_what_a_run_has_taken_can_be_deleted_and_comes_back(
    client: TestClient, copied: Settings
) -> None:
    only = "group:sources or group:ingestion"
    lake = Workspace(copied).lake

    def run() -> tuple[bool, int]:
        """Whether the catalogue has the item, and how many events are about it."""
        run_pipeline(copied, only=only)
        assert run_pipeline(copied, only=only).made == ()
        events = lake.scan_partitions("interactions").collect()
        return NEW in lake.read("items")["item_id"], (events["item_id"] == NEW).sum()

    client.put(f"/v1/items/{NEW}", json=STORY)
    like(client, NEW)
    assert run() == (True, len(FANS))
    assert client.delete(f"/v1/items/{NEW}").status_code == 204
    assert run() == (False, 0)
    client.put(f"/v1/items/{NEW}", json=STORY)
    assert run() == (True, len(FANS))
    log = Workspace(copied).paths.item_log
    for path in [*Path(log.parent).glob("items.db*")]:
        path.unlink()
    assert run() == (True, len(FANS)), "the lake keeps what a lost log has put"
