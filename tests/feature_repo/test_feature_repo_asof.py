"""The ASOF offline store against Feast's own, row by row."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.errors import SavedDatasetLocationAlreadyExists
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.types import Float64, Int64, String
from feast.value_type import ValueType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ibis.common.exceptions import IbisTypeError

ASOF = "feature_repo.asof_offline_store.AsofDuckDBOfflineStore"
START = datetime(2024, 3, 30, tzinfo=UTC)
KEYS = st.sampled_from(["a", "b", "c", None])
HOURS = st.integers(0, 200)
Row = tuple[str | None, str | None, int, int]
TTLS = {"never": timedelta(0), "two days": timedelta(days=2), "long": timedelta(days=36_500)}


@dataclass(frozen=True)
class Stores:
    """One registry, read by Feast's own store and by ours."""

    folder: Path
    feast: FeatureStore
    asof: FeatureStore

    def answers(self, entities: pd.DataFrame | str, service: str) -> list[pd.DataFrame]:
        frames = []
        for store in (self.feast, self.asof):
            asked = store.get_feature_service(service)
            job = store.get_historical_features(
                entities.copy() if isinstance(entities, pd.DataFrame) else entities,
                asked,
                full_feature_names=True,
            )
            frames.append(job.to_df())
        return frames


def write_rows(path: Path, rows: list[Row], *, created: bool) -> None:
    columns = {
        "user_id": pa.array([row[0] for row in rows], pa.string()),
        "item_id": pa.array([row[1] for row in rows], pa.string()),
        "at": pa.array([at(row[2]) for row in rows], pa.timestamp("us", "UTC")),
        "score": pa.array([float(place) for place in range(len(rows))], pa.float64()),
        "n": pa.array([row[3] for row in rows], pa.int64()),
    }
    if created:
        columns["made"] = pa.array([at(place) for place in range(len(rows))], columns["at"].type)
    pq.write_table(pa.table(columns), path)


def at(hours: int) -> datetime:
    return START + timedelta(hours=hours)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    folder = tmp_path_factory.mktemp("asof")

    def store(kind: str) -> FeatureStore:
        return FeatureStore(
            config=RepoConfig(
                project="asof",
                provider="local",
                registry={"registry_type": "file", "path": str(folder / "registry.db")},
                offline_store={"type": kind},
                online_store={"type": "sqlite", "path": str(folder / "online.db")},
                entity_key_serialization_version=3,
            )
        )

    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    item = Entity(name="item", join_keys=["item_id"], value_type=ValueType.STRING)
    for name in ("users", "pairs"):
        write_rows(folder / f"{name}.parquet", [("a", "a", 0, 0)], created=name == "users")
    users = FileSource(
        path=str(folder / "users.parquet"),
        timestamp_field="at",
        created_timestamp_column="made",
        field_mapping={"score": "mark"},
    )
    pairs = FileSource(path=str(folder / "pairs.parquet"), timestamp_field="at")
    views = [
        FeatureView(
            name=f"users {name}".replace(" ", "_"),
            entities=[user],
            ttl=ttl,
            source=users,
            schema=[
                Field(name="user_id", dtype=String),
                Field(name="mark", dtype=Float64),
                Field(name="n", dtype=Int64),
            ],
        )
        for name, ttl in TTLS.items()
    ]
    of_pairs = FeatureView(
        name="pairs",
        entities=[user, item],
        ttl=timedelta(days=2),
        source=pairs,
        schema=[
            Field(name="user_id", dtype=String),
            Field(name="item_id", dtype=String),
            Field(name="score", dtype=Float64),
        ],
    )
    friend = views[1].with_name("friends").with_join_key_map({"user_id": "friend_id"})
    everything = FeatureService(name="everything", features=[*views, of_pairs])
    friends = FeatureService(name="friends", features=[friend])
    feast = store("duckdb")
    feast.apply([user, item, *views, of_pairs, everything, friends])
    yield Stores(folder, feast, store(ASOF))


ROWS = st.lists(st.tuples(KEYS, KEYS, HOURS, st.integers(-5, 5)), min_size=1, max_size=30)
ENTITIES = st.lists(st.tuples(KEYS, KEYS, KEYS, HOURS), min_size=1, max_size=20)


