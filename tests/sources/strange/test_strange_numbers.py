"""Numbers with decimal commas and separators of thousands: read under a key, never guessed."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strange_tables import MAPPING, catalogue, events, opened, read, repairs, write

from sources.protocol import SourceError
from sources.tables.check import check_mapping

VALUED = MAPPING.replace("time: at", 'time: at, separator: ";"')
PRICED = f'{MAPPING}items: {{path: items.csv, id: sku, separator: ";", attributes: [price]}}\n'


def keyed(mapping: str, decimal: str) -> str:
    return mapping.replace('separator: ";"', f'separator: ";", decimal: "{decimal}"')


def valued(values: Sequence[str]) -> str:
    rows = [f"u{n};101;{value};2021-03-01" for n, value in enumerate(values)]
    return "\n".join(["user;item;stars;at", *rows, ""])


def of_rows(folder: Path, mapping: str, values: Sequence[str]) -> dict[int, float]:
    """The value of each row, by its number; rejected rows have none."""
    frame, _ = read(write(folder, mapping, events=valued(values)))
    return {
        int(user[1:]) + 1: value for user, value in frame.select("user_id", "value").iter_rows()
    }


@pytest.mark.parametrize(
    ("decimal", "written", "number"),
    [
        (",", "3,5", 3.5),
        (",", "1.250", 1250.0),
        (",", "1.250,75", 1250.75),
        (",", "1 250,75", 1250.75),
        (",", "1\u00a0250,75", 1250.75),
        (",", "1'250,75", 1250.75),
        (",", "-0,5", -0.5),
        (",", "12", 12.0),
        (",", "1,5e3", 1500.0),
        (",", "true", 1.0),
        (".", "1,250.75", 1250.75),
        (".", "1,250", 1250.0),
        (".", "1.250", 1.25),
        (".", "12,50,000", 1_250_000.0),
    ],
)
def test_a_number_is_read_as_the_mapping_says(
    tmp_path: Path, decimal: str, written: str, number: float
) -> None:
    assert of_rows(tmp_path, keyed(VALUED, decimal), [written]) == {1: number}


@pytest.mark.parametrize(
    ("decimal", "written"),
    [
        (",", "2.5"),
        (",", "1,2,3"),
        (",", "1.25,5"),
        (".", "3,5"),
        (".", "1.250.000"),
        (".", "1,25"),
    ],
)
def test_a_number_of_the_other_way_is_rejected_and_names_the_key(
    tmp_path: Path, decimal: str, written: str
) -> None:
    found, rejects = read(write(tmp_path, keyed(VALUED, decimal), events=valued([written])))
    assert found.is_empty()
    assert rejects["detail"].to_list() == [f'{written}; no number with decimal: "{decimal}"']


@pytest.mark.parametrize("other", ["3,5", "1.250,75", "1.250.000", "1,250"])
def test_without_the_key_thousands_are_not_taken_for_fractions(tmp_path: Path, other: str) -> None:
    values = ["1.250", other, "4", "2.5"]
    assert of_rows(tmp_path, VALUED, values) == {3: 4.0, 4: 2.5}
    _, rejects = read(tmp_path / "mapping.yaml")
    assert rejects["row"].to_list() == [1, 2]
    assert all('decimal: ","' in detail for detail in rejects["detail"])


def test_one_file_of_many_tells_of_all(tmp_path: Path) -> None:
    mapping = VALUED.replace("events.csv", "part-*.csv")
    write(tmp_path, mapping, part__csv="", **{"part-1__csv": valued(["1.250"])})
    path = write(tmp_path, mapping, **{"part-2__csv": valued(["3,5"])})
    assert read(path)[0].is_empty()


def test_three_digits_after_a_point_are_a_fraction_where_no_row_says_otherwise(
    tmp_path: Path,
) -> None:
    assert of_rows(tmp_path, VALUED, ["1.250", "0.125", "4"]) == {1: 1.25, 2: 0.125, 3: 4.0}


def test_numbers_that_are_typed_have_no_sign_to_read(tmp_path: Path) -> None:
    frame = pl.DataFrame(events(), schema=["user", "item", "stars", "at"], orient="row")
    frame.with_columns(stars=pl.col("stars") / 8).write_parquet(tmp_path / "events.parquet")
    mapping = MAPPING.replace("events.csv", "events.parquet")
    mapping = mapping.replace("time: at", 'time: at, decimal: ","')
    found, rejects = read(write(tmp_path, mapping))
    assert rejects.is_empty() and found["value"].max() == 5 / 8


def test_a_number_of_an_item_is_counted_where_it_may_be_two(tmp_path: Path) -> None:
    items = "sku;price\n101;1.250\n102;3,5\n103;4\n104;cheap\n"
    path = write(tmp_path, PRICED, items=items)
    assert [len(numbers) for numbers in catalogue(path)["attributes"]] == [0, 0, 1, 0]
    assert repairs(path) == [
        (
            "items.csv",
            "price",
            "a number that may have a decimal comma: see decimal in the mapping",
            2,
        ),
        ("items.csv", "price", "no number", 1),
    ]
    keyed_path = write(tmp_path, keyed(PRICED, "comma"), items=items)
    prices = catalogue(keyed_path)["attributes"].explode().drop_nulls().struct.field("value")
    assert prices.to_list() == [1250.0, 3.5, 4.0]


def test_check_says_between_what_numbers_lie(tmp_path: Path) -> None:
    path = write(tmp_path, keyed(PRICED, ","), items="sku;price\n101;1.250\n102;3,5\n")
    assert "numbers: price (3.5 to 1250)" in "\n".join(check_mapping(path).lines)


def test_a_sign_that_is_none_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 2: interactions\.decimal"):
        opened(write(tmp_path, keyed(VALUED, ";")))


@given(
    st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 2)), st.sampled_from([",", "."])
)
def test_what_python_groups_comes_back(
    tmp_path_factory: pytest.TempPathFactory, number: float, decimal: str
) -> None:
    written = f"{number:,.2f}"
    if decimal == ",":
        written = written.translate(str.maketrans(",.", ".,"))
    folder = tmp_path_factory.mktemp("numbers")
    mapping = keyed(PRICED, decimal)
    found = catalogue(write(folder, mapping, items=f"sku;price\n101;{written}\n"))
    assert found["attributes"][0][0]["value"] == number
