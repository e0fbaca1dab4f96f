"""Pages: one after the other they are the list, and none repeats what another has shown."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.baselines import Popularity
from models.data import Floats, Histories, Ints
from serving import recommending

pytestmark = pytest.mark.slow
LIST = "/v1/users/ada/recommendations"
WHOLE = 200


class Backwards(Popularity):
    """A champion that ranks the catalogue from its end."""

    def __init__(self, n_items: int) -> None:
        super().__init__()
        self._order = np.arange(n_items, dtype=np.float32)

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        everything = np.repeat(self._order[None], len(users), axis=0)
        return everything if items is None else everything[:, items]


@pytest.fixture
def small_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Diverse lists of a small catalogue are chosen from several pools, as those of a large one."""
    monkeypatch.setattr(recommending, "_LEAST_POOL", 20)


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def ask(client: TestClient, path: str, **query: Any) -> dict[str, Any]:
    answer = client.get(path, params={**query})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def pages(client: TestClient, path: str, **query: Any) -> Iterator[list[str]]:
    after = None
    while True:
        page = ask(client, path, **query, **({"after": after} if after else {}))
        assert page.get("path", "champion") == "champion", "also where nothing is left"
        yield ids(page)
        after = page["after"]
        if after is None:
            return


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    k=st.integers(3, 60),
    diversity=st.sampled_from([0.0, 0.3, 1.0]),
    path=st.sampled_from([LIST, "/v1/users/user-000003/recommendations", "/v1/items"]),
)
def test_pages_are_the_list(asking: TestClient, k: int, diversity: float, path: str) -> None:
    wishes = {} if path == "/v1/items" else {"diversity": diversity}
    whole = ids(ask(asking, path, k=WHOLE, **wishes))
    found = list(pages(asking, path, k=k, **wishes))
    assert [item for page in found for item in page] == whole
    assert all(len(page) == k for page in found[:-1])


@pytest.mark.usefixtures("small_pools")
@pytest.mark.parametrize("diversity", [0.3, 1.0])
def test_diverse_pages_go_through_one_pool_after_the_other(
    asking: TestClient, diversity: float
) -> None:
    by_score = ids(ask(asking, LIST, k=WHOLE))
    found = list(pages(asking, LIST, k=4, diversity=diversity))
    order = [item for page in found for item in page]
    assert sorted(order) == sorted(by_score) and order != by_score
    for at in range(0, len(order), 20):
        assert set(order[at : at + 20]) == set(by_score[at : at + 20])


@pytest.mark.parametrize("diversity", [0.0, 0.5])
def test_nothing_comes_twice_whatever_happens_between_two_pages(
    client: TestClient, diversity: float
) -> None:
    wishes = {"k": 7, "diversity": diversity, "new_places": 2}
    first = ask(client, LIST, **wishes)
    for name, item, kind in (("e1", ids(first)[0], "like"), ("e2", ids(first)[1], "hide")):
        event = {"event_id": name, "user_id": "ada", "item_id": item, "type": kind}
        assert client.post("/v1/events", json=event).status_code == 200
    second = ask(client, LIST, **wishes, after=first["after"])
    shown = {*ids(first), *ids(second)}
    hidden = next(item for item in ids(ask(client, LIST, k=WHOLE)) if item not in shown)
    event = {"event_id": "e3", "user_id": "ada", "item_id": hidden, "type": "hide"}
    assert client.post("/v1/events", json=event).status_code == 200
    put = client.put("/v1/items/new-1", json={"title": "New", "categories": ["Comedy"]})
    assert put.status_code == 201
    third = ask(client, LIST, **wishes, after=second["after"])
    watch = client.app.state.service.champions  # type: ignore[attr-defined]
    watch._current = replace(
        watch.current, model=Backwards(len(watch.current.listed)), version="another"
    )
    rest: list[str] = []
    after = third["after"]
    while after:
        page = ask(client, LIST, **wishes, after=after)
        assert page["model_version"] == "another"
        rest, after = rest + ids(page), page["after"]
    whole = [*ids(first), *ids(second), *ids(third), *rest]
    assert len(whole) == len(set(whole))
    everything = ids(ask(client, "/v1/items", k=WHOLE))
    assert set(whole) | {hidden} == set(everything), "nothing is left out"
    assert hidden not in whole


def test_a_guest_reads_on_after_a_click(asking: TestClient) -> None:
    asked = {"k": 10, "diversity": 0.3}
    first = asking.post("/v1/recommendations", json=asked).json()
    clicked = {"history": [{"item_id": ids(first)[0]}], "after": first["after"]}
    second = asking.post("/v1/recommendations", json={**asked, **clicked}).json()
    assert second["known_user"] and len(ids(second)) == 10
    assert not set(ids(first)) & set(ids(second))


