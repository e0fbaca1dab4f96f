"""Ids that two files, or two programs, write in two ways."""

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from strange_tables import MAPPING, events, events_csv, items_csv, read, write

from sources.protocol import SourceError

PARQUET = """\
root: .
interactions: {path: events.parquet, user: user, item: item, time: at, value: stars}
items: {path: items.parquet, id: sku}
"""
ALL = {str(item) for item in range(101, 126)}


def with_floats() -> str:
    return events_csv(lambda e: f"{e[0]},{e[1]}.0,{e[2]},{e[3].isoformat()}")


def write_parquet(folder: Path, items: pl.Series, skus: pl.Series) -> Path:
    frame = pl.DataFrame(events(), schema=["user", "item", "stars", "at"], orient="row")
    frame.with_columns(item=items.gather(frame["item"] - 101)).write_parquet(
        folder / "events.parquet"
    )
    pl.DataFrame({"sku": skus}).write_parquet(folder / "items.parquet")
    return write(folder, PARQUET)


def test_a_whole_float_is_the_integer(tmp_path: Path) -> None:
    found, rejects = read(write(tmp_path, events=with_floats()))
    assert found.height == 600 and rejects.is_empty()
    assert set(found["item_id"]) == ALL


def test_items_may_be_the_floats(tmp_path: Path) -> None:
    items = items_csv(lambda item: f"{item}.00,Film {item}")
    found, rejects = read(write(tmp_path, items=items))
    assert found.height == 600 and rejects.is_empty()


@pytest.mark.parametrize("other", [pl.Int64, pl.Int16, pl.String, pl.Categorical])
def test_a_float_column_matches_any_other(tmp_path: Path, other: type[pl.DataType]) -> None:
    ids = pl.Series(range(101, 126))
    skus = ids.cast(pl.String).cast(other) if other is pl.Categorical else ids.cast(other)
    found, rejects = read(write_parquet(tmp_path, ids.cast(pl.Float64), skus))
    assert found.height == 600 and rejects.is_empty()
    assert set(found["item_id"]) == ALL


def test_users_that_are_floats_in_part_are_the_same_users(tmp_path: Path) -> None:
    text = events_csv(
        lambda e: f"{int(e[0][1:])}{'.0' if e[2] == 1 else ''},{e[1]},{e[2]},{e[3].isoformat()}"
    )
    found, _ = read(write(tmp_path, events=text))
    assert found["user_id"].n_unique() == 30


def test_versions_stay_what_they_are(tmp_path: Path) -> None:
    text = "user,item,stars,at\na,1.0,3,2021-03-01\nb,1.5,3,2021-03-01\nc,2.0,3,2021-03-01\n"
    found, rejects = read(write(tmp_path, events=text, items="sku,name\n1.0,A\n1.5,B\n2.0,C\n"))
    assert sorted(found["item_id"]) == ["1.0", "1.5", "2.0"] and rejects.is_empty()


def test_ids_as_large_as_64_bits_stay_apart(tmp_path: Path) -> None:
    first = 9_007_199_254_740_993
    text = f"user,item,stars,at\na,{first},3,2021-03-01\nb,{first + 1},3,2021-03-01\n"
    items = f"sku,name\n{first},A\n{first + 1},B\n"
    found, rejects = read(write(tmp_path, events=text, items=items))
    assert sorted(found["item_id"]) == [str(first), str(first + 1)] and rejects.is_empty()


def test_a_float_past_what_it_can_count_is_refused_by_name(tmp_path: Path) -> None:
    ids = pl.Series(range(101, 126)).cast(pl.Float64)
    large = ids.set(ids == 101, 9_007_199_254_740_994.0)
    _, rejects = read(write_parquet(tmp_path, large, pl.Series(range(101, 126))))
    assert set(rejects["reason"]) == {"bad_id"}
    assert rejects["detail"].str.contains("item is a float of 9,007,199,254,740,992 or more").all()


@pytest.mark.parametrize("lost", ["1.23457E+12", "9.007199254740994e+15", "9007199254740994.0"])
def test_a_number_that_lost_its_digits_is_refused_by_name(tmp_path: Path, lost: str) -> None:
    text = events_csv().replace(",101,", f",{lost},")
    _, rejects = read(write(tmp_path, events=text))
    assert set(rejects["reason"]) == {"bad_id"}
    assert rejects["detail"].str.contains("last digits are lost").all()


