"""Events that an app pushes through Feast alone: kept, counted online, and no more than once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import polars as pl
import pytest
from fastapi.testclient import TestClient
from feast import FeatureStore
from feast.data_source import PushMode
from feast.feature_server import get_app
from push_home import ADA, AT, NEWCOMER, OF_ITEM, OF_USER, event, push, read  # type: ignore[import-not-found]

from crossmodal.event_log import EventLog, LoggedEvent, last_position, read_log
from crossmodal.item_log import ItemLog
from crossmodal.lake import Lake
from crossmodal.logged_items import Vector
from crossmodal.paths import StatePaths
from feature_repo.event_statistics import build_item_statistics, build_user_statistics
from feature_repo.online_file import OnlineStoreError, departures
from feature_repo.provider import PushError
from feature_repo.store import close_store, historical
from feature_repo.taste import build_user_taste

pytestmark = pytest.mark.slow


def after(paths: StatePaths, *events: dict[str, Any], user: str = ADA, item: str = "i3") -> Any:
    """What the functions of a run make of the lake's events and of these."""
    lake = Lake(paths.lake)
    known = lake.scan_partitions("interactions").collect()
    new = pl.DataFrame(events, schema_overrides=known.schema).select(known.columns[:4])
    every = pl.concat([known.select(new.columns), new])
    tables = (
        build_user_statistics(every),
        build_item_statistics(every),
        build_user_taste(every, lake.read("text_embeddings")),
    )
    users, items, tastes = (pl.DataFrame(table.read_all()) for table in tables)
    last = {
        **users.filter(user_id=user).row(-1, named=True),
        **items.filter(item_id=item).row(-1, named=True),
        "text_taste": tastes.filter(user_id=user).row(-1, named=True)["embedding"],
    }
    return {name.split(":")[1]: last[name.split(":")[1]] for name in [*OF_USER, *OF_ITEM]}


def require_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5, abs=1e-6), name


def logged(paths: StatePaths) -> list[tuple[Any, ...]]:
    """Events of the log, without their positions."""
    rows = read_log(paths.event_log, last_position(paths.event_log))
    return [row[1:] for batch in rows for row in batch]


def test_a_pushed_event_is_in_the_log_and_in_the_features_read_next(
    paths: StatePaths, app: FeatureStore
) -> None:
    before = read(app)
    told = event(request_id="r1", rank=2)
    push(app, told)
    micros = int(AT.timestamp() * 1_000_000)
    assert logged(paths) == [("e0", ADA, "i3", "rating", 5.0, None, "r1", micros, 2)]
    found = read(app)
    assert found["user_n_events"] == before["user_n_events"] + 1
    assert found["item_n_events"] == before["item_n_events"] + 1
    require_same(found, after(paths, told))
    push(app, told)
    assert len(logged(paths)) == 1 and read(app) == found


def test_what_the_service_took_counts_as_well(paths: StatePaths, app: FeatureStore) -> None:
    served = event(1, item="i4")
    micros = int(served["event_timestamp"].timestamp() * 1_000_000)
    log = EventLog(paths.event_log)
    log.append([LoggedEvent("e1", ADA, "i4", "rating", 5.0, None, None, micros)]).result()
    log.close()
    told = event(0)
    push(app, told)
    require_same(read(app), after(paths, told, served))


def test_a_newcomers_first_event_makes_features_and_no_fault(
    paths: StatePaths, app: FeatureStore
) -> None:
    held = {"user_statistics": 30, "item_statistics": 40}
    assert departures(paths, held) == []
    assert read(app, NEWCOMER)["user_n_events"] is None
    told = event(user=NEWCOMER, event_type="like", value=None)
    push(app, told)
    found = read(app, NEWCOMER)
    assert found["user_n_events"] == found["user_n_items"] == 1
    # Nothing was said of how much: nine in ten of the catalogue's events are weaker.
    known = Lake(paths.lake).scan_partitions("interactions").collect()["value"]
    assert found["user_value_mean"] == pytest.approx(known.quantile(0.9, "linear"))
    assert departures(paths, held) == []


@pytest.mark.parametrize(
    "told",
    [
        {"event_type": "impression"},
        {"event_type": "hide"},
        {"value": 0.0},
        {"event_type": "review"},
    ],
)
def test_what_is_no_sign_of_interest_is_kept_and_changes_no_feature(
    paths: StatePaths, app: FeatureStore, told: dict[str, Any]
) -> None:
    before = read(app)
    push(app, event(**{"value": None, **told}))
    assert len(logged(paths)) == 1
    assert read(app) == before


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "an app's own user id": ({"user_id": "u1"}, "user_id: It must be the pseudonym.*features key"),
    "a number for an id": ({"item_id": 3}, "item_id: Input should be a valid string"),
    "an unknown item": ({"item_id": "gone"}, "the catalogue has no item 'gone'"),
    "an unknown type": ({"event_type": "bought"}, "event_type: Input should be 'impression'"),
    "a rating of nothing": ({"value": None}, "A rating needs a value"),
    "endless": ({"value": float("inf")}, "value: Input should be a finite number"),
    "a hide with a value": ({"event_type": "hide"}, "A hide has no value"),
    "a number that may be of milliseconds": (
        {"event_timestamp": 1_769_968_800},
        "event_timestamp: .*such as 2026",
    ),
    "such a number as text": ({"event_timestamp": "1769968800"}, "seconds or milliseconds"),
    "a date alone": ({"event_timestamp": "2026-02-01"}, "event_timestamp: A date alone"),
    "an id that no path can say": ({"event_id": "a/../b"}, r"event_id: .* may be \. or \.\."),
    "an id of two lines": ({"event_id": "a\nb"}, "event_id: String should match"),
    "a value that is text": ({"value": "5"}, "value: A number is needed"),
    "no zone": ({"event_timestamp": AT.replace(tzinfo=None)}, "event_timestamp: .* no zone"),
    "the future": ({"event_timestamp": datetime(2999, 1, 1, tzinfo=UTC)}, "in the future"),
    "no id": ({"event_id": None}, "event_id: Input should be a valid string"),
    "another column": ({"stars": 3}, "stars: "),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_be_used_is_named_and_nothing_of_the_frame_is_taken(
    paths: StatePaths, app: FeatureStore, fault: str
) -> None:
    before = read(app)
    told, message = REFUSED[fault]
    good = event(0) if "stars" not in told else event(0, stars=None)
    with pytest.raises(PushError, match=rf"^Row {1 + (fault != 'another column')} .*{message}"):
        push(app, good, event(1, **told))
    assert last_position(paths.event_log) == 0
    assert read(app) == before


