"""Statistics through Feast's own join, against a loop that anyone can read."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from feature_repo.event_statistics import (
    EngineLimits,
    build_item_statistics,
    build_user_statistics,
    statistics_schema,
)
from feature_repo.store import apply_definitions, historical

ORIGIN = datetime(1999, 12, 30, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
DAY = timedelta(days=1)

Event = tuple[str, str, float, datetime]

instants = st.one_of(
    st.integers(0, 3).map(lambda step: ORIGIN + timedelta(microseconds=step)),
    st.sampled_from([ORIGIN + 7 * DAY, ORIGIN + 30 * DAY, ORIGIN + 31 * DAY]),
    st.integers(0, 60 * 86_400 * 1_000_000).map(lambda us: ORIGIN + timedelta(microseconds=us)),
)
events = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["x", "y", "ü:1"]),
        st.floats(-1000, 1000, width=32),
        instants,
    ),
    min_size=1,
    max_size=40,
)


def frame(rows: list[Event]) -> pl.DataFrame:
    names = ["user_id", "item_id", "value", "event_timestamp"]
    types = [pl.String(), pl.String(), pl.Float32(), INSTANT]
    return pl.DataFrame(rows, pl.Schema(zip(names, types, strict=True)), orient="row")


def brute_force(rows: list[Event], key: int, asked: Event) -> dict[str, Any] | None:
    """What was known strictly before the asked event of its user (`key` 0) or item (1)."""
    past = [row for row in rows if row[key] == asked[key] and row[3] < asked[3]]
    if not past:
        return None
    last = max(row[3] for row in past)
    values = [row[2] for row in past]
    mean = math.fsum(values) / len(values)
    return {
        "n_events": len(past),
        "n_others": len({row[1 - key] for row in past}),
        "value_mean": mean,
        "value_std": math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values)),
        "n_events_7d": sum(row[3] >= last - 7 * DAY for row in past),
        "n_events_30d": sum(row[3] >= last - 30 * DAY for row in past),
        "first_event_at": (min(row[3] for row in past) - datetime.fromtimestamp(0, UTC))
        // timedelta(microseconds=1),
        "last_event_at": (last - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1),
    }


TIES: list[Event] = [
    ("a", "x", 1.0, ORIGIN),
    ("a", "x", 4.0, ORIGIN),
    ("b", "x", -2.0, ORIGIN),
    ("a", "y", 3.0, ORIGIN + timedelta(microseconds=1)),
    ("a", "ü:1", 5.0, ORIGIN + timedelta(microseconds=1)),
]
WINDOW_EDGES: list[Event] = [
    ("a", "x", float(index), ORIGIN + offset)
    for index, days in enumerate((0, 7, 30, 37))
    for offset in (days * DAY, days * DAY + timedelta(microseconds=1))
]


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> StatePaths:
    paths = StatePaths(tmp_path_factory.mktemp("home"))
    apply_definitions(paths)
    return paths


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=events, asked=st.lists(instants, max_size=3))
@example(rows=TIES, asked=[ORIGIN, ORIGIN + timedelta(microseconds=2)])
@example(rows=WINDOW_EDGES, asked=[ORIGIN + 60 * DAY])
def test_training_rows_know_only_what_was_strictly_before(
    applied: StatePaths, rows: list[Event], asked: list[datetime]
) -> None:
    lake = Lake(applied.lake)
    lake.write("user_statistics", pl.DataFrame(build_user_statistics(frame(rows))), {})
    lake.write("item_statistics", pl.DataFrame(build_item_statistics(frame(rows))), {})
    questions: list[Event] = [*rows, *(("a", "x", 0.0, instant) for instant in asked)]
    entities = frame(questions).drop("value")
    answer = historical(applied, entities, "ranking")

    assert answer.select(entities.columns).equals(entities)
    for row, known in zip(questions, answer.iter_rows(named=True), strict=True):
        for key, whose, other in ((0, "user", "item"), (1, "item", "user")):
            expected = brute_force(rows, key, row)
            if expected is None:
                assert known[f"{whose}_statistics__{whose}_n_events"] is None
                continue
            expected[f"n_{other}s"] = expected.pop("n_others")
            got = {name: known[f"{whose}_statistics__{whose}_{name}"] for name in expected}
            assert got == pytest.approx(expected, rel=1e-5, abs=2e-3)


@settings(deadline=None, max_examples=20)
@given(rows=events)
def test_equal_events_give_equal_bytes_in_any_order_and_threads(rows: list[Event]) -> None:
    one = build_user_statistics(frame(rows), EngineLimits(threads=1)).read_all()
    other = build_user_statistics(frame(rows[::-1]), EngineLimits(threads=4)).read_all()
    assert one.equals(other)


def test_statistics_read_parquet_files_and_keep_their_schema(tmp_path: Path) -> None:
    rows: list[Event] = [("a", "x", 1.0, ORIGIN), ("a", "y", 2.0, ORIGIN + DAY)]
    files = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    for file, row in zip(files, rows, strict=True):
        frame([row]).write_parquet(file)
    table = build_user_statistics(files, EngineLimits(memory="200MB", spill=tmp_path)).read_all()
    assert table.schema == statistics_schema("user_id", "item")
    assert table["event_timestamp"].to_pylist() == [
        row[3] + timedelta(microseconds=1) for row in rows
    ]
    assert table["user_value_std"].to_pylist() == [0.0, 0.5]


def test_no_event_gives_an_empty_table_of_the_same_schema() -> None:
    table = build_item_statistics(frame([])).read_all()
    assert isinstance(table, pa.Table)
    assert (table.num_rows, table.schema) == (0, statistics_schema("item_id", "user"))
