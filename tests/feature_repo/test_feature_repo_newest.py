"""The newest row of each key is the one that Feast's DuckDB store finds."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ibis
import polars as pl
import pytest
from feast import FileSource, RepoConfig
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.asof_offline_store import AsofDuckDBOfflineStore
from feature_repo.store import expected_warnings

_START = datetime(2024, 3, 1, tzinfo=UTC)
_INSTANTS = [_START + timedelta(hours=12 * step) for step in range(6)]
_VALUES = st.one_of(st.none(), st.floats(allow_nan=False, width=32))
_ROW = st.tuples(
    st.sampled_from(["a", "b", 'c"']), st.sampled_from(_INSTANTS), _VALUES, st.booleans()
)
_SPAN = st.tuples(st.sampled_from(_INSTANTS), st.sampled_from(_INSTANTS))


def _newest(
    store: type[DuckDBOfflineStore], folder: Path, span: tuple[datetime, datetime], created: str
) -> pl.DataFrame:
    name = "duckdb"
    if store is AsofDuckDBOfflineStore:
        name = "feature_repo.asof_offline_store.AsofDuckDBOfflineStore"
    config = RepoConfig(
        project="test",
        provider="local",
        registry=str(folder / "registry.db"),
        offline_store={"type": name},
        entity_key_serialization_version=3,
    )
    with expected_warnings():
        job = store.pull_latest_from_table_or_query(
            config=config,
            data_source=FileSource(
                path=str(folder / "rows.parquet"),
                timestamp_field="at",
                created_timestamp_column=created,
            ),
            join_key_columns=["key"],
            feature_name_columns=["value", "flag"],
            timestamp_field="at",
            created_timestamp_column=created or None,
            start_date=span[0],
            end_date=span[1],
        )
        return pl.DataFrame(job.to_arrow()).sort("key")


def _write(folder: Path, rows: list[tuple[str, datetime, float | None, bool]], zone: bool) -> None:
    columns = ["key", "at", "value", "flag"]
    kinds = [pl.String, pl.Datetime("us", "UTC"), pl.Float32, pl.Boolean]
    table = pl.DataFrame(rows, dict(zip(columns, kinds, strict=True)), orient="row")
    made = pl.int_range(pl.len()).mod(7).add(pl.int_range(pl.len()).mul(10))
    table = table.with_columns(made=pl.from_epoch(made))
    if not zone:
        table = table.with_columns(pl.col("at").dt.replace_time_zone(None))
    table.write_parquet(folder / "rows.parquet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newest")


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(_ROW, max_size=12), span=_SPAN, zone=st.booleans())
def test_of_rows_of_one_instant_the_one_created_last_is_found(
    folder: Path,
    rows: list[tuple[str, datetime, float | None, bool]],
    span: tuple[datetime, datetime],
    zone: bool,
) -> None:
    _write(folder, rows, zone)
    found = [
        _newest(store, folder, span, "made")
        for store in (DuckDBOfflineStore, AsofDuckDBOfflineStore)
    ]
    assert found[1].equals(found[0])


def test_without_a_creation_one_of_the_newest_rows_is_found(folder: Path) -> None:
    rows = [("a", _INSTANTS[0], 1.0, True), ("a", _INSTANTS[1], 2.0, True)]
    _write(folder, [*rows, ("a", _INSTANTS[1], 3.0, False)], zone=True)
    found = _newest(AsofDuckDBOfflineStore, folder, (_INSTANTS[0], _INSTANTS[5]), "")
    assert found.select("value", "flag").rows() in ([(2.0, True)], [(3.0, False)])


@pytest.fixture
def far_zone() -> Iterator[None]:
    engine = ibis.get_backend().con
    ((before,),) = engine.execute("SELECT current_setting('TimeZone')").fetchall()
    engine.execute("SET TimeZone = 'Pacific/Auckland'")
    yield
    engine.execute("SET TimeZone = ?", [before])


@pytest.mark.usefixtures("far_zone")
def test_the_span_is_the_same_in_every_zone(folder: Path) -> None:
    _write(folder, [("a", instant, float(n), True) for n, instant in enumerate(_INSTANTS)], True)
    found = _newest(AsofDuckDBOfflineStore, folder, (_INSTANTS[1], _INSTANTS[3]), "")
    assert found["value"].to_list() == [3.0]
