"""Columns of lists and records, and lists that were written as text."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from strange_tables import MAPPING, catalogue, write

from sources.protocol import SourceError

ITEMS = MAPPING + "items: {path: items.parquet, id: sku, MORE}\n"


def shop(folder: Path, more: str, column: pl.Series | list[Any]) -> Path:
    pl.DataFrame({"sku": [101, 102], "c": column}).write_parquet(folder / "items.parquet")
    return write(folder, ITEMS.replace("MORE", more))


def genres(folder: Path, more: str, column: pl.Series | list[Any]) -> list[list[str]]:
    return catalogue(shop(folder, more, column))["categories"].to_list()


RECORDS = [[{"id": 28, "name": "Action"}, {"id": 18, "name": "Drama"}], None]


@pytest.mark.parametrize(
    "more", ["categories: {column: c.name}", "categories: {column: c, path: name}"]
)
def test_a_field_of_records_in_a_list(tmp_path: Path, more: str) -> None:
    assert genres(tmp_path, more, RECORDS) == [["Action", "Drama"], []]


def test_a_list_of_records_without_a_field_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 3: 'c' .* holds records; .* c\.id, c\.name\."):
        genres(tmp_path, "categories: {column: c}", RECORDS)


@pytest.mark.parametrize(
    "column",
    [
        [[["Action"], ["Drama", "Action"]], [[], ["War"]]],
        [[[["Action", "Drama"]]], [[["War"]], []]],
        pl.Series([["Action", "Drama"], ["War", None]], dtype=pl.Array(pl.String, 2)),
        pl.Series([["Action", "Drama"], ["War"]], dtype=pl.List(pl.Categorical)),
    ],
)
def test_lists_of_any_depth_are_one_list(tmp_path: Path, column: Any) -> None:
    assert genres(tmp_path, "categories: {column: c}", column) == [["Action", "Drama"], ["War"]]


def test_a_text_in_pieces_is_joined(tmp_path: Path) -> None:
    path = shop(tmp_path, "text: c", [["A film", "about trains."], []])
    assert catalogue(path)["text"].to_list() == ["A film about trains.", ""]


def test_a_path_into_records(tmp_path: Path) -> None:
    column = [{"names": {"en": "Heat"}, "year": 1995}, {"names": {"en": None}, "year": None}]
    more = "title: c.names.en, attributes: [c.year], released_at: c.year"
    items = catalogue(shop(tmp_path, more, column))
    assert items["title"].to_list() == ["Heat", ""]
    assert items["attributes"][0][0] == {"name": "c.year", "value": 1995.0}
    assert items["released_at"].dt.year().to_list() == [1995, None]


@pytest.mark.parametrize("more", ["title: c", "attributes: [c]", "id: c"])
def test_records_where_a_value_is_needed_are_refused_by_name(tmp_path: Path, more: str) -> None:
    column = [{"en": "Heat"}, {"en": "Ran"}]
    mapping = ITEMS.replace("id: sku, ", "" if more.startswith("id") else "id: sku, ")
    shop(tmp_path, "", column)
    with pytest.raises(SourceError, match=r"holds records; name a field of them: c\.en\."):
        catalogue(write(tmp_path, mapping.replace("MORE", more)))


def test_a_list_where_one_value_is_needed_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"'c' of items\.parquet holds lists"):
        catalogue(shop(tmp_path, "attributes: [c]", [[1], [2]]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("['Action', 'Drama']", ["Action", "Drama"]),
        ('["Action", "Drama"]', ["Action", "Drama"]),
        ("['Bob\\'s Film', \"It's\"]", ["Bob's Film", "It's"]),
        ("['A, B', 'C|D']", ["A, B", "C|D"]),
        ("[Action, Science Fiction]", ["Action", "Science Fiction"]),
        ("[1, 2]", ["1", "2"]),
        ("[]", []),
        ("[['Action'], ['Drama']]", ["Action", "Drama"]),
        ("Action|Drama", ["Action", "Drama"]),
        ("[A]|[B]", ["[A]", "[B]"]),
        ("['None', 'Drama']", ["Drama"]),
    ],
)
def test_a_list_written_as_text_is_the_list(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert genres(tmp_path, "categories: {column: c}", [text, None]) == [expected, []]


@pytest.mark.parametrize(
    "text",
    [
        "[{'id': 28, 'name': 'Action'}, {'id': 18, 'name': \"Kid's\"}]",
        '[{"name": "Action", "id": 28}, {"name": "Kid\'s", "id": 18}]',
    ],
)
def test_records_written_as_text_need_the_field_that_counts(tmp_path: Path, text: str) -> None:
    more = "categories: {column: c, path: name}"
    assert genres(tmp_path, more, [text, "[]"]) == [["Action", "Kid's"], []]
    with pytest.raises(SourceError, match="path: name"):
        genres(tmp_path, "categories: {column: c}", [text, "[]"])