def test_words_for_nothing_are_no_ids(tmp_path: Path) -> None:
    text = "user,item,stars,at\nnan,101,3,2021-03-01\nNone,102,3,2021-03-01\nx,101,3,2021-03-01\n"
    found, rejects = read(write(tmp_path, events=text))
    assert found["user_id"].to_list() == ["x"]
    assert rejects["reason"].to_list() == ["bad_id", "bad_id"]
    assert "blanks" in rejects["detail"][0]


@pytest.mark.parametrize("odd", ["a\x07b", "a\u0000b", "a\u2028b", "a\x85b"])
def test_an_id_that_no_app_can_say_is_rejected(tmp_path: Path, odd: str) -> None:
    found, rejects = read(write(tmp_path, events=events_csv() + f"{odd},101,4,2021-03-01\n"))
    assert found.height == 600 and rejects.height == 1
    assert "control characters or line breaks" in rejects["detail"][0]
    assert odd not in rejects["detail"][0]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pl.Series([b"\x03" * 16] * 600), "Binary"),
        (pl.Series([timedelta(1)] * 600), "Duration"),
    ],
)
def test_a_type_that_is_no_id_is_named(tmp_path: Path, column: pl.Series, kind: str) -> None:
    frame = pl.DataFrame(events(), schema=["user", "item", "stars", "at"], orient="row")
    frame.with_columns(user=column).write_parquet(tmp_path / "events.parquet")
    with pytest.raises(SourceError, match=rf"line 2: 'user' .* holds {kind}.*write it as text"):
        read(write(tmp_path, MAPPING.replace("events.csv", "events.parquet")))


@pytest.mark.parametrize(
    ("items", "events_have", "difference"),
    [
        ("SKU{}", "sku{}", "in another case"),
        ("0{}", "{}", "with other zeros before it"),
        ("{}", "00{}", "with other zeros before it"),
    ],
)
def test_an_id_that_is_spelt_in_two_ways_is_rejected_with_the_difference(
    tmp_path: Path, items: str, events_have: str, difference: str
) -> None:
    text = events_csv(lambda e: f"{e[0]},{events_have.format(e[1])},{e[2]},{e[3].isoformat()}")
    catalogue = items_csv(lambda item: f"{items.format(item)},Film {item}")
    _, rejects = read(write(tmp_path, events=text, items=catalogue))
    assert set(rejects["reason"]) == {"unknown_item"}
    assert f"the items have it {difference}" in rejects["detail"][0]


@pytest.mark.parametrize(
    "written", ["1,23457E+12", "1e+16", "1E+12", "12E+11", "1.2345678E7", "1.23456789012e16"]
)
def test_what_programs_make_of_long_numbers_is_no_id(tmp_path: Path, written: str) -> None:
    text = events_csv().replace("user,item,stars,at", "user;item;stars;at").replace(",", ";")
    text += f"u;{written};4;2021-03-01\n"
    mapping = MAPPING.replace("user: user", "separator: ';', user: user")
    _, rejects = read(write(tmp_path, mapping, events=text))
    assert rejects["reason"].to_list() == ["bad_id"]
    assert "scientific notation" in rejects["detail"][0]


@pytest.mark.parametrize(
    ("dtype", "first"), [(pl.Float64, 2**53), (pl.Float32, 2**24), (pl.Float16, 2**11)]
)
def test_a_float_that_stands_for_two_numbers_is_no_id(
    tmp_path: Path, dtype: type[pl.DataType], first: int
) -> None:
    users = pl.Series([float(first - 1), float(first)]).cast(dtype)
    frame = pl.DataFrame({"user": users, "item": ["a", "b"], "stars": [1.0, 2.0]})
    frame.with_columns(at=pl.lit("2021-03-01")).write_parquet(tmp_path / "events.parquet")
    found, rejects = read(write(tmp_path, MAPPING.replace("events.csv", "events.parquet")))
    assert found["user_id"].to_list() == [str(first - 1)]
    assert rejects.select("row", "reason").rows() == [(2, "bad_id")]
