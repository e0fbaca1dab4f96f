"""An answer whose stages fail or hang: it comes all the same, and says what it is."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from prometheus_text import figure

from assets.source_listing import source_of
from crossmodal.event_log import LoggedEvent
from crossmodal.pseudonyms import pseudonym
from crossmodal.settings import Settings
from crossmodal.workspace import Workspace
from models.baselines import Popularity
from models.data import Floats, Histories, Ints
from models.explanation import Explanation
from models.registry import ModelRegistry
from serving.app import create_app
from serving.recommending import UNEXPLAINED

pytestmark = pytest.mark.slow


class Failing(Popularity):
    """A champion whose weights turn out to be of no use."""

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        raise RuntimeError("The weights are of another shape.")


class Hanging(Popularity):
    """A champion that answers once it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        self.let_go.wait(60)
        raise RuntimeError("Nobody waits any more.")


class Silent(Popularity):
    """A champion that ranks and cannot say why."""

    size = 0

    def score(self, users: Histories, items: Ints | None = None) -> Floats:
        everything = np.arange(self.size, dtype=np.float32)[None]
        return everything if items is None else everything[:, items]

    def explain(self, users: Histories, items: Ints) -> Explanation:
        raise ValueError("There is nothing to compare with.")


@pytest.fixture
def impatient(copied: Settings) -> Iterator[TestClient]:
    """A service that waits no longer than a tenth of a second for a ranking."""
    budgets = {"user_state": 5.0, "ranking": 0.1, "features": 30.0}
    hurried = copied.model_copy(
        update={f"serve_{stage}_seconds": seconds for stage, seconds in budgets.items()}
    )
    with TestClient(create_app(hurried), raise_server_exceptions=False) as client:
        yield client


def take(client: TestClient, model: Popularity) -> None:
    watch = client.app.state.service.champions  # type: ignore[attr-defined]
    if isinstance(model, Silent):
        model.size = len(watch.current.listed)
    watch._current = replace(watch.current, model=model)


def known_user(settings: Settings) -> str:
    events = pl.read_parquet(source_of(Workspace(settings)).root / "events.parquet")
    return str(events["user_id"][0])


def popular(client: TestClient) -> list[str]:
    found = client.get("/v1/items", params={"sort": "popular", "k": 200}).json()["items"]
    return [item["item_id"] for item in found]


def answer(client: TestClient, user: str, **query: object) -> tuple[str, list[str]]:
    found = client.get(f"/v1/users/{user}/recommendations", params=query)
    assert found.status_code == 200, found.text
    return found.json()["path"], [item["item_id"] for item in found.json()["items"]]


def missed(client: TestClient, stage: str, why: str) -> float:
    text = client.get("/metrics").text
    return figure(text, "crossmodal_stages_missed_total", stage=stage, why=why)


def fallbacks(client: TestClient) -> float:
    return figure(client.get("/metrics").text, "crossmodal_answers_total", path="fallback")


def test_a_ranking_that_fails_gives_the_stored_list_to_those_who_have_one(
    impatient: TestClient, copied: Settings
) -> None:
    user = known_user(copied)
    stored = Workspace(copied).lake.read("recommendations")
    own = stored.filter(pl.col("user_id") == pseudonym(user, b"a key for tests")).sort("rank")
    take(impatient, Failing())
    answered, before = fallbacks(impatient), missed(impatient, "ranking", "failed")
    assert answer(impatient, user, k=10) == ("fallback", own["item_id"].head(10).to_list())
    first = own["item_id"][0]
    hide = {"event_id": "e1", "user_id": user, "item_id": first, "type": "hide"}
    assert impatient.post("/v1/events", json=hide).status_code == 200
    assert first not in answer(impatient, user, k=10)[1], "what is hidden stays hidden"
    others = [item for item in popular(impatient) if item not in set(own["item_id"])][:5]
    ranked = impatient.post("/v1/rank", json={"user_id": user, "items": others}).json()
    assert ranked["path"] == "fallback"
    assert [item["item_id"] for item in ranked["items"]] == others, "own candidates, no others"
    assert fallbacks(impatient) - answered == 3
    assert missed(impatient, "ranking", "failed") - before == 3


