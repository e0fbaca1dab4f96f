"""The same user, item and time again: bought twice, rated again, or written twice."""

from pathlib import Path

import pytest
from strange_tables import opened, read, repairs, write

BOUGHT = (
    "interactions: {path: events.csv, user: u, item: i, time: t, type: k, types: {buy: 2}MORE}\n"
)
RATED = "interactions: {path: events.csv, user: u, item: i, time: t, value: vMORE}\n"
TWICE = "u,i,t,k,note\na,x,2021-03-01,buy,\na,x,2021-03-01,buy,\nb,x,2021-03-01,buy,\n"
AGAIN = "u,i,t,v\na,x,2021-03-01,3\na,x,2021-03-01,5\na,x,2021-03-01,3\nb,x,2021-03-01,4\n"


def values(folder: Path, mapping: str, text: str, repeats: str = "") -> list[float]:
    more = f", repeats: {repeats}" if repeats else ""
    frame, _ = read(write(folder, mapping.replace("MORE", more), events=text))
    return frame["value"].to_list()


def test_what_was_bought_twice_is_two_purchases(tmp_path: Path) -> None:
    assert values(tmp_path, BOUGHT, TWICE) == [2.0, 2.0, 2.0]
    assert values(tmp_path, BOUGHT, TWICE, "keep") == [2.0, 2.0, 2.0]


def test_of_ratings_those_that_agree_in_every_column_are_one(tmp_path: Path) -> None:
    assert sorted(values(tmp_path, RATED, AGAIN)) == [3.0, 4.0, 5.0]
    _, rejects = read(tmp_path / "mapping.yaml")
    assert rejects.select("row", "reason").rows() == [(3, "duplicate")]
    assert "repeats: keep" in rejects["detail"][0]


def test_a_column_that_is_not_mapped_tells_rows_apart(tmp_path: Path) -> None:
    text = TWICE.replace("buy,\na", "buy,first\na")
    assert values(tmp_path, BOUGHT, text, "reject") == [2.0, 2.0, 2.0]
    assert values(tmp_path, BOUGHT, TWICE, "reject") == [2.0, 2.0]


def test_the_last_of_several_may_count_alone(tmp_path: Path) -> None:
    assert values(tmp_path, RATED, AGAIN.replace("5", "9"), "last") == [3.0, 4.0]
    path = tmp_path / "mapping.yaml"
    assert opened(path).interactions().rejects.collect().is_empty()
    assert [(what.split()[0], rows) for _, _, what, rows in repairs(path)] == [("replaced", 2)]


def test_values_may_be_summed_up(tmp_path: Path) -> None:
    assert values(tmp_path, RATED, AGAIN, "sum") == [11.0, 4.0]
    found = repairs(tmp_path / "mapping.yaml")
    assert [(what.split()[0], rows) for _, _, what, rows in found] == [("summed", 2)]
    assert values(tmp_path, BOUGHT, TWICE, "sum") == [4.0, 2.0]


@pytest.mark.parametrize("repeats", ["keep", "sum", "last", "reject"])
def test_no_event_is_lost_of_those_that_differ(tmp_path: Path, repeats: str) -> None:
    text = "u,i,t,v\n" + "".join(f"u{n},x,2021-03-01,{n}\n" for n in range(9))
    assert sorted(values(tmp_path, RATED, text, repeats)) == [float(n) for n in range(9)]