def test_an_item_that_an_app_put_or_deleted_is_known_to_be_so(
    paths: StatePaths, app: FeatureStore
) -> None:
    items = ItemLog(paths.item_log, paths.uploads)
    items.delete("i3", known=True)
    items.close()
    with pytest.raises(PushError, match="no item 'i3'"):
        push(app, event())
    push(app, event(item="i4"))


def test_media_alone_make_no_item(paths: StatePaths, app: FeatureStore) -> None:
    items = ItemLog(paths.item_log, paths.uploads)
    vector = Vector("a tower", b"")
    items.put_media("gone", "image", "image/png", b"x", {"image": vector}, known=True)
    items.close()
    with pytest.raises(PushError, match="no item 'gone'"):
        push(app, event(item="gone"))


def test_the_offline_store_is_left_to_the_runs(paths: StatePaths, app: FeatureStore) -> None:
    table = Lake(paths.lake).path("reported_events").read_bytes()
    with pytest.raises(PushError, match=r"PushMode\.ONLINE"):
        app.push("events", pd.DataFrame([event()]), to=PushMode.OFFLINE)
    assert Lake(paths.lake).path("reported_events").read_bytes() == table


def test_pushes_at_once_are_all_counted(paths: StatePaths) -> None:
    def push_three(worker: int) -> None:
        own = FeatureStore(repo_path=str(paths.feast))
        for number in range(3):
            push(own, event(3 * worker + number))
        close_store(own)

    fresh = FeatureStore(repo_path=str(paths.feast))
    before = read(fresh)
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(push_three, range(4)))
    assert read(fresh)["user_n_events"] == before["user_n_events"] + 12
    assert read(fresh)["item_n_events"] == before["item_n_events"] + 12
    close_store(fresh)


def test_a_lost_store_is_one_sentence_and_the_event_is_kept(
    paths: StatePaths, app: FeatureStore
) -> None:
    paths.online_store.unlink()
    with pytest.raises(PushError, match=r"events are kept.*`crossmodal run` makes it again") as why:
        push(app, event())
    assert isinstance(why.value.__cause__, OnlineStoreError)
    assert len(logged(paths)) == 1 and not paths.online_store.exists()


def test_a_log_that_cannot_be_written_takes_nothing(paths: StatePaths, app: FeatureStore) -> None:
    before = read(app)
    paths.event_log.parent.mkdir()
    paths.event_log.write_bytes(b"no database" * 500)
    with pytest.raises(PushError, match=r"events\.db, and none was taken") as why:
        push(app, event())
    assert why.value.http_status_code() == 503
    assert read(app) == before


def test_feasts_own_server_takes_events(paths: StatePaths, app: FeatureStore) -> None:
    before = read(app)
    frame = {name: [value] for name, value in event(event_timestamp=AT.isoformat()).items()}
    with TestClient(get_app(app), raise_server_exceptions=False) as client:
        done = client.post("/push", json={"push_source_name": "events", "df": frame})
        assert done.status_code == 200, done.text
        asked = {"features": OF_ITEM, "entities": {"item_id": ["i3"]}}
        answer = client.post("/get-online-features", json=asked).json()
        values = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
        assert values["item_n_events"]["values"] == [before["item_n_events"] + 1]
        frame["user_id"] = ["ada"]
        refused = client.post("/push", json={"push_source_name": "events", "df": frame})
        assert refused.status_code == 422 and "must be the pseudonym" in refused.text
    assert len(logged(paths)) == 1


def test_what_was_reported_is_read_offline_by_its_id(paths: StatePaths) -> None:
    columns = {"event_id": ["e0"], "user_id": [ADA], "item_id": ["i3"], "event_type": ["click"]}
    table = pl.DataFrame(columns).with_columns(event_timestamp=pl.lit(AT))
    Lake(paths.lake).write("reported_events", table, {})
    asked = pl.DataFrame({"event_id": ["e0", "e1"]}).with_columns(
        event_timestamp=pl.lit(AT).cast(pl.Datetime("us", "UTC"))
    )
    found = historical(paths, asked, ["reported_events:event_type"])
    assert found["reported_events__event_type"].to_list() == ["click", None]
