"""The service over HTTP on a real home: what an app sees."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from prometheus_text import figure

from assets.datasets import all_events_data
from assets.source_listing import source_of
from crossmodal.pseudonyms import pseudonym
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from feature_repo.store import online
from models.hmdf import HMDF, HMDFConfig
from models.registry import ModelRegistry
from serving.app import create_app

pytestmark = pytest.mark.slow
PROBLEM = "application/problem+json"


def known_user(settings: Settings) -> str:
    events = pl.read_parquet(source_of(Workspace(settings)).root / "events.parquet")
    return str(events["user_id"][0])


def listed(client: TestClient, user: str, **query: object) -> list[str]:
    answer = client.get(f"/v1/users/{user}/recommendations", params=query)
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def refused_champions(client: TestClient) -> float:
    return figure(client.get("/metrics").text, "crossmodal_champions_refused_total")


def report(client: TestClient, user: str, item: str, kind: str, name: str = "e1") -> dict:
    event = {"event_id": name, "user_id": user, "item_id": item, "type": kind}
    answer = client.post("/v1/events", json=event)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_list_of_a_user_is_the_one_that_the_run_stored(
    asking: TestClient, kept: Settings
) -> None:
    user = known_user(kept)
    stored = Workspace(kept).lake.read("recommendations")
    own = stored.filter(pl.col("user_id") == pseudonym(user, b"a key for tests")).sort("rank")
    answer = asking.get(f"/v1/users/{user}/recommendations", params={"k": 10}).json()
    assert [row["item_id"] for row in answer["items"]] == own["item_id"].head(10).to_list()
    assert [row["reason"]["sentence"] for row in answer["items"]] == (
        own["reasons"].list.first().head(10).to_list()
    )
    assert answer["known_user"] and answer["model_version"] == own["model_version"][0]
    assert answer["request_id"].endswith(f".c.{answer['model_version']}")


def test_the_description_of_the_calls_needs_no_network(asking: TestClient) -> None:
    described = asking.get("/docs")
    assert "default-src 'none'" in described.headers["content-security-policy"]
    loaded = re.findall(r'(?:src|href)="(/[^"]+)"', described.text)
    assert len(loaded) == 3
    for address in (*loaded, "/openapi.json"):
        assert asking.get(address).status_code == 200, address


def shown(schema: dict) -> bool:
    """Whether someone who reads a field's schema sees what a value looks like."""
    parts = [schema, *schema.get("anyOf", [])]
    told = any(part.keys() & {"examples", "default", "const", "enum"} for part in parts)
    return told or "$ref" in schema or "$ref" in schema.get("items", {})


def test_every_field_is_described_with_an_example(asking: TestClient) -> None:
    described = asking.get("/openapi.json").json()
    fields = {
        f"{name}.{field}": (schema, schema)
        for name, model in described["components"]["schemas"].items()
        for field, schema in model["properties"].items()
    }
    for path, calls in described["paths"].items():
        for method, call in calls.items():
            for one in call.get("parameters", []):
                fields[f"{method} {path} {one['name']}"] = (one, one["schema"] | one)
    assert len(fields) > 80
    assert [name for name, (told, _) in fields.items() if not told.get("description")] == []
    assert [name for name, (_, schema) in fields.items() if not shown(schema)] == []


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/v1/recommendations", {"k": True}, "body.k"),
        ("/v1/recommendations", {"diversity": "0.5"}, "body.diversity"),
        ("/v1/search", {"text": "rain", "weights": {"text": True}}, "body.weights.text"),
        ("/v1/events", {"value": False}, "body.value"),
        ("/v1/events", {"timestamp": 1_700_000_000}, "body.timestamp"),
    ],
)
def test_another_type_of_json_is_refused_and_not_converted(
    asking: TestClient, path: str, body: dict, field: str
) -> None:
    if path == "/v1/events":
        body = {"event_id": "e", "user_id": "u", "item_id": "i", "type": "click", **body}
    answer = asking.post(path, json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("method", "path", "field", "told"),
    [
        ("GET", "/v1/users/ada/recommendations?offset=5", "query.offset", "k, new_places"),
        (
            "GET",
            "/v1/users/ada/recommendations?exclude_sen=1",
            "query.exclude_sen",
            "Is exclude_seen meant?",
        ),
        ("GET", "/v1/users/ada/recommendations?K=5", "query.K", "no such parameter"),
        ("GET", "/v1/items?sort=popular&limit=5", "query.limit", "category, exclude, k, offset"),
        ("GET", "/v1/items?sort=popular&sort=latest", "query.sort", "2 times"),
        ("POST", "/v1/search?k=5", "query.k", "this route takes none"),
    ],
)
def test_a_parameter_that_would_do_nothing_is_refused_by_name(
    asking: TestClient, method: str, path: str, field: str, told: str
) -> None:
    answer = asking.request(method, path, json={"text": "rain"} if method == "POST" else None)
    assert answer.status_code == 422 and answer.headers["content-type"] == PROBLEM
    (error,) = answer.json()["errors"]
    assert error["field"] == field and field in answer.json()["detail"]
    assert told in error["message"]


