"""Files that are no text, not what their ending says, or typed: read, or named with the way out."""

import gzip
import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather
from strange_tables import MAPPING, N_EVENTS, events, events_csv, read, write

from sources.protocol import SourceError


@pytest.mark.parametrize(
    ("first", "what", "way_out"),
    [
        (b"SQLite format 3\x00", "SQLite database", "CSV or Parquet"),
        (b"Obj\x01\x04\x14avro", "Avro file", "Parquet"),
        (b"\x89HDF\r\n\x1a\n", "HDF5 file", "CSV or Parquet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "Excel workbook", "CSV or Parquet"),
        (b"\x04\x22\x4d\x18dA\x00", "packed with lz4", "gzip or zstd"),
        (b"7z\xbc\xaf\x27\x1c", "7z archive", "unpack it"),
        (b"\n <!DOCTYPE html><html>", "web page", "the page links to"),
        (b"<?xml version='1.0'?>", "XML", "CSV or Parquet"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_text_is_named(tmp_path: Path, first: bytes, what: str, way_out: str) -> None:
    path = write(tmp_path, MAPPING, events=first + b"\x00" * 600)
    with pytest.raises(SourceError, match=rf"events\.csv is .*{what}; .*{way_out}"):
        read(path)


def test_a_table_of_another_ending_is_named(tmp_path: Path) -> None:
    frame = pl.DataFrame(events(), schema=["user", "item", "stars", "at"], orient="row")
    for write_to, ending in ((frame.write_parquet, "parquet"), (frame.write_ipc, "feather")):
        path = write(tmp_path, MAPPING)
        write_to(tmp_path / "events.csv")
        with pytest.raises(SourceError, match=rf"give it the ending \.{ending}"):
            read(path)


@pytest.mark.parametrize("name", ["ORCID", "PAR1", "FEA1", "ARROW1"])
def test_a_header_may_begin_as_another_format_does(tmp_path: Path, name: str) -> None:
    text = events_csv().replace("user,", f"{name},", 1)
    found, _ = read(write(tmp_path, MAPPING.replace("user: user", f"user: {name}"), events=text))
    assert found.height == N_EVENTS


def test_a_damaged_feather_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "events.feather").write_bytes(b"ARROW1\x00\x00 and no more")
    path = write(tmp_path, MAPPING.replace("events.csv", "events.feather"))
    with pytest.raises(SourceError, match=r"events\.feather cannot be read as a table"):
        read(path)


def test_a_workbook_is_named_and_not_unpacked(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(SourceError, match=r"events\.csv is an Excel workbook; export"):
        read(write(tmp_path, MAPPING, events=packed.getvalue()))


@pytest.mark.parametrize("times", [2, 3])
def test_text_that_was_packed_again_is_read(tmp_path: Path, times: int) -> None:
    packed = events_csv().encode()
    for _ in range(times):
        packed = gzip.compress(packed)
    found, rejects = read(write(tmp_path, MAPPING, events=packed))
    assert found.height == N_EVENTS and rejects.is_empty()


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_feather_is_read(
    tmp_path: Path, compression: Literal["uncompressed", "lz4", "zstd"]
) -> None:
    frame = pl.DataFrame(events(), schema=["user", "item", "stars", "at"], orient="row")
    frame.write_ipc(tmp_path / "events.feather", compression=compression)
    found, rejects = read(write(tmp_path, MAPPING.replace("events.csv", "events.feather")))
    assert found.height == N_EVENTS and rejects.is_empty()


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_types_that_end_the_reader_are_named_by_their_column(tmp_path: Path, ending: str) -> None:
    columns = {"user": ["a"], "item": ["b"], "stars": [1.0]}
    times = pa.array([datetime(2021, 1, 1)], pa.timestamp("us", "+05:30"))
    table = pa.table({**columns, "at": times})
    save = pq.write_table if ending == "parquet" else feather.write_feather
    save(table, str(tmp_path / f"events.{ending}"))
    path = write(tmp_path, MAPPING.replace("events.csv", f"events.{ending}"))
    with pytest.raises(SourceError, match=r"'at' holds times of the zone \+05:30; write them in"):
        read(path)
    twice = pa.Table.from_arrays([times, times], names=["at", "at"])
    save(twice, str(tmp_path / f"events.{ending}"))
    with pytest.raises(SourceError, match="the column 'at' twice"):
        read(path)


def test_a_table_that_is_not_what_its_ending_says_is_named(tmp_path: Path) -> None:
    frame = pl.DataFrame(events(), schema=["user", "item", "stars", "at"], orient="row")
    path = write(tmp_path, MAPPING.replace("events.csv", "events.feather"))
    frame.write_parquet(tmp_path / "events.feather")
    with pytest.raises(SourceError, match=r"a Parquet file; give it the ending \.parquet"):
        read(path)
