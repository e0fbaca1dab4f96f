"""Lists for everyone count what is reported, at once, and say as of when."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from crossmodal.event_log import EventLog, LoggedEvent, log_end
from crossmodal.log_position import LogPosition
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from serving.champion import Champion

pytestmark = pytest.mark.slow
_NOW = datetime(2026, 11, 1, tzinfo=UTC)


def everyone(client: TestClient, sort: str = "trending") -> dict[str, Any]:
    answer = client.get("/v1/items", params={"sort": sort, "k": 200})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def click(client: TestClient, item: str, users: int, kind: str = "click", **more: object) -> None:
    events = [
        {
            "event_id": f"{item} {kind} {n}",
            "user_id": f"user {n}",
            "item_id": item,
            "type": kind,
            "timestamp": _NOW.isoformat(),
            **more,
        }
        for n in range(users)
    ]
    assert client.post("/v1/events", json={"events": events}).status_code == 200


@pytest.mark.parametrize("sort", ["trending", "popular"])
def test_what_many_click_now_leads_the_list_at_once(client: TestClient, sort: str) -> None:
    before = everyone(client, sort)
    last, next_to_last = ids(before)[-1], ids(before)[-2]
    assert datetime.fromisoformat(before["as_of"]) < _NOW
    click(client, last, 300)
    click(client, next_to_last, 299)
    after = everyone(client, sort)
    assert ids(after)[:2] == [last, next_to_last]
    assert datetime.fromisoformat(after["as_of"]) == _NOW


def test_what_shows_no_interest_lifts_nothing(client: TestClient) -> None:
    before = everyone(client)
    last = ids(before)[-1]
    click(client, last, 50, "impression")
    click(client, last, 50, "hide")
    click(client, last, 50, "rating", value=0.0)
    assert everyone(client) == before


def test_undone_clicks_no_longer_count(client: TestClient) -> None:
    before = everyone(client)
    last = ids(before)[-1]
    click(client, last, 2)
    assert ids(everyone(client))[0] == last
    for n in range(2):
        assert client.delete(f"/v1/events/{last} click {n}").status_code == 204
    assert everyone(client) == before


def test_what_another_process_took_counts_and_what_the_lake_has_counts_once(
    client: TestClient, copied: Settings
) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    champion: Champion = service.champion()
    item = ids(everyone(client))[-1]
    now = int(champion.log.events.timestamps.max())
    clicked = [
        LoggedEvent(f"e{n}", f"u{n}", item, "click", None, None, None, now) for n in range(200)
    ]
    with closing(EventLog(Workspace(copied).paths.event_log)) as other:
        other.append(clicked).result(60)
    assert len(service.choices.of(champion).items) == 200
    assert ids(everyone(client))[0] == item
    taken = replace(champion, log_position=log_end(Workspace(copied).paths.event_log))
    assert len(service.choices.of(taken).items) == 0
    of_another_log = replace(champion, log_position=LogPosition(200, "not in this one"))
    assert len(service.choices.of(of_another_log).items) == 200
    assert len(service.choices.of(champion).items) == 200


def test_a_new_item_trends_too(client: TestClient) -> None:
    assert client.put("/v1/items/new-1", json={"title": "New"}).status_code == 201
    click(client, "new-1", 30)
    assert ids(everyone(client))[0] == "new-1"
    assert client.put("/v1/items/a-new-one", json={"title": "Newer"}).status_code == 201
    assert ids(everyone(client))[0] == "new-1", "whose place in the catalogue has changed"


def test_the_newest_items_count_no_events(client: TestClient) -> None:
    assert everyone(client, "latest")["as_of"] is None
