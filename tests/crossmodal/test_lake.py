"""The lake: atomic tables whose version says what they hold and what made them."""

import multiprocessing
import os
import signal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossmodal.atomic import atomic_path, sweep
from crossmodal.lake import Lake, TableMissingError

FRAME = pl.DataFrame({"item_id": ["a", "b"], "n": [1, 2]})


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    version = lake.write("items", FRAME, {"input": "1"}, categories=3)
    assert lake.read("items").equals(FRAME)
    assert version.rows == 2
    assert lake.version("items").summary == {"categories": 3}


def test_the_data_version_follows_the_content_and_not_the_stamp(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = lake.write("items", FRAME, {"input": "1"})
    assert lake.write("items", FRAME, {"input": "2"}).data_version == first.data_version
    changed = FRAME.with_columns(n=pl.col("n") + 1)
    assert lake.write("items", changed, {"input": "2"}).data_version != first.data_version


def test_a_table_is_current_only_for_the_stamp_it_was_made_from(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert lake.current("items", {"input": "1"}) is None
    lake.write("items", FRAME, {"input": "1"})
    assert lake.current("items", {"input": "1"}) is not None
    assert lake.current("items", {"input": "2"}) is None


def test_a_missing_table_names_itself_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(TableMissingError, match=r"'items'.*crossmodal run"):
        Lake(tmp_path).read("items")


def test_an_error_while_writing_leaves_the_last_good_version(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("items", FRAME, {})
    arrow = FRAME.to_arrow()
    with pytest.raises(RuntimeError), lake.writer("items", arrow.schema, {}) as writer:
        writer.write(arrow)
        raise RuntimeError("the disk caught fire")
    assert lake.read("items").equals(FRAME)
    assert [path.name for path in tmp_path.iterdir()] == ["items.parquet"]


def test_partitions_have_one_version_that_changes_with_any_of_them(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("events/1995-01", FRAME, {})
    lake.write("events/1995-02", FRAME, {})
    before = lake.partitioned_version("events")
    lake.write("events/1995-02", FRAME.head(1), {})
    assert lake.partitioned_version("events") != before
    assert lake.partitions("events") == ["1995-01", "1995-02"]
    assert lake.scan_partitions("events").collect().height == 3


@given(st.lists(st.integers(0, 50), max_size=6))
def test_batches_add_up_to_the_table(tmp_path_factory: pytest.TempPathFactory, sizes) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    frame = pl.DataFrame({"n": range(sum(sizes))}, schema={"n": pl.Int64})
    start = 0
    with lake.writer("numbers", pa.schema([("n", pa.int64())]), {}) as writer:
        for size in sizes:
            writer.write(frame.slice(start, size))
            start += size
    assert lake.read("numbers").equals(frame)
    assert lake.version("numbers").rows == frame.height


def _write_forever(root: Path) -> None:
    lake = Lake(root)
    for value in range(10**9):
        lake.write("counter", pl.DataFrame({"n": [value] * 5_000}), {})


def test_a_killed_writer_leaves_a_whole_table(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for _ in range(3):
        process = multiprocessing.get_context("spawn").Process(
            target=_write_forever, args=(tmp_path,)
        )
        process.start()
        seen = set()
        while len(seen) < 5:
            if lake.exists("counter"):
                frame = lake.read("counter")
                assert frame.height == 5_000
                assert frame["n"].n_unique() == 1
                seen.add(frame["n"][0])
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert lake.read("counter")["n"].n_unique() == 1
    sweep(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["counter.parquet"]


def test_an_atomic_file_is_never_half_there(tmp_path: Path) -> None:
    target = tmp_path / "champion"
    target.write_text("old")
    with pytest.raises(ValueError, match="no"), atomic_path(target) as beside:
        beside.write_text("new")
        raise ValueError("no")
    assert target.read_text() == "old"
