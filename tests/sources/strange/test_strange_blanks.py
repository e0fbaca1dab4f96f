"""Words for nothing, and optional fields that cannot be read: the item stays, and its events."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from strange_tables import MAPPING, catalogue, items_csv, read, repairs, write

MAPPED = (
    MAPPING + "items: {path: items.csv, id: sku, title: name, text: about, released_at: year, "
    "time_format: FORMAT, attributes: [price], categories: {column: genres}}\n"
)
HEADER = "sku,name,about,year,price,genres"


def shop(folder: Path, row: str, time_format: str = "iso", blanks: str = "") -> Path:
    """Every third item has `row` behind its id; the others are whole."""
    rows = [
        f"{n},Film,Good,1995-01-01,3.5,Drama" if n % 3 else f"{n},{row}" for n in range(101, 126)
    ]
    mapping = MAPPED.replace("FORMAT", f"'{time_format}'") + blanks
    return write(folder, mapping, items="\n".join([HEADER, *rows, ""]))


@pytest.mark.parametrize("word", ["None", "NULL", "NaN", "NaT", "\\N", "N/A", "null", "<NA>"])
def test_a_word_for_nothing_is_nothing_and_costs_nothing(tmp_path: Path, word: str) -> None:
    path = shop(tmp_path, ",".join([word] * 5))
    found, rejects = read(path)
    assert found.height == 600 and rejects.is_empty()
    item = catalogue(path).row(1, named=True)
    assert (item["title"], item["text"], item["categories"], item["attributes"]) == ("", "", [], [])
    assert item["released_at"] is None
    assert repairs(path) == [
        ("items.csv", column, "a word for nothing", 8)
        for column in ("about", "genres", "name", "price", "year")
    ]


@pytest.mark.parametrize("date", ["0000-00-00", "0", "0000-00-00 00:00:00", "0.0", "00/00/0000"])
def test_a_date_of_zeros_is_nothing(tmp_path: Path, date: str) -> None:
    path = shop(tmp_path, f"Film,Good,{date},3.5,Drama")
    found, rejects = read(path)
    assert found.height == 600 and rejects.is_empty()
    assert catalogue(path)["released_at"].null_count() == 8
    assert repairs(path) == [("items.csv", "year", "a word for nothing", 8)]


@pytest.mark.parametrize("time_format", ["iso", "year"])
@pytest.mark.parametrize("year", ["1995", "1995.0"])
def test_a_year_may_be_a_float(tmp_path: Path, year: str, time_format: str) -> None:
    path = write(
        tmp_path,
        MAPPED.replace("FORMAT", time_format),
        items="\n".join([HEADER, *(f"{n},F,,{year},{year}," for n in range(101, 126))]),
    )
    item = catalogue(path).row(0, named=True)
    assert item["released_at"] == datetime(1995, 1, 1, tzinfo=UTC)
    assert item["attributes"] == [{"name": "price", "value": 1995.0}]
    assert not repairs(path)


def test_what_cannot_be_read_is_left_out_and_counted(tmp_path: Path) -> None:
    path = shop(tmp_path, "Film,Good,some day,cheap,Drama")
    found, rejects = read(path)
    assert found.height == 600 and rejects.is_empty()
    assert repairs(path) == [
        ("items.csv", "price", "no number", 8),
        ("items.csv", "year", "no time", 8),
    ]


def test_the_mapping_can_have_words_of_its_own(tmp_path: Path) -> None:
    path = shop(tmp_path, "Null,k.A.,k.A.,k.A.,k.A.", blanks="blanks: ['k.A.']\n")
    assert catalogue(path).row(1)[1:4] == ("Null", "", [])
    assert [(column, rows) for _, column, _, rows in repairs(path)] == [
        ("about", 8),
        ("genres", 8),
        ("price", 8),
        ("year", 8),
    ]


def test_a_value_that_is_a_word_for_nothing_leaves_the_weight(tmp_path: Path) -> None:
    mapping = (
        "interactions: {path: events.csv, user: u, item: i, time: t, value: v, type: k, "
        "types: {buy: 2}, text: c}\n"
    )
    events = "u,i,t,v,k,c\na,x,2021-03-01,NULL,buy,NaN\nb,x,2021-03-01,5,buy,fine\n"
    path = write(tmp_path, mapping, events=events)
    found, rejects = read(path)
    assert found["value"].to_list() == [2.0, 5.0] and found["text"].to_list() == [None, "fine"]
    assert rejects.is_empty()
    assert repairs(path) == [
        ("events.csv", "c", "a word for nothing", 1),
        ("events.csv", "v", "a word for nothing", 1),
    ]


def test_an_item_without_its_last_cells_stays(tmp_path: Path) -> None:
    path = write(tmp_path, items=items_csv(lambda n: f"{n},Film" if n % 3 else f"{n}"))
    found, rejects = read(path)
    assert found.height == 600 and rejects.is_empty()
    assert repairs(path) == [("items.csv", "", "the line ends before its last column", 8)]


def test_a_column_that_is_two_fields_is_counted_for_both(tmp_path: Path) -> None:
    mapping = (
        MAPPING + "items: {path: items.csv, id: sku, title: name, released_at: year, "
        "attributes: [year]}\n"
    )
    rows = [f"{n},Film,{'None' if n % 3 else 'soon'}" for n in range(101, 126)]
    path = write(tmp_path, mapping, items="\n".join(["sku,name,year", *rows]))
    assert repairs(path) == [
        ("items.csv", "year", "a word for nothing", 17),
        ("items.csv", "year", "no number", 8),
        ("items.csv", "year", "no time", 8),
    ]
