"""An event that is undone counts nowhere any more."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient

from assets.source_listing import source_of
from crossmodal.event_log import LoggedEvent
from crossmodal.log_position import LogPosition
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.data import Interactions
from serving.app import create_app
from serving.champion import Champion
from serving.client import AsyncClient, Client, ServiceError
from serving.histories import user_state
from serving.keys import KeyRing
from serving.schemas import Event

pytestmark = pytest.mark.slow


def listed(client: TestClient, user: str, **query: Any) -> list[str]:
    answer = client.get(f"/v1/users/{user}/recommendations", params=query)
    assert answer.status_code == 200, answer.text
    return [item["item_id"] for item in answer.json()["items"]]


def report(client: TestClient, name: str, item: str, kind: str, **more: object) -> None:
    event = {"event_id": name, "user_id": "ada", "item_id": item, "type": kind, **more}
    assert client.post("/v1/events", json=event).status_code == 200


def undo(client: TestClient, name: str) -> None:
    answer = client.delete(f"/v1/events/{name}")
    assert answer.status_code == 204 and answer.content == b""


@pytest.mark.parametrize(
    ("kind", "more"), [("like", {}), ("rating", {"value": 0.0}), ("review", {}), ("hide", {})]
)
def test_what_was_done_and_undone_is_as_if_it_had_never_been(
    client: TestClient, kind: str, more: dict[str, float]
) -> None:
    before = listed(client, "ada")
    report(client, "e/1", before[0], kind, **more)
    assert before[0] not in listed(client, "ada")
    undo(client, "e%2F1")
    assert listed(client, "ada") == before
    undo(client, "e/1")
    report(client, "e/1", before[0], kind, **more)
    assert listed(client, "ada") == before, "sent again, it stays undone"
    assert not client.get("/v1/users/ada/recommendations").json()["known_user"]


def test_an_undone_hide_leaves_what_was_liked_before(client: TestClient) -> None:
    first = listed(client, "ada")[0]
    report(client, "e1", first, "like")
    liked = listed(client, "ada", exclude_seen=False, k=80)
    report(client, "e2", first, "hide")
    assert first not in listed(client, "ada", exclude_seen=False, k=80)
    undo(client, "e2")
    assert listed(client, "ada", exclude_seen=False, k=80) == liked and first in liked


def test_an_event_that_there_is_not_is_404(client: TestClient) -> None:
    answer = client.delete("/v1/events/nothing")
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["field"] == "path.event_id"
    assert "'nothing'" in answer.json()["detail"]


def test_undoing_needs_the_key_that_reporting_needs(copied: Settings) -> None:
    ring = KeyRing(Workspace(copied).paths.api_keys)
    keys = {scope: ring.add(scope, [scope]) for scope in ("read", "events")}
    with TestClient(create_app(copied)) as client:
        statuses = [
            client.delete("/v1/events/e1", headers={"Authorization": f"Bearer {key}"}).status_code
            for key in keys.values()
        ]
    assert statuses == [403, 404]


def test_what_the_lake_has_taken_counts_no_more_once_it_is_undone(asking: TestClient) -> None:
    champion: Champion = asking.app.state.service.champions.current  # type: ignore[attr-defined]
    events = champion.log.events
    user = champion.log.user_ids.ids[events.users[0]]
    known = user_state(champion, user, ())
    first, when = int(known.history.items[0]), int(known.history.timestamps[0])

    def at(name: str, kind: str) -> LoggedEvent:
        item_id = champion.log.item_ids.ids[first]
        return LoggedEvent(name, user, item_id, kind, None, None, None, when)

    after = user_state(champion, user, [at("e1", "undone")])
    assert len(after.history.items) == len(known.history.items) - 1
    assert (first in after.seen) == (first in known.history.items[1:])
    both = user_state(champion, user, [at("e1", "undone"), at("e2", "like")])
    assert when in both.history.timestamps, "another event of the same instant still counts"


def test_of_two_events_that_look_alike_one_goes(asking: TestClient) -> None:
    champion: Champion = asking.app.state.service.champions.current  # type: ignore[attr-defined]
    events = champion.log.events
    user, item = (int(column[0]) for column in (events.users, events.items))
    twice = Interactions(
        *(
            np.concatenate([column[:1], column])
            for column in (events.users, events.items, events.values, events.timestamps)
        )
    )
    champion = replace(champion, log=replace(champion.log, events=twice))
    name, item_id = champion.log.user_ids.ids[user], champion.log.item_ids.ids[item]
    when = int(events.timestamps[0])
    undone = LoggedEvent("e1", name, item_id, "undone", None, None, None, when)

    def alike(*acts: LoggedEvent) -> int:
        history = user_state(champion, name, acts).history
        return int(np.sum((history.items == item) & (history.timestamps == when)))

    other = replace(undone, event_id="e2")
    assert [alike(), alike(undone), alike(undone, other)] == [2, 1, 0]


def test_what_was_undone_before_a_run_takes_nothing_from_its_lake(
    client: TestClient, copied: Settings
) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    champion: Champion = service.champions.current
    source = pl.read_parquet(source_of(Workspace(copied)).root / "events.parquet")
    user = str(source["user_id"][0])
    known = service.state_of(champion, user).history
    when = datetime.fromtimestamp(int(known.timestamps[0]) / 1e6, UTC)
    item = champion.log.item_ids.ids[int(known.items[0])]
    report(client, "e1", item, "like", user_id=user, timestamp=when.isoformat())
    undo(client, "e1")
    later = replace(champion, log_position=LogPosition(service.events.end(), "e1"))
    assert len(service.state_of(later, user).history.items) == len(known.items)
    assert len(service.state_of(champion, user).history.items) == len(known.items) - 1


def test_a_hide_with_a_value_says_that_it_has_none(asking: TestClient) -> None:
    item = listed(asking, "ada")[0]
    event = {"event_id": "e", "user_id": "ada", "item_id": item, "type": "hide", "value": 5}
    answer = asking.post("/v1/events", json=event)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body.value"


@pytest.mark.parametrize("name", [".", "..", "two\nlines"])
def test_an_id_that_could_not_be_undone_is_not_taken(asking: TestClient, name: str) -> None:
    item = listed(asking, "ada")[0]
    event = {"event_id": name, "user_id": "ada", "item_id": item, "type": "like"}
    answer = asking.post("/v1/events", json=event)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "body.event_id"


def test_both_clients_undo_and_read_on(url: str) -> None:
    with Client(url) as client:
        first = client.recommendations("ada", k=5, exclude=["gone"])
        assert first.unknown_items == ["gone"] and first.after
        second = client.recommendations("ada", k=5, exclude=["gone"], after=first.after)
        shown = [item.item_id for item in (*first.items, *second.items)]
        assert len(set(shown)) == 10
        categories = first.items[0].categories
        assert client.items("trending", category=categories, k=3).as_of
        liked = Event(event_id="e/1", user_id="ada", item_id=shown[0], type="like")
        client.events([liked])
        client.undo("e/1")
        assert client.recommendations("ada", k=5).items == first.items
        with pytest.raises(ServiceError, match="No event") as refused:
            client.undo("e2")
        assert refused.value.status == 404

    async def asked() -> None:
        async with AsyncClient(url) as other:
            await other.undo("e/1")
            page = await other.items(k=3, after=(await other.items(k=3)).after)
            assert page.items == (await other.items(k=3, offset=3)).items

    asyncio.run(asked())
