"""The store that is filled column by column has the bytes of one that Feast fills itself."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.infra.online_stores.sqlite import SqliteOnlineStore
from feast.types import (
    Array,
    Bool,
    Bytes,
    Float32,
    Float64,
    Int32,
    Int64,
    String,
    UnixTimestamp,
)
from feast.utils import _convert_arrow_to_proto
from feature_lake import NOW, START  # type: ignore[import-not-found]
from hypothesis import given, settings
from hypothesis import strategies as st

from crossmodal.paths import StatePaths
from feature_repo.catalogue import ONLINE_VIEWS
from feature_repo.columnar_engine import write_rows
from feature_repo.store import close_store, expected_warnings, repo_config

_INSTANT = pa.timestamp("us", tz="UTC")
_FLOAT = st.floats(width=32)
_TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
_WHEN = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
# Beyond, Feast fails where a column of integers has nulls.
_LONG = st.integers(-(2**53), 2**53)
_KINDS: dict[str, tuple[Any, pa.DataType, st.SearchStrategy[Any]]] = {
    "text": (String, pa.string(), _TEXT),
    "long": (Int64, pa.int64(), _LONG),
    "short": (Int32, pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "float": (Float32, pa.float32(), _FLOAT),
    "double": (Float64, pa.float64(), st.floats()),
    "flag": (Bool, pa.bool_(), st.booleans()),
    "raw": (Bytes, pa.binary(), st.binary(min_size=1, max_size=4)),
    "when": (UnixTimestamp, _INSTANT, _WHEN),
    "vector": (Array(Float32), pa.list_(pa.float32()), st.lists(_FLOAT, max_size=4)),
    "doubles": (Array(Float32), pa.list_(pa.float64()), st.lists(_FLOAT, max_size=4)),
    "texts": (Array(String), pa.list_(pa.string()), st.lists(_TEXT, max_size=3)),
    "longs": (Array(Int64), pa.list_(pa.int64()), st.lists(_LONG, max_size=3)),
}


def _view(names: list[str], keys: dict[str, Any]) -> FeatureView:
    return FeatureView(
        name="things",
        entities=[
            Entity(name=f"of_{name}", join_keys=[name], value_type=dtype.to_value_type())
            for name, dtype in keys.items()
        ],
        source=FileSource(
            name="things",
            path="things.parquet",
            timestamp_field="at",
            created_timestamp_column="made",
        ),
        schema=[
            *(Field(name=name, dtype=dtype) for name, dtype in keys.items()),
            *(Field(name=name, dtype=_KINDS[name][0]) for name in names),
        ],
    )


@st.composite
def _tables(draw: st.DrawFn) -> pa.Table:
    keys = draw(st.lists(_TEXT, min_size=1, max_size=8, unique=True))
    size = {"min_size": len(keys), "max_size": len(keys)}
    names = draw(st.lists(st.sampled_from(sorted(_KINDS)), min_size=1, max_size=4, unique=True))
    columns = {"key": pa.array(keys, pa.string())}
    for name in ("at", "made"):
        columns[name] = pa.array(draw(st.lists(_WHEN, **size)), _INSTANT)
    for name in names:
        _, kind, values = _KINDS[name]
        values = st.one_of(st.none(), values) if draw(st.booleans()) else values
        columns[name] = pa.array(draw(st.lists(values, **size)), kind)
    return pa.table(columns)


class _Stores:
    """Two stores of one view: Feast writes to the first, this project to the second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def contents(
        self, tables: list[pa.Table], keys: dict[str, Any] | None = None
    ) -> list[list[tuple[Any, ...]]]:
        """What each store holds when the tables were written to it one after the other."""
        keys = keys or {"key": String}
        view = _view(tables[0].column_names[len(keys) + 2 :], keys)
        kinds = {name: dtype.to_value_type() for name, dtype in keys.items()}
        found = []
        for name in ("feast", "ours"):
            file = self._folder / f"{name}.db"
            file.unlink(missing_ok=True)
            config, store = _config(self._folder, file), SqliteOnlineStore()
            store.update(config, [], [view], [], [], partial=False)
            for table in tables:
                if name == "ours":
                    write_rows(config, store, view, table)
                else:
                    batch = table.combine_chunks().to_batches()[0]
                    rows = _convert_arrow_to_proto(batch, view, kinds)
                    store.online_write_batch(config, view, rows, None)
            with closing(store._get_conn(config)) as connection:
                found.append(_rows(connection, "test_things"))
        return found


