"""Values and event types as programs write them."""

from pathlib import Path

import polars as pl
import pytest
from strange_tables import MAPPING, N_EVENTS, events, events_csv, read, write

TYPED = (
    "interactions: {path: events.csv, user: user, item: item, time: at, value: stars, "
    "type: kind, types: {purchase: 5, view: 1}}\n"
)


def test_a_truth_in_parquet_is_one_or_zero(tmp_path: Path) -> None:
    frame = pl.DataFrame(events(), schema=["user", "item", "stars", "at"], orient="row")
    frame.with_columns(stars=pl.col("stars") > 2).write_parquet(tmp_path / "events.parquet")
    path = write(tmp_path, MAPPING.replace("events.csv", "events.parquet"))
    found, rejects = read(path)
    assert rejects.is_empty() and found.height == N_EVENTS
    assert found["value"].value_counts().sort("value").rows() == [(0.0, 240), (1.0, 360)]


@pytest.mark.parametrize(("yes", "no"), [("true", "false"), ("True", "False"), ("TRUE", "FALSE")])
def test_a_truth_in_words_is_one_or_zero(tmp_path: Path, yes: str, no: str) -> None:
    text = events_csv(lambda e: f"{e[0]},{e[1]},{yes if e[2] > 2 else no},{e[3].isoformat()}")
    found, rejects = read(write(tmp_path, MAPPING, events=text))
    assert rejects.is_empty()
    assert found["value"].value_counts().sort("value").rows() == [(0.0, 240), (1.0, 360)]


@pytest.mark.parametrize(
    "dtype", [pl.Int8, pl.UInt64, pl.Float32, pl.Decimal(10, 2), pl.String, pl.Categorical]
)
def test_a_value_of_any_type_is_its_number(tmp_path: Path, dtype: pl.DataType) -> None:
    frame = pl.DataFrame(events(), schema=["user", "item", "stars", "at"], orient="row")
    stars = frame["stars"]
    typed = stars.cast(pl.String).cast(dtype) if dtype == pl.Categorical else stars.cast(dtype)
    frame.with_columns(stars=typed).write_parquet(tmp_path / "events.parquet")
    found, rejects = read(write(tmp_path, MAPPING.replace("events.csv", "events.parquet")))
    assert rejects.is_empty() and found["value"].sum() == float(stars.sum())


@pytest.mark.parametrize("value", ["four", "4,5", "1e400", "nan", "-inf", "0x4"])
def test_a_value_that_is_no_number_is_said(tmp_path: Path, value: str) -> None:
    text = events_csv(lambda e: f'{e[0]},{e[1]},"{value}",{e[3].isoformat()}')
    found, rejects = read(write(tmp_path, MAPPING, events=text))
    assert found.is_empty() and set(rejects["reason"]) == {"value_out_of_range"}


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("Purchase", "event type Purchase has no weight; nearest is purchase"),
        ("purchse", "event type purchse has no weight; nearest is purchase"),
        ("VIEW", "event type VIEW has no weight; nearest is view"),
        ("share", "event type share has no weight; mapped: purchase, view"),
        ("", "the event has no type"),
    ],
)
def test_a_type_without_a_weight_is_named_with_the_nearest(
    tmp_path: Path, kind: str, says: str
) -> None:
    text = f"user,item,stars,at,kind\nu,101,4,2021-03-01,{kind}\nu,102,4,2021-03-01,view\n"
    found, rejects = read(write(tmp_path, TYPED, events=text))
    assert found.height == 1
    assert rejects.select("reason", "detail").rows() == [("value_out_of_range", says)]
