"""Methods, one item's facts, and what the description of the calls says of every one of them."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from serving.app import create_app
from serving.keys import KeyRing

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A client without a key of a service that asks for one."""
    home = tmp_path_factory.mktemp("methods") / "home"
    KeyRing(home / "serving" / "keys.json").add("shop", ["read"])
    with TestClient(create_app(Settings(home=home, id_key="a key for tests"))) as client:
        yield client


def test_head_is_there_wherever_get_is(asking: TestClient) -> None:
    shown = asking.get("/v1/items", params={"k": 200}).json()["items"]
    seen = next(item["item_id"] for item in shown if "image" in item["media"])
    for path in (
        "/",
        "/docs",
        "/openapi.json",
        "/page/app.js",
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/items?k=3",
        f"/v1/items/{seen}",
        f"/v1/items/{seen}/similar",
        f"/v1/items/{seen}/media/image",
        "/v1/features/user_statistics/ada",
    ):
        got, head = asking.get(path), asking.head(path)
        assert head.status_code == got.status_code and head.content == b"", path
        for name in ("content-type", "cache-control", "etag"):
            assert head.headers.get(name) == got.headers.get(name), path
    assert asking.head("/v1/items/none").status_code == 404
    assert 'method="HEAD",route="/v1/items",status="200"' in asking.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/healthz", "GET, HEAD"),
        ("POST", "/page/app.js", "GET, HEAD"),
        ("DELETE", "/v1/items", "GET, HEAD"),
        ("POST", "/v1/items/a/b", "DELETE, GET, HEAD, PUT"),
        ("HEAD", "/v1/search", "POST"),
        ("OPTIONS", "/v1/rank", "POST"),
        ("POST", "/v1/items/a/media/image", "GET, HEAD, PUT"),
        ("OPTIONS", "/v1/items/a/similar", "GET, HEAD"),
    ],
)
def test_405_says_what_is_allowed(asking: TestClient, method: str, path: str, allowed: str) -> None:
    refused = asking.request(method, path)
    assert refused.status_code == 405 and refused.headers["Allow"] == allowed
    assert refused.headers["content-type"] == "application/problem+json"


def test_one_item_is_answered_with_all_that_is_known(asking: TestClient, kept: Settings) -> None:
    rows = Workspace(kept).lake.read("items").rows(named=True)
    row = next(one for one in rows if one["attributes"] and one["text"])
    found = asking.get(f"/v1/items/{row['item_id']}").json()
    assert found["title"] == row["title"] and found["categories"] == row["categories"]
    assert found["text"] == row["text"]
    assert found["attributes"] == {one["name"]: one["value"] for one in row["attributes"]}
    assert found["created_at"] == row["created_at"].isoformat().replace("+00:00", "Z")
    assert {"text", "attributes"} <= set(found["modalities"])
    assert set(found["media"]) <= set(found["modalities"])
    missing = asking.get("/v1/items/none")
    assert missing.status_code == 404
    assert missing.json()["errors"][0]["field"] == "path.item_id"


def test_one_item_is_answered_as_apps_have_changed_it(client: TestClient, copied: Settings) -> None:
    new = {"title": "The Lighthouse", "text": "It shines.", "created_at": "2024-01-31T18:00:00Z"}
    row = next(one for one in Workspace(copied).lake.read("items").rows(named=True) if one["text"])
    for name in ("new/1", row["item_id"]):
        assert client.put(f"/v1/items/{name}", json=new).is_success
        found = client.get(f"/v1/items/{name}").json()
        assert {key: found[key] for key in new} == new and found["item_id"] == name
    numbers = {one["name"]: one["value"] for one in row["attributes"]}
    assert found["attributes"] == numbers, "what cannot be put stays"
    for name in ("new/1", row["item_id"]):
        assert client.delete(f"/v1/items/{name}").status_code == 204
        assert client.get(f"/v1/items/{name}").status_code == 404


def test_every_call_needs_a_key_and_says_what_may_be_refused(keyed: TestClient) -> None:
    described = keyed.get("/openapi.json").json()["paths"]
    calls = [
        (path, method, call)
        for path, methods in described.items()
        for method, call in methods.items()
        if path not in ("/healthz", "/readyz")
    ]
    assert len(calls) > 10
    for path, method, call in calls:
        asked = path.replace("{modality}", "image").replace("{", "").replace("}", "")
        answer = keyed.request(method, asked, content=b"[[" * 100)
        assert answer.status_code == 401, (method, path, answer.text)
        expected = {"400", "401", "403", "429", "503"}
        if method in ("post", "put"):
            expected |= {"408", "413"}
        assert expected <= set(call["responses"]), (method, path)
        assert call["security"]


def test_a_search_by_media_may_be_longer_than_other_json(asking: TestClient) -> None:
    long = "A" * 3_000_000
    assert asking.post("/v1/search", json={"image": long}).status_code == 415
    assert asking.post("/v1/search", json={"image": long * 3}).status_code == 413
    event = {"event_id": "e", "user_id": "u", "item_id": "i", "type": "review", "text": long}
    assert asking.post("/v1/events", json=event).status_code == 413


def test_the_most_that_one_batch_may_hold_is_let_in(asking: TestClient) -> None:
    """A thousand events with ids of the greatest length: their items are unknown, no more."""
    one = {"event_id": "e" * 128, "user_id": "u" * 256, "item_id": "i" * 256, "type": "click"}
    batch = {"events": [{**one, "request_id": "r" * 300}] * 1000}
    assert asking.post("/v1/events", json=batch).status_code == 404
