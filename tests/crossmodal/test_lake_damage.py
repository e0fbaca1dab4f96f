"""Tables whose files are damaged: named, never read as if they were whole, and set aside."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossmodal.lake import Lake, TableDamagedError
from crossmodal.lake_damage import damage, set_aside

FRAME = pl.DataFrame({"item_id": [f"item {number}" for number in range(2000)]})


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def garbage(path: Path) -> None:
    path.write_bytes(b"no table, but a long enough text to be one" * 100)


def footer_overwritten(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-40] + b"\xa5" * 32 + content[-8:])


def of_something_else(path: Path) -> None:
    FRAME.write_parquet(path)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    made = Lake(tmp_path)
    for table in ("items", "events/1995-01", "events/1995-02"):
        made.write(table, FRAME, {})
    return made


@pytest.mark.parametrize(
    "spoil", [emptied, cut_short, garbage, footer_overwritten, of_something_else]
)
def test_a_damaged_table_is_named_with_the_way_out(
    lake: Lake, spoil: Callable[[Path], None]
) -> None:
    spoil(lake.path("items"))
    for ask in (lake.version, lake.read, lake.scan, lambda table: lake.current(table, {})):
        with pytest.raises(TableDamagedError, match="crossmodal run") as refused:
            ask("items")
        assert str(lake.path("items")) in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("table", ["items", "events/1995-01"])
def test_a_damaged_table_is_set_aside_and_the_others_stay(lake: Lake, table: str) -> None:
    cut_short(lake.path(table))
    (said,) = set_aside(lake)
    assert str(lake.path(table)) in said and f"{lake.path(table).name}.damaged" in said
    assert not lake.exists(table)
    assert len(list(lake.root.rglob("*.parquet"))) == 2
    assert set_aside(lake) == []


def test_whole_tables_are_left_as_they_are(lake: Lake) -> None:
    assert set_aside(lake, damage) == []
    assert lake.read("items").equals(FRAME)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1), st.integers(0, 7))
def test_no_changed_bit_goes_unnoticed(lake: Lake, place: float, bit: int) -> None:
    path = lake.path("items")
    good = path.read_bytes()
    changed = bytearray(good)
    before_footer = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
    changed[int(place * (before_footer - 1))] ^= 1 << bit
    path.write_bytes(bytes(changed))
    try:
        why = damage(path)
        assert why is not None and str(path) in why
    finally:
        path.write_bytes(good)


def test_a_hash_that_is_no_text_any_more_is_damage(lake: Lake) -> None:
    path = lake.path("items")
    changed = bytearray(path.read_bytes())
    footer = int.from_bytes(changed[-8:-4], "little") + 8
    changed[changed.rindex(hashlib.sha256(changed[:-footer]).hexdigest().encode())] ^= 1 << 7
    path.write_bytes(changed)
    assert "its bytes are not those that were written" in (damage(path) or "")


def test_a_table_of_an_earlier_release_counts_as_whole(lake: Lake) -> None:
    """Its footer has no hash of its bytes."""
    import pyarrow.parquet as pq

    path = lake.path("items")
    with pq.ParquetFile(path) as file:
        table = file.read()
        footer = file.metadata.metadata[b"crossmodal"]
    pq.write_table(table.replace_schema_metadata({b"crossmodal": footer}), path)
    assert damage(path) is None