def test_those_of_whom_nothing_is_known_can_all_read_on(asking: TestClient) -> None:
    for user in ("ada", "bob"):
        first = ask(asking, f"/v1/users/{user}/recommendations", k=5)
        second = ask(asking, f"/v1/users/{user}/recommendations", k=5, after=first["after"])
        assert not set(ids(first)) & set(ids(second))


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"after": "nonsense"}, "send it as it came"),
        ({"after": "é"}, "send it as it came"),
        ({"diversity": 0.2}, "of another list"),
        ({"exclude_seen": False}, "of another list"),
    ],
)
def test_a_token_that_cannot_be_used_is_refused_by_name(
    asking: TestClient, wishes: dict[str, Any], told: str
) -> None:
    after = ask(asking, LIST, k=5)["after"]
    answer = asking.get(LIST, params={"k": 5, "after": after, **wishes})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "query.after"
    assert told in answer.json()["detail"]


def test_lists_for_everyone_have_pages_too(asking: TestClient) -> None:
    first = ask(asking, "/v1/items", sort="trending", k=5)
    both = {"sort": "trending", "k": 5, "after": first["after"], "offset": 5}
    refused = asking.get("/v1/items", params=both)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "query.offset"


def test_after_a_page_by_offset_the_list_goes_on(asking: TestClient) -> None:
    whole = ids(ask(asking, "/v1/items", sort="latest", k=WHOLE))
    for offset in (1, 20):
        page = ask(asking, "/v1/items", sort="latest", k=10, offset=offset)
        further = ask(asking, "/v1/items", sort="latest", k=10, after=page["after"])
        assert ids(page) + ids(further) == whole[offset : offset + 20]


def test_several_categories_are_any_of_them(asking: TestClient, kept: Settings) -> None:
    items = Workspace(kept).lake.read("items").explode("categories")
    two = items["categories"].drop_nulls().unique().sort().to_list()[:2]
    inside = set(items.filter(pl.col("categories").is_in(two))["item_id"])
    name = ids(ask(asking, "/v1/items", category=two, k=WHOLE))[0]
    for path in (LIST, "/v1/items", f"/v1/items/{name}/similar"):
        found = set(ids(ask(asking, path, category=two, k=WHOLE)))
        assert found and found <= inside, path
        one = set(ids(ask(asking, path, category=two[:1], k=WHOLE)))
        assert one < found
    for path, body in (("/v1/recommendations", {}), ("/v1/search", {"text": "rain"})):
        for names in (two, two[0]):
            sent = {**body, "category": names, "k": WHOLE}
            answer = asking.post(path, json=sent)
            assert answer.status_code == 200, answer.text
            assert set(ids(answer.json())) <= inside
    unknown = asking.get(LIST, params={"category": [two[0], "No such"]})
    assert unknown.status_code == 404 and "No such" in unknown.json()["detail"]


def test_what_is_excluded_is_in_no_answer_and_what_is_unknown_is_named(
    asking: TestClient,
) -> None:
    whole = ids(ask(asking, LIST, k=10))
    sent = [whole[0], whole[2], "gone", "gone"]
    name = ids(ask(asking, "/v1/items", k=1))[0]
    for path in (LIST, "/v1/items", f"/v1/items/{name}/similar"):
        found = ask(asking, path, exclude=sent, k=WHOLE)
        assert not {whole[0], whole[2]} & set(ids(found)) and len(found["items"]) > 10, path
        assert found["unknown_items"] == ["gone"]
    assert ids(ask(asking, LIST, exclude=sent, k=8)) == [whole[1], *whole[3:]]
    for path, body in (("/v1/recommendations", {}), ("/v1/search", {"text": "rain"})):
        found = asking.post(path, json={**body, "exclude": sent, "k": WHOLE}).json()
        assert not {whole[0], whole[2]} & set(ids(found)) and len(found["items"]) > 10, path
        assert found["unknown_items"] == ["gone"]
    many = asking.get(LIST, params={"exclude": [f"i{n}" for n in range(201)]})
    assert many.status_code == 422 and "query.exclude" in many.json()["detail"]


def test_a_guests_stale_ids_are_named_and_repeated_candidates_too(asking: TestClient) -> None:
    first, second = ids(ask(asking, LIST, k=2))
    history = [{"item_id": first}, {"item_id": "gone"}, {"item_id": first}]
    found = asking.post("/v1/recommendations", json={"history": history, "exclude": ["old"]})
    assert found.json()["unknown_items"] == ["gone", "old"]
    ranked = asking.post("/v1/rank", json={"items": [first, second, first]}).json()
    assert ranked["repeated_items"] == [first]
    assert sorted(ids(ranked)) == sorted([first, second]) and ranked["after"] is None


def test_a_deleted_item_of_a_guests_history_is_named(client: TestClient) -> None:
    gone, other = ids(ask(client, LIST, k=2))
    assert client.delete(f"/v1/items/{gone}").status_code == 204
    asked = {"history": [{"item_id": gone}, {"item_id": other}]}
    found = client.post("/v1/recommendations", json=asked).json()
    without = client.post("/v1/recommendations", json={"history": asked["history"][1:]}).json()
    assert found["unknown_items"] == [gone]
    assert found["items"] == without["items"]
