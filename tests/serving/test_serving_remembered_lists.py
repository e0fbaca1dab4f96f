"""A list that was made is told again as long as it would come out the same, and no longer."""

from contextlib import closing
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_text import figure

from crossmodal.event_log import EventLog, LoggedEvent
from crossmodal.pseudonyms import pseudonym
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from serving.app import create_app

pytestmark = pytest.mark.slow

KEY = b"a key for tests"


def asked(client: TestClient, user: str = "ada", **query: object) -> dict[str, Any]:
    found = client.get(f"/v1/users/{user}/recommendations", params={"k": 10, **query})
    assert found.status_code == 200, found.text
    told: dict[str, Any] = found.json()
    return told


def items(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


@pytest.fixture
def before(client: TestClient) -> float:
    """What was told again before the test."""
    return remembered(client)


def remembered(client: TestClient) -> float:
    return figure(client.get("/metrics").text, "crossmodal_lists_remembered_total")


def like(client: TestClient, user: str, item: str, event_id: str, kind: str = "like") -> None:
    event = {"event_id": event_id, "user_id": user, "item_id": item, "type": kind}
    assert client.post("/v1/events", json=event).status_code == 200


def test_a_second_answer_is_the_first_under_another_id(client: TestClient, before: float) -> None:
    first, second = asked(client), asked(client)
    assert first.pop("request_id") != second.pop("request_id")
    assert first == second
    assert remembered(client) - before == 1


def test_other_wishes_and_other_users_get_lists_of_their_own(
    client: TestClient, before: float
) -> None:
    like(client, "bob", items(asked(client, k=5))[0], event_id="e1")
    lists = [asked(client), asked(client, k=3), asked(client, diversity=0.9), asked(client, "bob")]
    assert remembered(client) - before == 0
    assert [len(one["items"]) for one in lists] == [10, 3, 10, 10]


def test_an_event_that_another_process_took_makes_another_list(
    client: TestClient, copied: Settings, before: float
) -> None:
    first = asked(client)
    liked = LoggedEvent(
        "e1",
        pseudonym("ada", KEY),
        items(first)[0],
        "like",
        None,
        None,
        None,
        1_700_000_000_000_000,
    )
    with closing(EventLog(Workspace(copied).paths.event_log)) as log:
        log.append([liked]).result(timeout=60)
    after = asked(client)
    assert not first["known_user"] and after["known_user"]
    assert liked.item_id not in items(after)
    assert items(asked(client)) == items(after)
    assert remembered(client) - before == 1


def test_a_deleted_item_leaves_a_remembered_list(client: TestClient, before: float) -> None:
    gone = items(asked(client))[0]
    assert client.delete(f"/v1/items/{gone}").status_code == 204
    assert gone not in items(asked(client))
    assert remembered(client) - before == 0


def test_those_of_whom_nothing_is_known_share_a_list(client: TestClient, before: float) -> None:
    assert items(asked(client, "ada")) == items(asked(client, "bob"))
    assert remembered(client) - before == 1


def test_an_impression_changes_no_list(client: TestClient, before: float) -> None:
    like(client, "ada", items(asked(client))[0], event_id="e1")
    shown = items(asked(client))
    like(client, "ada", shown[0], event_id="e2", kind="impression")
    assert items(asked(client)) == shown
    assert remembered(client) - before == 1


def test_a_list_with_places_for_new_items_goes_by_the_impressions_of_now(
    client: TestClient, before: float
) -> None:
    shown = items(asked(client, new_places=2))
    for number, name in enumerate(shown[5:]):
        like(client, "bob", name, event_id=f"i{number}", kind="impression")
    asked(client, new_places=2)
    assert remembered(client) - before == 0
    asked(client)
    asked(client)
    assert remembered(client) - before == 1


def test_the_oldest_list_is_forgotten_first_and_none_is_kept_on_demand(copied: Settings) -> None:
    with TestClient(create_app(copied)) as client:
        long = len(client.get("/v1/users/ada/recommendations", params={"k": 10}).content)
    for most, expected in ((int(2.5 * long), 1), (0, 0)):
        few = copied.model_copy(update={"serve_remembered_bytes": most})
        with TestClient(create_app(few)) as client:
            before = remembered(client)
            for k in (10, 11, 12, 10, 12):
                asked(client, k=k)
            assert remembered(client) - before == expected, most
