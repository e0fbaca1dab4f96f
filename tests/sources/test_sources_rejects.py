"""Rows that cannot be used: found whole, and told from the others as a plain loop tells them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sources.own_columns import FAULT, ID_FAULT, ROW, SHORT, VALUE_FAULT, WHOLE
from sources.protocol import REJECTS, SourceError
from sources.rejects import RawEvents, TimeBounds, clean_events
from sources.text_tables import scan_text

START = datetime(2024, 1, 1, tzinfo=UTC)
LATEST = START + timedelta(days=3)
BOUNDS = TimeBounds(LATEST)
SCHEMA: dict[str, pl.DataType] = {
    ROW: pl.UInt32(),
    FAULT: pl.String(),
    ID_FAULT: pl.String(),
    VALUE_FAULT: pl.String(),
    WHOLE: pl.UInt64(),
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
            None,
            None,
            None,
            0,
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
    extract = clean_events([raw(rows)], pl.Series(["a", "b"]), BOUNDS)
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
    extract = clean_events(parts, None, BOUNDS)
    assert extract.frame.collect().height == 2
    assert extract.rejects.collect().row(0)[:3] == ("late.csv", 1, "duplicate")


def test_cells_with_quotes_separators_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n"x, y","say ""hi"""\n"two\nlines",z\n', encoding="utf-8")
    frame = scan_text(path).select(ROW, "a", "b").collect()
    assert frame.rows() == [(1, "x, y", 'say "hi"'), (2, "two\nlines", "z")]


@pytest.mark.parametrize("broken", ['"x,1', '"x"y,1', '1,"x'])
def test_a_quote_without_its_pair_costs_its_own_line(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f'a,b\n1,2\n{broken}\n"3 ""and"" more",4\n5,6\n', encoding="utf-8")
    rows = scan_text(path).drop(SHORT).collect().rows()
    assert rows[0] == (1, None, "1", "2")
    assert rows[1][0] == 2 and "quote: none" in rows[1][1] and rows[1][2:] == (None, None)
    assert rows[2:] == [(3, None, '3 "and" more', "4"), (4, None, "5", "6")]


def test_a_quote_within_a_bare_cell_is_a_letter(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('a,b\n12" vinyl,1\nx"y"z,2\n7" single,3\n', encoding="utf-8")
    frame = scan_text(path).collect()
    assert frame["a"].to_list() == ['12" vinyl', 'x"y"z', '7" single']
    assert frame[FAULT].null_count() == 3


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n\xff\xfe,1\nx\0y,2\nshort\n1,2,3,4\n")
    frame = scan_text(path).collect()
    assert frame["b"].to_list() == ["1", "2", None, None]
    assert frame[SHORT].to_list() == [False, False, True, False]
    assert "more fields than the 2 columns" in frame[FAULT][3]
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="empty"):
        scan_text(path)
    with pytest.raises(SourceError, match="cannot be read"):
        scan_text(tmp_path / "absent.csv")
