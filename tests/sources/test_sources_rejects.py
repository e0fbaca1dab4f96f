"""Rows that cannot be used: found whole, and told from the others as a plain loop tells them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.protocol import REJECTS, SourceError
from sources.rejects import RawEvents, clean_events
from sources.text_tables import scan_text

START = datetime(2024, 1, 1, tzinfo=UTC)
LATEST = START + timedelta(days=3)
SCHEMA: dict[str, pl.DataType] = {
    "row": pl.UInt32(),
    "user_id": pl.String(),
    "item_id": pl.String(),
    "value": pl.Float32(),
    "event_type": pl.String(),
    "text": pl.String(),
    "event_timestamp": pl.Datetime("us", "UTC"),
    "given_value": pl.String(),
    "given_time": pl.String(),
}

Row = tuple[str | None, str | None, float | None, int | None]
ROWS = st.lists(
    st.tuples(
        st.sampled_from([None, "u1", "u2"]),
        st.sampled_from([None, "a", "b", "z"]),
        st.sampled_from([None, 0.0, 1.0, 9.0, float("nan")]),
        st.sampled_from([None, 0, 1, 9]),
    ),
    max_size=40,
)


def raw(rows: list[Row]) -> RawEvents:
    data = [
        (
            number,
            user,
            item,
            value,
            "rating",
            None,
            None if day is None else START + timedelta(days=day),
            str(value),
            str(day),
        )
        for number, (user, item, value, day) in enumerate(rows, start=1)
    ]
    return RawEvents(pl.LazyFrame(data, schema=SCHEMA, orient="row"), "e.csv", (0.5, 5.0))


def reason_of(row: Row, seen: set[tuple[object, ...]]) -> str | None:
    user, item, value, day = row
    if user is None or item is None:
        return "bad_id"
    if day is None or START + timedelta(days=day) > LATEST:
        return "bad_time"
    if value is None or not 0.5 <= value <= 5.0:
        return "value_out_of_range"
    if item not in {"a", "b"}:
        return "unknown_item"
    if (user, item, day) in seen:
        return "duplicate"
    seen.add((user, item, day))
    return None


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_rejects_agree_with_a_loop_and_no_row_is_lost(rows: list[Row]) -> None:
    seen: set[tuple[object, ...]] = set()
    expected = [(n, reason) for n, row in enumerate(rows, 1) if (reason := reason_of(row, seen))]
    extract = clean_events([raw(rows)], pl.Series(["a", "b"]), LATEST)
    rejects, kept = extract.rejects.collect(), extract.frame.collect()
    assert rejects.schema == REJECTS
    assert rejects.select("row", "reason").rows() == expected
    assert kept.height + rejects.height == len(rows)
    assert kept["event_timestamp"].is_sorted()
    assert not rejects["detail"].str.contains("u1|u2").any()


def test_a_duplicate_in_a_second_file_is_rejected_there() -> None:
    row: Row = ("u1", "a", 1.0, 0)
    first, second = raw([row]), raw([row, ("u2", "a", 1.0, 0)])
    parts = [first, RawEvents(second.frame, "late.csv", second.value_range)]
    extract = clean_events(parts, None, LATEST)
    assert extract.frame.collect().height == 2
    assert extract.rejects.collect().row(0)[:3] == ("late.csv", 1, "duplicate")


def test_cells_with_quotes_separators_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n"x, y","say ""hi"""\n"two\nlines",z\n', encoding="utf-8")
    assert scan_text(path).collect().rows() == [(1, "x, y", 'say "hi"'), (2, "two\nlines", "z")]


@pytest.mark.parametrize("broken", ['"x,1', 'x"y"z,1', '"x"y,1'])
def test_a_quote_without_its_pair_costs_its_own_line(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f'a,b\n1,2\n{broken}\n"3 ""and"" more",4\n5,6\n', encoding="utf-8")
    rows = scan_text(path).collect().rows()
    assert rows[0] == (1, "1", "2")
    assert rows[2:] == [(3, '3 "and" more', "4"), (4, "5", "6")]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n\xff\xfe,1\nx\0y,2\nshort\n1,2,3,4\n")
    frame = scan_text(path).collect()
    assert frame["b"].to_list() == ["1", "2", None, "2"]
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="empty"):
        scan_text(path)
    with pytest.raises(SourceError, match="cannot be read"):
        scan_text(tmp_path / "absent.csv")