def test_a_stored_list_of_another_champion_is_shown_to_nobody(
    impatient: TestClient, copied: Settings
) -> None:
    registry = ModelRegistry(Workspace(copied).paths.models)
    other = next(one.version for one in registry.versions() if one.name == "ease-user-temporal")
    registry.promote(other)
    impatient.app.state.service.champions.look()  # type: ignore[attr-defined]
    take(impatient, Failing())
    path, items = answer(impatient, known_user(copied), k=10)
    assert path == "fallback" and len(items) == 10
    assert items == [item for item in popular(impatient) if item in set(items)]


def test_a_ranking_that_hangs_and_no_store_give_the_popular_list(
    impatient: TestClient, copied: Settings
) -> None:
    Workspace(copied).paths.online_store.unlink()
    model = Hanging()
    take(impatient, model)
    before = missed(impatient, "ranking", "late")
    try:
        everybodys = popular(impatient)
        first = {"event_id": "e1", "user_id": "ada", "item_id": everybodys[0], "type": "click"}
        impatient.post("/v1/events", json=first)
        for number in range(6):
            assert answer(impatient, f"user {number}", k=5) == ("fallback", everybodys[:5])
        guest = impatient.post("/v1/recommendations", json={"history": [], "k": 5}).json()
        assert [item["item_id"] for item in guest["items"]] == everybodys[:5]
        given = everybodys[10:5:-1]
        ranked = impatient.post("/v1/rank", json={"items": given}).json()
        assert ranked["path"] == "fallback"
        assert [item["item_id"] for item in ranked["items"]] == sorted(given, key=everybodys.index)
        assert missed(impatient, "ranking", "late") > before
    finally:
        model.let_go.set()


def test_a_list_that_could_show_what_was_hidden_is_no_answer(
    impatient: TestClient, copied: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = impatient.app.state.service  # type: ignore[attr-defined]
    user, let_go = known_user(copied), threading.Event()
    whole = impatient.get(f"/v1/users/{user}/recommendations").json()
    service.state_stages._budgets["user state"] = 0.1
    before = missed(impatient, "user state", "late")
    read = service.events.acts_of_user

    def hangs(name: str) -> list[LoggedEvent]:
        let_go.wait(60)
        found: list[LoggedEvent] = read(name)
        return found

    monkeypatch.setattr(service.events, "acts_of_user", hangs)
    try:
        found = impatient.get(f"/v1/users/{user}/recommendations", params={"k": 19})
        items = [item["item_id"] for item in whole["items"]]
        ranked = impatient.post("/v1/rank", json={"user_id": user, "items": items[::-1]}).json()
    finally:
        let_go.set()
    assert found.status_code == 503 and found.headers["Retry-After"] == "1"
    assert "ask again" in found.json()["detail"]
    assert ranked["path"] == "fallback"
    assert [item["item_id"] for item in ranked["items"]] == items, "ranked by the lake's events"
    assert missed(impatient, "user state", "late") - before == 2


def test_reasons_that_fail_leave_the_list_as_it_is(impatient: TestClient) -> None:
    take(impatient, Silent())
    path, items = answer(impatient, "ada", k=10)
    assert path == "fallback" and len(items) == 10
    others = impatient.get("/v1/users/ada/recommendations", params={"k": 10}).json()["items"]
    assert [item["item_id"] for item in others] == items
    assert {item["reason"]["sentence"] for item in others} == {UNEXPLAINED}


def test_ages_and_the_queue_are_told(impatient: TestClient, copied: Settings) -> None:
    told = {
        line.split(" ")[0]: float(line.split(" ")[1])
        for line in impatient.get("/metrics").text.splitlines()
        if line.startswith("crossmodal_") and "{" not in line.split(" ")[0]
    }
    filled_at = Workspace(copied).paths.registry.stat().st_mtime
    assert told["crossmodal_features_timestamp_seconds"] == pytest.approx(filled_at)
    assert told["crossmodal_champion_trained_timestamp_seconds"] > 0
    assert told["crossmodal_event_batches_waiting"] == 0
