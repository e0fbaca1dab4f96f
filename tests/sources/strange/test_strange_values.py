"""Values and event types as programs write them."""

from pathlib import Path

import polars as pl
import pytest
from strange_tables import MAPPING, N_EVENTS, events, events_csv, read, repairs, write

from sources.protocol import SourceError
from sources.tables.check import check_mapping

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
        (
            "share",
            "event type share has no weight; mapped: purchase, view; `other_types: ignore` leaves "
            "out all others",
        ),
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


IGNORED = TYPED.replace("view: 1", "view: ignore")
KINDS = "user,item,stars,at,kind\n" + "".join(
    f"u{n},101,4,2021-03-01,{kind}\n"
    for n, kind in enumerate(["purchase", "view", "view", "share", "purchase"])
)


def test_a_type_may_be_left_out_without_being_rejected(tmp_path: Path) -> None:
    path = write(tmp_path, IGNORED, events=KINDS)
    found, rejects = read(path)
    assert found["event_type"].to_list() == ["purchase"] * 2
    assert rejects.select("row", "reason").rows() == [(4, "value_out_of_range")]
    assert repairs(path) == [("events.csv", "kind", "left out by the mapping: view", 2)]
    said = "\n".join(check_mapping(path).lines)
    assert "kind: left out by the mapping: view, 2 rows" in said


def test_a_type_that_is_nearly_one_left_out_is_named_with_it(tmp_path: Path) -> None:
    text = "user,item,stars,at,kind\nu,101,4,2021-03-01,View\n"
    _, rejects = read(write(tmp_path, IGNORED, events=text))
    assert rejects["detail"].item() == "event type View has no weight; nearest is view"


def test_all_other_types_may_be_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, IGNORED.replace("}}", "}, other_types: ignore}"), events=KINDS)
    found, rejects = read(path)
    assert found.height == 2 and rejects.is_empty()
    assert [(what, rows) for _, _, what, rows in repairs(path)] == [
        ("left out by the mapping: types without a weight", 1),
        ("left out by the mapping: view", 2),
    ]


def test_types_that_are_only_left_out_give_the_others_no_weight_to_need(tmp_path: Path) -> None:
    mapping = IGNORED.replace("value: stars, ", "").replace("purchase: 5, ", "")
    found, rejects = read(write(tmp_path, mapping, events=KINDS))
    assert sorted(found["event_type"]) == ["purchase", "purchase", "share"] and rejects.is_empty()
    assert set(found["value"]) == {1.0}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("view: ignore", "view: skip", r"types\.view: the weight of a type is a number, or ignore"),
        ("view: ignore", "view: .nan", r"types\.view: the weight"),
        ("types: {purchase: 5, view: ignore}", "other_types: ignore", "needs types"),
    ],
)
def test_what_is_no_weight_is_said_with_its_line(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    with pytest.raises(SourceError, match=rf"line 1: .*{says}"):
        read(write(tmp_path, IGNORED.replace(old, new), events=KINDS))


def test_what_is_empty_is_called_so(tmp_path: Path) -> None:
    rows = ["a,101,3,", "b,101,,2021-03-01", ",101,3,2021-03-01", "a,,3,2021-03-01"]
    text = "\n".join(["user,item,stars,at", *rows, f"{'u' * 300},101,3,2021-03-01"])
    _, rejects = read(write(tmp_path, MAPPING, events=text))
    details = rejects["detail"].to_list()
    assert details[0].startswith("empty; time_format: iso")
    assert details[1:] == [
        "empty",
        "the user id is empty",
        "the item id is empty",
        "the user id is longer than 256 bytes",
    ]


def test_an_event_without_a_type_counts_as_any_where_no_weight_goes_by_it(tmp_path: Path) -> None:
    mapping = (
        "interactions: {path: events.csv, user: user, item: item, time: at, value: stars, "
        "type: kind}\n"
    )
    frame = pl.DataFrame(events(), schema=["user", "item", "stars", "at"], orient="row")
    kinds = ["view" if place % 2 else None for place in range(frame.height)]
    text = frame.with_columns(kind=pl.Series(kinds)).write_csv(datetime_format="%FT%T")
    found, rejects = read(write(tmp_path, mapping, events=text))
    assert rejects.is_empty()
    assert set(found["event_type"]) == {"rating", "view"}