def test_an_event_counts_in_the_next_answer_and_once(client: TestClient) -> None:
    before = listed(client, "a newcomer")
    assert report(client, "a newcomer", before[0], "like") == {"acknowledged": 1, "new": 1}
    after = listed(client, "a newcomer")
    assert before[0] not in after and after != before[1:]
    assert report(client, "a newcomer", before[0], "like") == {"acknowledged": 1, "new": 0}
    assert listed(client, "a newcomer") == after


def test_an_impression_changes_nothing_and_a_hidden_item_never_returns(
    client: TestClient,
) -> None:
    before = listed(client, "grace")
    report(client, "grace", before[1], "impression", "e1")
    assert listed(client, "grace") == before
    report(client, "grace", before[1], "hide", "e2")
    assert before[1] not in listed(client, "grace")
    assert before[1] not in listed(client, "grace", exclude_seen=False, k=200)


def test_what_was_had_is_listed_again_where_that_is_asked_for(
    client: TestClient, copied: Settings
) -> None:
    """Also by the hybrid, which has no such candidates of its own."""
    watch = client.app.state.service.champions  # type: ignore[attr-defined]
    few = HMDFConfig(candidates=15, rounds=10, leaf_rows=5, threads=1)
    hybrid = HMDF(few).fit(all_events_data(Workspace(copied).lake))
    for model in (watch.current.model, hybrid):
        watch._current = replace(watch.current, model=model)
        user = f"who asks {model.name}"
        had = listed(client, user, k=3)
        for number, item in enumerate(had):
            report(client, user, item, "click", f"{user} {number}")
        assert not set(had) & set(listed(client, user, k=200))
        again = client.get(
            f"/v1/users/{user}/recommendations", params={"exclude_seen": False, "k": 200}
        ).json()
        assert again["path"] == "champion"
        reasons = {row["item_id"]: row["reason"] for row in again["items"]}
        assert set(had) <= set(reasons)
        assert all(sum(reasons[item]["modality_shares"].values()) > 0 for item in had)


def test_a_guest_is_answered_like_a_user_with_the_same_past(client: TestClient) -> None:
    first, second = listed(client, "ada")[:2]
    for name, item in (("e1", first), ("e2", second)):
        report(client, "ada", item, "click", name)
    history = [{"item_id": first}, {"item_id": second}]
    guest = client.post("/v1/recommendations", json={"history": history, "k": 20}).json()
    assert [item["item_id"] for item in guest["items"]] == listed(client, "ada")
    stale = [history[0], {"item_id": "gone since years", "value": 5.0}, history[1]]
    again = client.post("/v1/recommendations", json={"history": stale, "k": 20}).json()
    assert again["items"] == guest["items"], "an id that nothing is known of says nothing"
    left_out = {"history": history, "exclude": [guest["items"][0]["item_id"]]}
    fewer = client.post("/v1/recommendations", json=left_out).json()
    assert [item["item_id"] for item in fewer["items"]][:5] == [
        item["item_id"] for item in guest["items"]
    ][1:6]


def test_own_candidates_come_back_in_the_order_of_the_list(asking: TestClient) -> None:
    best = listed(asking, "ada", k=20)
    given = [*sorted(best), best[3]]
    answer = asking.post("/v1/rank", json={"user_id": "ada", "items": given}).json()
    assert [item["item_id"] for item in answer["items"]] == best


def test_a_diverse_list_is_more_spread_and_still_good(asking: TestClient) -> None:
    def spread(ids: list[str]) -> float:
        unit = {}
        for name in ids:
            found = asking.get(f"/v1/items/{name}/similar", params={"k": 200}).json()
            unit[name] = {
                row["item_id"]: np.mean(list(row["cosines"].values())) for row in found["items"]
            }
        near = [unit[a].get(b, 0.0) for a in ids for b in ids if a != b]
        return float(np.mean(near))

    plain, diverse = listed(asking, "ada", k=8), listed(asking, "ada", k=8, diversity=0.7)
    assert set(plain) != set(diverse) and plain[0] == diverse[0]
    assert spread(diverse) < spread(plain)