@given(users=ROWS, pairs=ROWS, asked=ENTITIES)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_answer_is_that_of_feast(
    stores: Stores,
    users: list[Row],
    pairs: list[Row],
    asked: list[tuple[str | None, str | None, str | None, int]],
) -> None:
    once = {row[:3]: row for row in pairs}
    write_rows(stores.folder / "users.parquet", users, created=True)
    write_rows(stores.folder / "pairs.parquet", list(once.values()), created=False)
    entities = pd.DataFrame(asked, columns=["user_id", "item_id", "friend_id", "hours"])
    entities["event_timestamp"] = [at(hours) for hours in entities.pop("hours")]
    entities["row"] = range(len(entities))
    for service in ("everything", "friends"):
        feast, asof = stores.answers(entities, service)
        assert list(asof["row"]) == list(range(len(entities)))
        expected = feast.sort_values("row").reset_index(drop=True)
        pd.testing.assert_frame_equal(asof[expected.columns], expected)


def test_entity_rows_may_be_a_query_and_the_answer_a_file(stores: Stores, tmp_path: Path) -> None:
    write_rows(
        stores.folder / "users.parquet", [("a", None, 0, 1), ("a", None, 9, 2)], created=True
    )
    entities = pd.DataFrame({"user_id": ["a", "b", "a"], "event_timestamp": map(at, (9, 9, 8))})
    entities.to_parquet(tmp_path / "entities.parquet")
    job = stores.asof.get_historical_features(
        f"SELECT * FROM '{tmp_path}/entities.parquet'", ["users_never:n", "users_never:mark"]
    )
    answer = tmp_path / "answer.parquet"
    job.persist(SavedDatasetFileStorage(str(answer)))
    assert pq.read_table(answer).to_pylist() == [
        {"user_id": "a", "event_timestamp": at(9), "n": 2, "mark": 1.0},
        {"user_id": "b", "event_timestamp": at(9), "n": None, "mark": None},
        {"user_id": "a", "event_timestamp": at(8), "n": 1, "mark": 0.0},
    ]
    assert (job.metadata.min_event_timestamp, job.metadata.keys) == (at(8), ["user_id"])
    with pytest.raises(SavedDatasetLocationAlreadyExists):
        job.persist(SavedDatasetFileStorage(str(answer)))
    job.persist(SavedDatasetFileStorage(str(answer)), allow_overwrite=True)


def test_what_was_written_later_can_be_left_out(stores: Stores) -> None:
    write_rows(
        stores.folder / "users.parquet", [("a", None, 5, row) for row in range(9)], created=True
    )
    entities = pd.DataFrame({"user_id": ["a"], "event_timestamp": [at(6)]})
    answers = [
        stores.asof.get_historical_features(
            entities.copy(), ["users_never:n"], filter_by_created_timestamp=later_unknown
        )
        .to_df()["n"]
        .tolist()
        for later_unknown in (False, True)
    ]
    assert answers == [[8], [6]]


def test_no_entity_rows_give_no_rows(stores: Stores) -> None:
    entities = pd.DataFrame(
        {
            "user_id": pd.Series(dtype=object),
            "event_timestamp": pd.Series(dtype="datetime64[us, UTC]"),
        }
    )
    answer = stores.asof.get_historical_features(entities, ["users_never:n"]).to_df()
    assert answer.empty and "n" in answer.columns


@pytest.mark.parametrize("kind", ["feast", "asof"])
def test_a_key_of_another_type_is_an_error(stores: Stores, kind: str) -> None:
    entities = pd.DataFrame({"user_id": [1], "event_timestamp": [at(6)]})
    store: FeatureStore = getattr(stores, kind)
    with pytest.raises((TypeError, IbisTypeError)):
        store.get_historical_features(entities, ["users_never:n"]).to_df()


def test_the_limits_are_those_of_the_configuration(tmp_path: Path) -> None:
    config = RepoConfig(
        project="limits",
        provider="local",
        registry={"registry_type": "file", "path": str(tmp_path / "registry.db")},
        offline_store={"type": ASOF, "memory_limit": "300MB", "temp_directory": "spilled"},
        repo_path=tmp_path,
    )
    rows = [(str(place % 7), None, place % 200, 0) for place in range(2_000)]
    write_rows(tmp_path / "users.parquet", rows, created=True)
    store = FeatureStore(config=config)
    user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
    source = FileSource(path=str(tmp_path / "users.parquet"), timestamp_field="at")
    store.apply(
        [
            user,
            FeatureView(
                name="users", entities=[user], source=source, schema=[Field(name="n", dtype=Int64)]
            ),
        ]
    )
    entities = pd.DataFrame({"user_id": ["1"], "event_timestamp": [at(6)]})
    store.get_historical_features(entities, ["users:n"]).to_df()
    said = "SELECT current_setting('memory_limit'), current_setting('temp_directory')"
    limits = ibis.get_backend().con.execute(said).fetchall()
    assert limits == [("286.1 MiB", str(tmp_path / "spilled"))]