def _config(folder: Path, file: Path) -> RepoConfig:
    return RepoConfig(
        project="test",
        provider="local",
        registry=str(folder / "registry.db"),
        online_store={"type": "sqlite", "path": str(file)},
        entity_key_serialization_version=3,
    )


def _rows(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    casts = "entity_key, feature_name, value, value_text, vector_value"
    # Cast: Feast's converter reads the instants of years before 1970 in local time.
    instants = "CAST(event_ts AS INTEGER), CAST(created_ts AS INTEGER)"
    query = f'SELECT {casts}, {instants} FROM "{table}" ORDER BY 1, 2'
    return connection.execute(query).fetchall()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> _Stores:
    return _Stores(tmp_path_factory.mktemp("stores"))


@settings(max_examples=60, deadline=None)
@given(table=_tables())
def test_every_type_is_written_as_feast_writes_it(stores: _Stores, table: pa.Table) -> None:
    feast, ours = stores.contents([table])
    assert ours == feast
    assert len(ours) == table.num_rows * (table.num_columns - 3)


@settings(max_examples=20, deadline=None)
@given(table=_tables(), later=st.data())
def test_what_is_written_last_is_kept_as_feast_keeps_it(
    stores: _Stores, table: pa.Table, later: st.DataObject
) -> None:
    shuffled = later.draw(st.permutations(range(table.num_rows)))
    again = table.take(shuffled[: later.draw(st.integers(1, table.num_rows))])
    values = again.select(table.column_names[3:]).take(list(reversed(range(again.num_rows))))
    for place, name in enumerate(values.column_names):
        again = again.set_column(place + 3, name, values.column(name))
    feast, ours = stores.contents([table, again])
    assert ours == feast


def test_keys_of_several_columns_are_written_as_feast_writes_them(stores: _Stores) -> None:
    table = pa.table(
        {
            "shelf": pa.array([7, -(2**40), 7]),
            "key": ["a", "", "é"],
            "at": pa.array([NOW] * 3, _INSTANT),
            "made": pa.array([NOW] * 3, _INSTANT),
            "long": pa.array([1, None, 3]),
        }
    )
    feast, ours = stores.contents([table], {"shelf": Int64, "key": String})
    assert ours == feast
    assert len(ours) == 3


@pytest.mark.slow
def test_feasts_own_engine_fills_the_same_store(filled: StatePaths, tmp_path: Path) -> None:
    found = []
    for whose in ("feast", "ours"):
        file = tmp_path / f"{whose}.db"
        config = repo_config(filled, registry=tmp_path / f"{whose}.registry", online_store=file)
        shutil.copyfile(filled.registry, config.registry.path)
        if whose == "feast":
            config.offline_config, config.batch_engine_config = "duckdb", "local"
        store = FeatureStore(config=config)
        views = [store.get_feature_view(name) for name in ONLINE_VIEWS]
        store.provider.online_store.update(config, [], views, [], [], partial=False)
        # The last call goes back: Feast lets an older row replace a newer one.
        for end in (START + timedelta(days=9), NOW, START + timedelta(days=20)):
            with expected_warnings():
                store.materialize(START - timedelta(days=1), end)
        close_store(store)
        with closing(sqlite3.connect(file)) as connection:
            found.append([_rows(connection, f"crossmodal_{name}") for name in ONLINE_VIEWS])
    feast, ours = found
    assert ours == feast
    assert sum(map(bool, ours)) == len(ONLINE_VIEWS) - 2  # Nobody has sound.
