"""Events that an app pushes through Feast alone: kept, counted online, and no more than once."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from fastapi.testclient import TestClient
from feast import FeatureStore
from feast.data_source import PushMode
from feast.feature_server import get_app
from feature_lake import NOW, fill_lake, interactions  # type: ignore[import-not-found]
from small_platform import small_settings

from assets.features import write_online
from crossmodal.event_log import EventLog, LoggedEvent, last_position, log_end, read_log
from crossmodal.item_log import ItemLog
from crossmodal.lake import Lake
from crossmodal.log_position import LogPosition
from crossmodal.paths import StatePaths
from crossmodal.pseudonyms import pseudonym
from crossmodal.published_events import record_published, scale_summary
from crossmodal.value_scale import ValueScale
from crossmodal.workspace import Workspace
from feature_repo.catalogue import ONLINE_VIEWS
from feature_repo.consistency import consistency
from feature_repo.event_statistics import build_item_statistics, build_user_statistics
from feature_repo.live_features import undone_since
from feature_repo.materialize import materialize_fresh
from feature_repo.online_file import OnlineStoreError, departures
from feature_repo.provider import PushError
from feature_repo.store import apply_definitions, close_store, historical
from feature_repo.taste import build_user_taste

pytestmark = pytest.mark.slow

ADA, NEWCOMER = pseudonym("u1", b"key"), pseudonym("nobody yet", b"key")
OF_USER = [
    "user_statistics:user_n_events",
    "user_statistics:user_n_items",
    "user_statistics:user_value_mean",
    "user_statistics:user_n_events_7d",
    "user_taste_text:text_taste",
]
OF_ITEM = ["item_statistics:item_n_events", "item_statistics:item_n_users"]
AT = datetime(2026, 2, 1, 18, tzinfo=UTC)


def fill(home: Path) -> StatePaths:
    """A home whose users have pseudonyms, applied and materialized."""
    paths: StatePaths = fill_lake(home)
    lake = Lake(paths.lake)
    events = interactions().with_columns(
        pl.col("user_id").replace({f"u{n}": pseudonym(f"u{n}", b"key") for n in range(30)}),
        event_type=pl.lit("rating"),
        text=pl.lit(None, pl.String),
    )
    lake.write("interactions/1996-03", events, {})
    lake.write("items", pl.DataFrame({"item_id": [f"i{n}" for n in range(40)]}), {})
    none = pl.DataFrame(schema=dict.fromkeys(LoggedEvent.__annotations__, pl.String))
    lake.write("reported_events", none, {}, position=0)
    lake.write("item_statistics", pl.DataFrame(build_item_statistics(events).read_all()), {})
    lake.write("user_statistics", pl.DataFrame(build_user_statistics(events).read_all()), {})
    taste = build_user_taste(events, lake.read("text_embeddings")).read_all()
    lake.write("user_taste_text", pl.DataFrame(taste), {})
    apply_definitions(paths)
    materialize_fresh(paths, None, NOW)
    return paths


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> tuple[StatePaths, Path]:
    """A filled home, in the place where each test has it, and a copy of what was there."""
    place = tmp_path_factory.mktemp("push")
    paths = fill(place / "home")
    shutil.copytree(paths.home, place / "kept")
    return paths, place / "kept"


@pytest.fixture
def paths(origin: tuple[StatePaths, Path]) -> StatePaths:
    """The home as it was filled: the registry names its tables by path."""
    found, kept = origin
    shutil.rmtree(found.home)
    shutil.copytree(kept, found.home)
    return found


@pytest.fixture
def app(paths: StatePaths) -> Iterator[FeatureStore]:
    """What an app with Feast alone opens."""
    store = FeatureStore(repo_path=str(paths.feast))
    yield store
    close_store(store)


def event(number: int = 0, user: str = ADA, item: str = "i3", **told: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "user_id": user,
        "item_id": item,
        "event_type": "rating",
        "value": 5.0,
        "event_timestamp": AT + timedelta(minutes=number),
        **told,
    }


def push(app: FeatureStore, *events: dict[str, Any]) -> None:
    app.push("events", pd.DataFrame(events))


def read(app: FeatureStore, user: str = ADA, item: str = "i3") -> dict[str, Any]:
    row = {"user_id": user, "item_id": item}
    found = app.get_online_features([*OF_USER, *OF_ITEM], [row]).to_dict()
    return {name: values[0] for name, values in found.items() if name not in row}


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
    told = event(request_id="r1")
    push(app, told)
    micros = int(AT.timestamp() * 1_000_000)
    assert logged(paths) == [("e0", ADA, "i3", "rating", 5.0, None, "r1", micros)]
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


def test_a_store_that_outlives_a_run_reads_and_writes_the_new_file(
    paths: StatePaths, app: FeatureStore
) -> None:
    push(app, event(0))
    pushed = read(app)
    workspace = Workspace(small_settings(paths.home))
    write_online(workspace, "online_features", list(ONLINE_VIEWS), {})
    # The run took the place of the file, without the event, which is newer than its tables.
    assert read(app) == pushed
    push(app, event(1))
    assert read(app)["user_n_events"] == pushed["user_n_events"] + 1


def test_keys_that_are_ahead_of_the_tables_are_no_disagreement(
    paths: StatePaths, app: FeatureStore
) -> None:
    assert consistency(paths, ONLINE_VIEWS, as_of=NOW).agrees
    push(app, event())
    report = consistency(paths, ONLINE_VIEWS, as_of=NOW)
    assert report.agrees, report.disagreements
    assert report.keys["item_id"] == 39


def test_a_push_that_was_undone_is_no_disagreement_and_leaves_with_the_next_filling(
    paths: StatePaths, app: FeatureStore
) -> None:
    before = read(app)
    push(app, event())
    assert undone_since(paths).is_empty()
    log = EventLog(paths.event_log)
    assert log.undo("e0").result() == 1
    log.close()
    assert undone_since(paths).rows() == [(ADA, "i3")]
    report = consistency(paths, ONLINE_VIEWS, as_of=NOW)
    assert report.agrees, report.disagreements
    assert report.keys == {"item_id": 39, "user_id": 60}
    # A run has read the log up to here, and found nothing in it for the tables.
    lake = Lake(paths.lake)
    nothing = pl.DataFrame({"event_id": ["e0"]})
    lake.write("reported_events", nothing, {}, **log_end(paths.event_log).summary())
    write_online(Workspace(small_settings(paths.home)), "online_features", list(ONLINE_VIEWS), {})
    assert read(app) == before and undone_since(paths).is_empty()


def test_what_was_pushed_to_a_log_that_took_the_place_of_another_counts(
    paths: StatePaths, app: FeatureStore
) -> None:
    before = read(app)
    recorded = LogPosition(7, "of the former log").summary()
    Lake(paths.lake).write("online_features", pl.DataFrame({"view": ["none"]}), {}, **recorded)
    push(app, event())
    assert read(app)["user_n_events"] == before["user_n_events"] + 1


def test_a_run_that_stopped_before_it_made_every_table_leaves_none_uncounted(
    paths: StatePaths, app: FeatureStore
) -> None:
    push(app, event())
    pushed, lake = read(app), Lake(paths.lake)
    older = {"input:interactions": "of the run before"}
    lake.write("user_statistics", lake.read("user_statistics"), older)
    lake.write("reported_events", pl.DataFrame(), {}, **log_end(paths.event_log).summary())
    write_online(Workspace(small_settings(paths.home)), "online_features", list(ONLINE_VIEWS), {})
    assert read(app) == pushed


def test_what_has_no_value_gets_the_one_that_the_next_run_gives_it(
    paths: StatePaths, app: FeatureStore
) -> None:
    lake = Lake(paths.lake)
    own = {**LogPosition().summary(), **scale_summary(ValueScale(0.25, 0.75))}
    lake.write("staged_interactions", pl.DataFrame({"event_id": ["none"]}), {}, **own)
    record_published(lake)
    push(app, event(0, user=NEWCOMER, event_type="like", value=None))
    assert read(app, NEWCOMER)["user_value_mean"] == 0.75
    push(app, event(1, user=NEWCOMER, event_type="click", value=None))
    assert read(app, NEWCOMER)["user_value_mean"] == 0.5


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
        (_, count, _) = client.post("/get-online-features", json=asked).json()["results"]
        assert count["values"] == [before["item_n_events"] + 1]
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
