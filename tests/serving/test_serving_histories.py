"""What a user did, as a list takes it: the newest act about an item decides."""

import numpy as np
import pytest
from fastapi.testclient import TestClient

from crossmodal.event_log import LoggedEvent
from serving.champion import Champion
from serving.histories import UserState, guest_history, user_state

pytestmark = pytest.mark.slow
_TIME = 4_000_000_000_000_000


@pytest.fixture
def champion(asking: TestClient) -> Champion:
    found: Champion = asking.app.state.service.champions.current  # type: ignore[attr-defined]
    return found


def after(champion: Champion, *acts: tuple[str, str, float | None]) -> UserState:
    """The state of somebody new after acts: item, type, value."""
    logged = [
        LoggedEvent(f"e{place}", "ada", item, kind, value, None, None, _TIME + place)
        for place, (item, kind, value) in enumerate(acts)
    ]
    return user_state(champion, "ada", logged)


@pytest.mark.parametrize(
    ("acts", "in_history", "hidden"),
    [
        ([("like", None)], True, False),
        ([("like", None), ("hide", None)], False, True),
        ([("hide", None), ("like", None)], True, False),
        ([("hide", None), ("click", None), ("hide", None)], False, True),
        ([("rating", 5.0), ("rating", 0.0)], False, False),
        ([("rating", 0.0), ("rating", 5.0)], True, False),
        ([("rating", -5.0)], False, False),
        ([("hide", None), ("rating", 0.0)], False, True),
        ([("like", None), ("hide", None), ("review", None)], False, True),
        ([("review", None)], False, False),
    ],
)
def test_the_newest_act_about_an_item_decides(
    champion: Champion, acts: list[tuple[str, float | None]], in_history: bool, hidden: bool
) -> None:
    item, other = champion.log.item_ids.ids[:2]
    state = after(champion, (other, "click", None), *((item, *act) for act in acts))
    assert (0 in state.history.items) == in_history
    assert (0 in state.hidden) == hidden
    assert set(state.seen) == {0, 1} and 1 in state.history.items


def test_it_is_the_time_of_an_act_that_makes_it_the_newest(champion: Champion) -> None:
    item = champion.log.item_ids.ids[0]
    late, early = (
        LoggedEvent(kind, "ada", item, kind, None, None, None, when)
        for kind, when in (("like", _TIME + 1), ("hide", _TIME))
    )
    assert 0 in user_state(champion, "ada", [late, early]).history.items


def test_what_the_lake_knows_is_refused_by_a_later_hide(champion: Champion) -> None:
    events = champion.log.events
    user, item = int(events.users[0]), int(events.items[0])
    hide = LoggedEvent("e", "x", champion.log.item_ids.ids[item], "hide", None, None, None, _TIME)
    before = user_state(champion, champion.log.user_ids.ids[user], [])
    state = user_state(champion, champion.log.user_ids.ids[user], [hide])
    assert item in before.history.items and item not in state.history.items
    assert len(state.history.items) == len(before.history.items) - np.sum(
        before.history.items == item
    )
    assert item in state.hidden and item in state.seen


def test_a_guest_who_did_not_like_an_item_is_not_told_that_they_did(champion: Champion) -> None:
    items = np.array([0, 1, 2, 0, 3, 3], dtype=np.int32)
    found = guest_history(champion, items, [5.0, None, -5.0, 0.0, 0.0, 4.0])
    np.testing.assert_array_equal(found.items, [1, 3])


def test_a_hundred_thousand_impressions_are_not_read_for_a_list(client: TestClient) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]
    first = client.get("/v1/users/ada/recommendations").json()["items"][0]["item_id"]
    name = service.pseudonym("ada")
    for start in range(0, 100_000, 10_000):
        shown = [
            LoggedEvent(f"i{n}", name, first, "impression", None, None, None, _TIME + n)
            for n in range(start, start + 10_000)
        ]
        service.events.append(shown).result(60)
    hide = {"event_id": "h", "user_id": "ada", "item_id": first, "type": "hide"}
    assert client.post("/v1/events", json=hide).status_code == 200

    assert [act.event_type for act in service.events.acts_of_user(name)] == ["hide"]
    for k in (5, 50, 200):
        found = client.get("/v1/users/ada/recommendations", params={"k": k}).json()
        assert found["path"] == "champion"
        assert first not in [item["item_id"] for item in found["items"]]
