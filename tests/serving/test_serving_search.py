"""Search by words, a picture, a sound, and several at once."""

import base64
import json
import shutil
import sqlite3
from pathlib import Path

import polars as pl
import pytest
from conftest import client_of
from fastapi.testclient import TestClient
from test_serving_catalogue import picture, sound

from assets.source_listing import source_of
from crossmodal.event_log import EventLog
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace

pytestmark = pytest.mark.slow


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def files(settings: Settings, modality: str) -> dict[str, bytes]:
    """The catalogue's own pictures or sounds by item."""
    workspace = Workspace(settings)
    root: Path = source_of(workspace).root
    usable = workspace.lake.read("media").filter(
        (pl.col("modality") == modality)
        & (pl.col("status") == "ok")
        & pl.col("mime").str.starts_with(modality)
    )
    return {row["item_id"]: (root / row["uri"]).read_bytes() for row in usable.to_dicts()}


def search(client: TestClient, **asked: object) -> list[dict]:
    answer = client.post("/v1/search", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_a_file_finds_its_own_item_and_items_without_one(
    asking: TestClient, kept: Settings, modality: str
) -> None:
    known = files(kept, modality)
    for name, data in list(known.items())[:10]:
        found = search(asking, **{modality: encoded(data)}, k=200)
        best = [item for item in found if item["cosines"].get(modality, 0) > 0.999]
        assert name in [item["item_id"] for item in best]
        assert found[0]["cosines"][modality] > 0.999
    without = [item for item in found if modality not in item["cosines"]]
    assert without and all(item["cosines"].keys() == {"text"} for item in without)
    words = search(asking, **{modality: encoded(data)}, modalities=["text"])
    assert all(item["cosines"].keys() == {"text"} for item in words)


def test_weights_decide_between_words_and_a_picture(asking: TestClient, kept: Settings) -> None:
    shown, data = next(iter(files(kept, "image").items()))
    items = Workspace(kept).lake.read("items").filter(pl.col("item_id") != shown)
    meant = items.filter(pl.col("text") != "").row(0, named=True)
    asked = {"text": meant["text"], "image": encoded(data), "k": 5}
    seen = search(asking, **asked, weights={"text": 0.01, "image": 10})
    said = search(asking, **asked, weights={"text": 10, "image": 0})
    assert seen[0]["item_id"] == shown
    alone = search(asking, text=meant["text"], k=5)
    assert [item["item_id"] for item in said] == [item["item_id"] for item in alone]
    both = [item["item_id"] for item in search(asking, **{**asked, "k": 20})]
    assert {shown, meant["item_id"]} <= set(both)


def test_a_users_taste_and_a_category_count(client: TestClient) -> None:
    plain = [item["item_id"] for item in search(client, text="a story", k=20)]
    mine = [item["item_id"] for item in search(client, text="a story", k=20, user_id="ada")]
    assert plain != mine
    event = {"event_id": "e1", "user_id": "ada", "item_id": mine[0], "type": "hide"}
    assert client.post("/v1/events", json=event).status_code == 200
    assert mine[0] not in [
        item["item_id"] for item in search(client, text="a story", k=200, user_id="ada")
    ]
    category = client.get("/v1/items").json()["items"][0]["categories"][0]
    inside = search(client, image=encoded(picture()), category=category, k=200)
    assert inside and all(category in item["categories"] for item in inside)


def test_where_hidden_items_are_unknown_no_search_is_answered(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(EventLog, "acts_of_user", unreadable)
    answer = client.post("/v1/search", json={"text": "a story", "user_id": "ada"})
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert "disk" not in answer.text
    assert client.post("/v1/search", json={"text": "a story"}).status_code == 200


def test_a_longer_list_begins_as_a_shorter_one(asking: TestClient) -> None:
    asked = {"text": "a haunted house", "audio": encoded(sound())}
    assert search(asking, **asked, k=40)[:3] == search(asking, **asked, k=3)


def test_what_cannot_be_searched_by_is_refused(asking: TestClient) -> None:
    bomb = bytearray(picture())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    refused = [
        ({}, 422),
        ({"text": ""}, 422),
        ({"text": " \t\n"}, 422),
        ({"image": ""}, 422),
        ({"image": "no base64!"}, 422),
        ({"image": "ünicode"}, 422),
        ({"image": encoded(b"text called a picture")}, 415),
        ({"image": encoded(sound())}, 415),
        ({"image": encoded(picture()[:700])}, 422),
        ({"image": encoded(bytes(bomb))}, 422),
        ({"audio": encoded(picture())}, 415),
        ({"audio": encoded(sound()[:3000])}, 422),
        ({"audio": encoded(b"RIFF\x00\x00\x00\x00WAVE")}, 422),
        ({"text": "x", "weights": {"text": 0}}, 422),
        ({"text": "x", "weights": {"text": -1}}, 422),
        ({"text": "x", "weights": {"smell": 1}}, 422),
        ({"text": "x", "modalities": []}, 422),
    ]
    for asked, status in refused:
        answer = asking.post("/v1/search", json=asked)
        assert answer.status_code == status, (asked, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    assert search(asking, text="still there")


def test_a_picture_that_nothing_is_comparable_with_is_refused(copied: Settings) -> None:
    shutil.rmtree(Workspace(copied).paths.alignment)
    with client_of(copied) as client:
        answer = client.post("/v1/search", json={"image": encoded(picture())})
        assert answer.status_code == 422
        assert "Nothing that was sent can be compared" in answer.json()["detail"]
        assert search(client, text="a haunted house")


def test_the_page_searches_by_every_modality(asking: TestClient) -> None:
    script = asking.get("/page/modalities.js")
    assert script.headers["content-type"].startswith("text/javascript")
    names = json.loads(script.text.partition("= ")[2].rstrip(";\n"))
    assert "./modalities.js" in asking.get("/page/app.js").text
    assert {len(search(asking, text="a haunted house", modalities=[name])) for name in names} == {
        20
    }