def test_a_category_and_the_lists_for_everyone(asking: TestClient, kept: Settings) -> None:
    items = Workspace(kept).lake.read("items")
    category = items["categories"][0][0]
    inside = set(items.filter(pl.col("categories").list.contains(category))["item_id"])
    assert set(listed(asking, "ada", category=category, k=200)) <= inside
    for sort in ("popular", "trending", "latest"):
        asked = {"sort": sort, "category": category, "k": 200}
        whole = asking.get("/v1/items", params=asked).json()
        assert {item["item_id"] for item in whole["items"]} == inside
        assert whole["total"] == len(inside)
        page = asking.get("/v1/items", params={**asked, "k": 2, "offset": 1}).json()
        assert page["items"] == whole["items"][1:3]
    unknown = asking.get("/v1/users/ada/recommendations", params={"category": "No such"})
    assert unknown.status_code == 404 and "No such" in unknown.json()["detail"]


def test_words_find_the_item_they_describe(asking: TestClient, kept: Settings) -> None:
    items = Workspace(kept).lake.read("items").filter(pl.col("text") != "")
    wanted = items.row(0, named=True)
    asked = {"text": wanted["text"], "modalities": ["text"], "k": 5}
    found = asking.post("/v1/search", json=asked).json()["items"]
    assert wanted["item_id"] in [item["item_id"] for item in found][:2]
    everything = asking.post("/v1/search", json={"text": wanted["text"]}).json()["items"]
    assert any(len(item["cosines"]) > 1 for item in everything)
    similar = asking.get(f"/v1/items/{wanted['item_id']}/similar").json()["items"]
    assert wanted["item_id"] not in [item["item_id"] for item in similar]


