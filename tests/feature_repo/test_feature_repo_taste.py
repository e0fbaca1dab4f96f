"""Tastes against a loop, and what their snapshots leave out."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.taste import TASTE_SCHEMA, build_user_taste

ORIGIN = datetime(2001, 6, 1, 22, tzinfo=UTC)
INSTANT = pl.Datetime("us", "UTC")
MICROSECOND = timedelta(microseconds=1)

Event = tuple[str, str, float, datetime]

events = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["w", "x", "y", "unseen"]),
        st.sampled_from([-1.0, 0.0, 0.5, 3.0, 5.0]),
        st.integers(0, 80).map(lambda hour: ORIGIN + timedelta(minutes=30 * hour)),
    ),
    max_size=40,
)


def frame(rows: list[Event]) -> pl.DataFrame:
    names = ["user_id", "item_id", "value", "event_timestamp"]
    types = [pl.String(), pl.String(), pl.Float32(), INSTANT]
    return pl.DataFrame(rows, pl.Schema(zip(names, types, strict=True)), orient="row")


def embeddings(rows: list[tuple[str, datetime, list[float]]]) -> pl.DataFrame:
    names = ["item_id", "event_timestamp", "embedding"]
    types = [pl.String(), INSTANT, pl.List(pl.Float32())]
    return pl.DataFrame(rows, pl.Schema(zip(names, types, strict=True)), orient="row")


KNOWN = embeddings(
    [
        ("w", ORIGIN, [1.0, 0.0, 0.0]),
        ("x", ORIGIN, [0.0, 1.0, 0.0]),
        ("y", ORIGIN + timedelta(hours=20), [0.0, 0.0, 1.0]),
        ("w", ORIGIN + timedelta(hours=20), [0.6, 0.8, 0.0]),
    ]
)


def weighted_mean(rows: list[Event], user: str, until: datetime) -> np.ndarray | None:
    total = np.zeros(3)
    for name, item, value, instant in rows:
        vectors = [
            vector
            for known, since, vector in KNOWN.sort("event_timestamp").rows()
            if known == item and since <= instant
        ]
        if name == user and instant <= until and value > 0 and vectors:
            total += value * np.array(vectors[-1])
    norm = np.linalg.norm(total)
    return total / norm if norm else None


@settings(deadline=None, max_examples=60)
@given(rows=events, chunk=st.integers(1, 5))
def test_a_snapshot_is_the_weighted_mean_of_what_came_before(rows: list[Event], chunk: int) -> None:
    table = build_user_taste(frame(rows), KNOWN, chunk_rows=chunk).read_all()
    tastes = pl.DataFrame(table)
    assert table.schema == TASTE_SCHEMA
    assert tastes.equals(tastes.sort("user_id", "event_timestamp"))
    for user, instant, embedding in tastes.iter_rows():
        expected = weighted_mean(rows, user, instant - MICROSECOND)
        assert expected is not None
        np.testing.assert_allclose(embedding, expected, atol=1e-5)

    counted = [row for row in rows if weighted_mean([row], row[0], row[3]) is not None]
    last_of_day = {
        (user, max(row[3] for row in counted if row[0] == user and row[3].date() == day))
        for user, day in {(row[0], row[3].date()) for row in counted}
    }
    taken = {(user, instant - MICROSECOND) for user, instant, _ in tastes.iter_rows()}
    assert last_of_day <= taken


def test_a_day_of_many_events_has_a_snapshot_at_each_power_of_two() -> None:
    rows: list[Event] = [
        ("a", "w", 1.0, datetime(2001, 6, 2, tzinfo=UTC) + timedelta(minutes=minute))
        for minute in range(20)
    ]
    tastes = pl.DataFrame(build_user_taste(frame(rows), KNOWN))
    minutes = (tastes["event_timestamp"] - MICROSECOND).dt.minute().to_list()
    assert [minute + 1 for minute in minutes] == [1, 2, 4, 8, 16, 20]


def test_a_modality_that_nobody_has_gives_no_row() -> None:
    rows: list[Event] = [("a", "w", 1.0, ORIGIN)]
    assert build_user_taste(frame(rows), KNOWN.clear()).read_all().num_rows == 0
    assert build_user_taste(frame([]), KNOWN).read_all().num_rows == 0
