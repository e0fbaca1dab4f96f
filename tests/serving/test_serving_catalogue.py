"""New, changed and deleted items over HTTP: in force at once, in every process, and for good."""

import io
import wave
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from crossmodal.item_log import ItemLog
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.registry import ModelRegistry
from serving.app import create_app
from serving.keys import KeyRing

pytestmark = pytest.mark.slow
PROBLEM = "application/problem+json"
STORY = {
    "title": "The Lighthouse of Ghosts",
    "text": "A keeper hears drowned sailors sing below his lighthouse.",
    "categories": ["Horror"],
}


def picture(colour: tuple[int, int, int] = (200, 30, 30), kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(sum(colour)).integers(0, 60, (120, 80, 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def sound(pitch: float = 440.0, seconds: float = 1.0) -> bytes:
    file = io.BytesIO()
    times = np.arange(int(16_000 * seconds)) / 16_000
    samples = (np.sin(2 * np.pi * pitch * times) * 12_000).astype("<i2")
    with wave.open(file, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes(samples.tobytes())
    return file.getvalue()


def put(client: TestClient, name: str = "new/1", **changed: object) -> dict:
    answer = client.put(f"/v1/items/{name}", json={**STORY, **changed})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def found(client: TestClient, text: str = STORY["text"], **asked: object) -> list[str]:
    answer = client.post("/v1/search", json={"text": text, "k": 5, **asked})
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def listed(client: TestClient, user: str = "ada", **asked: object) -> list[dict]:
    query = {"k": 200, **asked}
    answer = client.get(f"/v1/users/{user}/recommendations", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def places(client: TestClient) -> dict[str, Callable[[], list[str]]]:
    """Everywhere an item is answered."""

    def ids(path: str) -> list[str]:
        items = client.get(path, params={"k": 200}).json()["items"]
        return [item["item_id"] for item in items]

    def other() -> str:
        return next(name for name in ids("/v1/items") if name != "new/1")

    return {
        "search": lambda: found(client, k=200),
        "similar": lambda: ids(f"/v1/items/{other()}/similar"),
        "latest": lambda: ids("/v1/items?sort=latest"),
        "popular": lambda: ids("/v1/items?sort=popular"),
        "a user": lambda: [item["item_id"] for item in listed(client)],
        "a diverse list": lambda: [item["item_id"] for item in listed(client, diversity=0.5)],
    }


def test_a_new_item_is_found_and_recommended_at_once(client: TestClient) -> None:
    stored = put(client)
    assert stored == {
        "item_id": "new/1",
        "created": True,
        "media": [],
        "scored_by": "champion",
    }
    assert found(client)[0] == "new/1"
    assert found(client, STORY["title"])[0] == "new/1"
    for place, ids in places(client).items():
        assert "new/1" in ids(), place
    row = next(item for item in listed(client) if item["item_id"] == "new/1")
    assert row["title"] == STORY["title"] and row["categories"] == ["Horror"]
    assert {"text", "attributes"} <= set(row["reason"]["modality_shares"])
    ranked = client.post("/v1/rank", json={"user_id": "ada", "items": ["new/1"]})
    assert ranked.json()["items"][0]["score"] == pytest.approx(row["score"], abs=1e-4)
    event = {"event_id": "e1", "user_id": "ada", "item_id": "new/1", "type": "like"}
    before = [item["item_id"] for item in listed(client)]
    assert client.post("/v1/events", json=event).status_code == 200
    after = [item["item_id"] for item in listed(client)]
    assert "new/1" not in after and after != [name for name in before if name != "new/1"]
    assert listed(client, "bob", category="Horror")


def test_a_picture_and_a_sound_are_shown_and_found(client: TestClient) -> None:
    put(client)
    for modality, data in (("image", picture()), ("audio", sound())):
        answer = client.put(f"/v1/items/new/1/media/{modality}", content=data)
        assert answer.status_code == 200 and modality in answer.json()["media"]
        shown = client.get(f"/v1/items/new/1/media/{modality}")
        assert shown.content == data and shown.headers["x-content-type-options"] == "nosniff"
        assert shown.headers["content-type"].startswith(modality)
    near = client.get("/v1/items/new/1/similar", params={"modality": "image"}).json()["items"]
    assert near and near[0]["cosines"].keys() == {"image"}
    first = client.get("/v1/items/new/1/media/image")
    had = {"If-None-Match": f'"other", W/{first.headers["ETag"]}'}
    assert client.get("/v1/items/new/1/media/image", headers=had).status_code == 304
    assert client.put("/v1/items/new/1/media/image", content=picture((1, 90, 3))).status_code == 200
    second = client.get("/v1/items/new/1/media/image", headers=had)
    assert second.status_code == 200 and second.content != first.content


def test_a_deleted_item_is_answered_nowhere(client: TestClient, copied: Settings) -> None:
    put(client)
    assert client.put("/v1/items/new/1/media/image", content=picture()).status_code == 200
    old = next(row["item_id"] for row in listed(client) if row["item_id"] != "new/1")
    for name in ("new/1", old):
        event = {"event_id": name, "user_id": "ada", "item_id": name, "type": "like"}
        assert client.post("/v1/events", json=event).status_code == 200
        assert client.delete(f"/v1/items/{name}").status_code == 204
        assert client.delete(f"/v1/items/{name}").status_code == 204, "sent again"
        for place, ids in places(client).items():
            assert name not in ids(), place
        assert client.get(f"/v1/items/{name}/similar").status_code == 404
        assert client.get(f"/v1/items/{name}/media/image").status_code == 404
        assert client.post("/v1/rank", json={"items": [name]}).status_code == 404
        late = client.put(f"/v1/items/{name}/media/image", content=picture())
        assert late.status_code == 409 and "deleted" in late.json()["detail"]
    reasons = [item["reason"] for item in listed(client)]
    assert not any({"new/1", old} & set(reason["past_items"]) for reason in reasons)
    assert list(Workspace(copied).paths.uploads.iterdir()) == [], "its picture is gone too"
    never = client.delete("/v1/items/never")
    assert never.status_code == 404 and "PUT" not in never.json()["detail"]
    assert put(client)["created"] and found(client)[0] == "new/1", "put again, it comes back"
    assert client.get("/v1/items/new/1/media/image").status_code == 404


def test_a_changed_item_is_found_by_what_it_has_become(client: TestClient) -> None:
    item, *liked = client.get("/v1/items").json()["items"][:9]
    likes = [
        {"event_id": f"{at}", "user_id": f"fan-{at}", "item_id": one["item_id"], "type": "like"}
        for at, one in enumerate(liked)
    ]
    assert client.post("/v1/events", json={"events": likes}).status_code == 200
    name = item["item_id"]

    def scores() -> list[float]:
        asked = [{"user_id": f"fan-{at}", "items": [name]} for at in range(len(liked))]
        found = [client.post("/v1/rank", json=one).json()["items"][0] for one in asked]
        return [one["score"] for one in found]

    before = scores()
    assert not put(client, name)["created"]
    assert found(client, modalities=["text"])[0] == name and name in found(client, k=20)
    row = next(row for row in listed(client) if row["item_id"] == name)
    assert row["title"] == STORY["title"] and scores() != before
    assert row["media"] == item["media"], "its own picture and sound stay"


def test_every_process_and_the_next_start_know_it(client: TestClient, copied: Settings) -> None:
    with TestClient(create_app(copied)) as other:
        put(client)
        assert client.put("/v1/items/new/1/media/image", content=picture()).status_code == 200
        assert found(other)[0] == "new/1"
        score = next(row["score"] for row in listed(other) if row["item_id"] == "new/1")
        mine = next(row["score"] for row in listed(client) if row["item_id"] == "new/1")
        assert score == mine
        assert other.get("/v1/items/new/1/media/image").content == picture()
        assert other.delete("/v1/items/new/1").status_code == 204
        assert "new/1" not in found(client, k=200)
        put(other, "new/2")
    with TestClient(create_app(copied)) as later:
        assert found(later)[0] == "new/2" and "new/1" not in found(later, k=200)


@pytest.mark.parametrize("family", ["cold_start_map", "content_text", "ease", "popularity"])
def test_a_promotion_keeps_what_was_put(client: TestClient, copied: Settings, family: str) -> None:
    put(client)
    put(client, "new/2", title="Nothing like it", text="Tax law for beginners.")
    gone = next(row["item_id"] for row in listed(client) if not row["item_id"].startswith("new/"))
    assert client.delete(f"/v1/items/{gone}").status_code == 204
    registry = ModelRegistry(Workspace(copied).paths.models)
    wanted = f"{family}-user-temporal"
    registry.promote(next(one.version for one in registry.versions() if one.name == wanted))
    client.app.state.service.champions.look()  # type: ignore[attr-defined]
    rows = listed(client)
    ids = [row["item_id"] for row in rows]
    assert {"new/1", "new/2"} <= set(ids) and gone not in ids and found(client)[0] == "new/1"
    reason = next(row["reason"]["sentence"] for row in rows if row["item_id"] == "new/1")
    neighbours = family in ("ease", "popularity")
    assert ("near" in reason) == neighbours
    assert put(client)["scored_by"] == ("neighbours" if neighbours else "champion")
    event = {"event_id": "e1", "user_id": "ada", "item_id": "new/1", "type": "like"}
    assert client.post("/v1/events", json=event).status_code == 200
    assert "new/1" not in [row["item_id"] for row in listed(client)]


def test_only_where_there_is_none(client: TestClient) -> None:
    only_new = {"If-None-Match": "*"}
    old = client.get("/v1/items").json()["items"][0]["item_id"]
    assert client.put("/v1/items/new/1", json=STORY, headers=only_new).status_code == 201
    for name in ("new/1", old):
        again = client.put(f"/v1/items/{name}", json=STORY, headers=only_new)
        assert again.status_code == 409 and again.headers["content-type"] == PROBLEM
    assert client.put("/v1/items/new/1", json=STORY).status_code == 200
    with ThreadPoolExecutor(4) as callers:
        asked = [
            callers.submit(client.put, "/v1/items/race", json=STORY, headers=only_new)
            for _ in range(4)
        ]
        assert sorted(one.result().status_code for one in asked) == [201, 409, 409, 409]
    assert client.put("/v1/items/a%00b", json=STORY).status_code == 422
    tagged = client.put("/v1/items/new/1", json=STORY, headers={"If-None-Match": '"x"'})
    assert tagged.status_code == 422


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": " \n"}, "title"),
        ({"title": None}, "title"),
        ({"text": "x" * 20_001}, "text"),
        ({"categories": "Horror"}, "categories"),
        ({"categories": [""]}, "categories"),
        ({"created_at": "2024-05-01T10:00:00"}, "created_at"),
        ({"created_at": "2999-05-01T10:00:00Z"}, "created_at"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_description_that_cannot_be_used_is_refused_by_name(
    asking: TestClient, change: dict, field: str
) -> None:
    answer = asking.put("/v1/items/new/1", json={**STORY, **change})
    assert answer.status_code == 422 and answer.headers["content-type"] == PROBLEM
    assert field in str(answer.json()["errors"])
    assert "new/1" not in found(asking, k=200)


def test_what_is_no_picture_is_refused_and_changes_nothing(client: TestClient) -> None:
    put(client)
    bomb = bytearray(picture())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    hostile = {
        "text": (b"no picture at all", 415),
        "a page": (b"<svg onload=alert(1)></svg>", 415),
        "a sound": (sound(), 415),
        "nothing": (b"", 422),
        "half": (picture()[:900], 422),
        "a bomb": (bytes(bomb), 422),
        "a head alone": (b"\x89PNG\r\n\x1a\n" + b"\x00" * 50, 422),
    }
    for name, (data, status) in hostile.items():
        answer = client.put("/v1/items/new/1/media/image", content=data)
        assert answer.status_code == status, (name, answer.text)
        assert answer.headers["content-type"] == PROBLEM and answer.json()["errors"]
    deaf = {"a picture": (picture(), 415), "half": (sound()[:2000], 422)}
    for name, (data, status) in deaf.items():
        answer = client.put("/v1/items/new/1/media/audio", content=data)
        assert answer.status_code == status, (name, answer.text)
    assert client.put("/v1/items/none/media/image", content=picture()).status_code == 404
    assert client.put("/v1/items/new/1/media/text", content=picture()).status_code == 422
    row = next(item for item in listed(client) if item["item_id"] == "new/1")
    assert row["media"] == []


def test_a_picture_that_is_too_long_is_not_read(copied: Settings) -> None:
    small = copied.model_copy(update={"serve_max_body_bytes": 5000})
    with TestClient(create_app(small)) as client:
        put(client)
        answer = client.put("/v1/items/new/1/media/image", content=picture())
        assert answer.status_code == 413
        encoded = client.post("/v1/search", json={"image": "A" * 6000})
        assert encoded.status_code == 413


def test_only_holders_of_the_scope_change_the_catalogue(copied: Settings) -> None:
    ring = KeyRing(Workspace(copied).paths.api_keys)
    tokens = {scope: ring.add(scope, [scope]) for scope in ("read", "items")}
    with TestClient(create_app(copied)) as client:
        for scope, status in (("read", 403), ("items", 201)):
            headers = {"Authorization": f"Bearer {tokens[scope]}"}
            answer = client.put("/v1/items/new/1", json=STORY, headers=headers)
            assert answer.status_code == status
        assert client.delete("/v1/items/new/1").status_code == 401


def test_the_log_is_on_the_disk_before_it_answers(client: TestClient, copied: Settings) -> None:
    put(client)
    paths = Workspace(copied).paths
    log = ItemLog(paths.item_log, paths.uploads)
    version = log.version()
    assert [item.item_id for item in log.since(0)] == ["new/1"]
    put(client, "new/2")
    assert log.version() != version
    assert [item.item_id for item in log.since(1)] == ["new/2"]
    put(client)
    assert [item.item_id for item in log.since(0)] == ["new/2", "new/1"]
    log.close()


def test_places_are_kept_for_items_without_an_event(client: TestClient, copied: Settings) -> None:
    for number in (1, 2, 3):
        put(client, f"new/{number}", text=f"Drowned sailors sing, part {number}.")
    events = Workspace(copied).lake.scan_partitions("interactions").filter(pl.col("value") > 0)
    chosen = set(events.select("item_id").collect()["item_id"])

    def uncertain(rows: list[dict]) -> list[str]:
        return [row["item_id"] for row in rows if row["item_id"] not in chosen]

    plain, kept = listed(client, k=8), listed(client, k=8, new_places=3)
    assert len(kept) == 8 and len(uncertain(kept)) >= 3
    assert [row["item_id"] for row in kept[:4]] == [row["item_id"] for row in plain[:4]]
    assert all(row["reason"]["sentence"] for row in kept)
    varied = listed(client, k=8, new_places=3, diversity=0.5)
    assert len(varied) == 8 and len(uncertain(varied)) >= 3
    guest = client.post("/v1/recommendations", json={"history": [], "k": 8, "new_places": 3})
    assert len(uncertain(guest.json()["items"])) >= 3
    batch = [
        {"event_id": f"{at}", "user_id": f"u{at}", "item_id": "new/1", "type": "impression"}
        for at in range(5)
    ]
    assert client.post("/v1/events", json={"events": batch}).status_code == 200
    log = client.app.state.service.events  # type: ignore[attr-defined]
    assert log.impressions_of(["new/1", "new/2", "' OR 1"]) == {"new/1": 5}