def test_features_are_feasts_own_with_their_types(asking: TestClient, kept: Settings) -> None:
    user = known_user(kept)
    events = pl.read_parquet(source_of(Workspace(kept)).root / "events.parquet")
    item = str(events["item_id"][0])
    stored = pseudonym(user, b"a key for tests")
    paths = Workspace(kept).paths
    own = online(paths, {"user_id": [stored], "item_id": [item]}, "ranking")
    keys = {"user_id": [user], "item_id": [item]}
    answer = asking.post("/v1/features/ranking", json={"keys": keys}).json()["columns"]
    assert answer == json.loads(json.dumps({**own, "user_id": [user]}))
    assert isinstance(answer["item_statistics__item_n_events"][0], int)
    lists = asking.get(f"/v1/features/recommendations/{user}").json()["columns"]
    assert len(lists["user_recommendations__item_ids"][0]) == 20
    both = asking.get("/v1/features/ranking/ada")
    assert both.status_code == 422 and "item_id" in both.json()["detail"]
    assert asking.get("/v1/features/nothing/ada").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"item_id": "no such item"}, "body.item_id"),
        ({"type": "stare"}, "type"),
        ({"type": "rating"}, "body.value"),
        ({"timestamp": "2024-05-01T10:00:00"}, "body.timestamp"),
        ({"timestamp": (datetime.now(UTC) + timedelta(days=2)).isoformat()}, "body.timestamp"),
        ({"value": "many"}, "value"),
        ({"value": 1e30}, "value"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_an_event_that_cannot_be_used_is_refused_by_name(
    asking: TestClient, change: dict, field: str
) -> None:
    item = listed(asking, "ada")[0]
    event = {"event_id": "e", "user_id": "ada", "item_id": item, "type": "click"}
    answer = asking.post("/v1/events", json={"events": [event, {**event, **change}]})
    single = asking.post("/v1/events", json={**event, **change})
    for one in (answer, single):
        assert one.status_code in (404, 422) and one.headers["content-type"] == PROBLEM
        told = [f"{error['field']}: {error['message']}" for error in one.json()["errors"]]
        assert any(field.split(".")[-1] in error for error in told)
        assert not any("Event" in error["field"] for error in one.json()["errors"])
    assert listed(asking, "ada")[0] == item, "no event of a refused batch was taken"


def test_a_new_champion_takes_over_and_a_broken_one_does_not(
    client: TestClient, copied: Settings
) -> None:
    registry = ModelRegistry(Workspace(copied).paths.models)
    service = client.app.state.service  # type: ignore[attr-defined]
    other = next(one.version for one in registry.versions() if one.name == "ease-user-temporal")
    registry.promote(other)
    service.champions.look()
    assert client.get("/readyz").json()["model_version"] == other
    assert listed(client, "ada")
    refused = refused_champions(client)
    broken = next(one.version for one in registry.versions() if one.name == "als-user-temporal")
    (registry.root / broken / "weights.safetensors").write_bytes(b"not a model")
    registry.promote(broken)
    service.champions.look()
    assert client.get("/readyz").json()["model_version"] == other
    assert refused_champions(client) == refused + 1
    listing = registry.root / broken / "items.json"
    for content in ('{"a": 1}', json.dumps(json.loads(listing.read_text())[1:]), "["):
        listing.write_text(content)
        service.champions.look()
        assert client.get("/readyz").json()["model_version"] == other
    (registry.root / "champion").write_bytes(b"\xff\xfe")
    service.champions.look()
    whole = next(one.version for one in registry.versions() if one.name == "item_knn-user-temporal")
    registry.promote(whole)
    service.champions.look()
    assert client.get("/readyz").json()["model_version"] == whole


@pytest.mark.parametrize("family", ["ease", "transition", "cold_start_map"])
def test_any_model_as_champion_says_why(client: TestClient, copied: Settings, family: str) -> None:
    registry = ModelRegistry(Workspace(copied).paths.models)
    wanted = f"{family}-user-temporal"
    registry.promote(next(one.version for one in registry.versions() if one.name == wanted))
    client.app.state.service.champions.look()  # type: ignore[attr-defined]
    seen = client.get("/v1/items", params={"k": 4}).json()["items"]
    titles = {item["item_id"]: item["title"] for item in seen}
    history = [{"item_id": name} for name in titles]
    rows = client.post("/v1/recommendations", json={"history": history, "k": 5}).json()["items"]
    assert len(rows) == 5
    for reason in (row["reason"] for row in rows):
        shares, past = reason["modality_shares"], reason["past_items"]
        assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
        assert set(past) <= set(titles) and past
        assert titles[past[0]] in reason["sentence"]
        if family == "cold_start_map":
            assert {"text", "image", "audio", "attributes", "behaviour"} == shares.keys()
            assert max(shares["text"], shares["image"], shares["audio"]) > 0
        else:
            assert shares["behaviour"] == 1 and "people who chose" in reason["sentence"]
    if family != "cold_start_map":
        popular = [item["item_id"] for item in client.get("/v1/items?k=5").json()["items"]]
        assert listed(client, "somebody new", k=5) == popular


def test_a_champion_that_was_repaired_takes_over(copied: Settings) -> None:
    registry = ModelRegistry(Workspace(copied).paths.models)
    version = registry.champion()
    assert version is not None
    weights = registry.root / version / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(b"half")
    with TestClient(create_app(copied)) as client:
        refused = client.get("/readyz")
        assert refused.status_code == 503 and version in refused.json()["detail"]
        weights.write_bytes(content)
        client.app.state.service.champions.look()  # type: ignore[attr-defined]
        assert client.get("/readyz").json()["model_version"] == version


def test_a_body_of_countless_unknown_fields_is_one_short_error(asking: TestClient) -> None:
    wide = {f"field {number}": 1 for number in range(50_000)}
    for path in ("/v1/events", "/v1/search", "/v1/recommendations"):
        answer = asking.post(path, json=wide)
        assert answer.status_code == 422 and len(answer.content) < 2000
    bad = {"event_id": 1, "user_id": "u", "item_id": "i", "type": "click"}
    answer = asking.post("/v1/events", json={"events": [bad] * 1000})
    assert answer.status_code == 422 and len(answer.content) < 5000


def test_probes_metrics_and_errors_tell_nothing_of_users(asking: TestClient) -> None:
    listed(asking, "ada")
    assert asking.get("/healthz").json() == {"status": "alive"}
    figures = asking.get("/metrics").text
    assert '/v1/users/{user_id:path}/recommendations",status="200"' in figures
    assert "ada" not in figures
    missing = asking.get("/v1/items/none/similar")
    assert missing.status_code == 404 and missing.headers["content-type"] == PROBLEM
    assert missing.json()["errors"][0]["field"] == "path.item_id"
    assert asking.get("/v1/nothing").headers["content-type"] == PROBLEM


def test_a_body_that_is_too_long_is_refused_whatever_it_says_of_itself(copied: Settings) -> None:
    small = copied.model_copy(update={"serve_max_body_bytes": 1000})
    with TestClient(create_app(small)) as client:
        body = json.dumps({"text": "x" * 2000}).encode()
        assert client.post("/v1/search", content=body).status_code == 413
        parts = (body[start : start + 100] for start in range(0, len(body), 100))
        assert client.post("/v1/search", content=parts).status_code == 413


def test_without_a_run_it_lives_and_is_not_ready(tmp_path: Path) -> None:
    empty = Settings(home=tmp_path / "home", id_key="a key for tests")
    with TestClient(create_app(empty)) as client:
        assert client.get("/healthz").status_code == 200
        for path in ("/readyz", "/v1/users/ada/recommendations", "/v1/features/ranking/a"):
            answer = client.get(path)
            assert answer.status_code == 503 and "crossmodal run" in answer.json()["detail"]
            assert "Retry-After" in answer.headers
