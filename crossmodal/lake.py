"""Parquet tables that change by one rename.

A table is one Parquet file (or, for interactions, one file a month). Its footer carries the
`TableVersion`: what the content hashes to and what it was made from. Data and version therefore
change together, in one rename, and a process killed at any instant leaves the last good version.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from crossmodal.atomic import atomic_path as atomic_path

_FOOTER_KEY = b"crossmodal"
BYTES_KEY = b"crossmodal.sha256"
"""Under which a footer has the SHA-256 (hex) of all bytes before it."""


class TableMissingError(FileNotFoundError):
    """A table was read that no run has written yet."""


class TableDamagedError(OSError):
    """A table's file cannot be read; the message names it and the way out."""

    @classmethod
    def of(cls, path: Path, why: object) -> Self:
        """The error of a file.

        Args:
            path: of the file.
            why: what is wrong with it, in words or as an error.
        """
        return cls(
            f"{path} is damaged ({_one_line(why)}): `crossmodal run` makes it again; what no run "
            "can make again is in a backup."
        )


@dataclass(frozen=True)
class TableVersion:
    """What a table holds and what it was made from.

    Attributes:
        data_version: SHA-256 of the content (hex, 16 characters): equal content, equal version.
        stamp: versions of the inputs, of the code and of the settings that made it.
        rows: number of rows.
        summary: JSON-able figures worth showing again when the table is reused.
    """

    data_version: str
    stamp: Mapping[str, str]
    rows: int
    summary: Mapping[str, Any] = field(default_factory=dict)


class _HashingFile(io.RawIOBase):
    """A file that hashes what is written to it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("wb")
        self.hash = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.hash.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        return self._file.tell()

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class TableWriter:
    """Appends batches to a table that nobody sees until the writer is closed."""

    def __init__(self, sink: _HashingFile, schema: pa.Schema) -> None:
        self._sink = sink
        self._schema = schema
        self._writer = pq.ParquetWriter(sink, schema, compression="zstd")
        self._summary: dict[str, Any] = {}
        self.rows = 0

    def write(self, batch: pa.Table | pl.DataFrame) -> None:
        """Appends rows; columns are put in the schema's order and cast to its types."""
        table = batch.to_arrow() if isinstance(batch, pl.DataFrame) else batch
        table = table.select(self._schema.names).cast(self._schema)
        if table.num_rows:
            self._writer.write_table(table)
            self.rows += table.num_rows

    def summarise(self, **figures: Any) -> None:
        """Adds figures that travel with the table's version."""
        self._summary.update(figures)

    def close(self) -> None:
        """Ends the file; without `_finish` before it, it has no version and is thrown away."""
        self._writer.close()

    def _finish(self, stamp: Mapping[str, str]) -> TableVersion:
        digest = self._sink.hash.copy()
        digest.update(str(self._schema.remove_metadata()).encode())
        version = TableVersion(digest.hexdigest()[:16], dict(stamp), self.rows, dict(self._summary))
        self._writer.add_key_value_metadata(
            {
                _FOOTER_KEY.decode(): json.dumps(asdict(version)),
                BYTES_KEY.decode(): self._sink.hash.hexdigest(),
            }
        )
        self.close()
        self._sink.sync()
        return version


class Lake:
    """The Parquet lake below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, table: str) -> Path:
        """The file of a table; `interactions/1997-04` names one month of a partitioned one."""
        return self.root / f"{table}.parquet"

    @contextmanager
    def writer(
        self, table: str, schema: pa.Schema, stamp: Mapping[str, str]
    ) -> Iterator[TableWriter]:
        """A writer whose rows replace the table when the block ends without an error."""
        target = self.path(table)
        with (
            atomic_path(target) as temporary,
            closing(_HashingFile(temporary)) as sink,
            closing(TableWriter(sink, schema)) as writer,
        ):
            yield writer
            writer._finish(stamp)

    def write(
        self,
        table: str,
        frame: pl.DataFrame,
        stamp: Mapping[str, str],
        **summary: Any,
    ) -> TableVersion:
        """Replaces a table by a frame in one step."""
        arrow = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        with self.writer(table, arrow.schema, stamp) as writer:
            writer.write(arrow)
            writer.summarise(**summary)
        return self.version(table)

    def write_batches(
        self, table: str, batches: pa.RecordBatchReader, stamp: Mapping[str, str]
    ) -> TableVersion:
        """Replaces a table by a stream that is never whole in memory."""
        with self.writer(table, batches.schema, stamp) as writer:
            for batch in batches:
                writer.write(pa.Table.from_batches([batch]))
        return self.version(table)

    def exists(self, table: str) -> bool:
        """Whether a version of the table can be read."""
        return self.path(table).is_file()

    def version(self, table: str) -> TableVersion:
        """The version in a table's footer.

        Raises:
            TableMissingError: no run has written the table yet.
            TableDamagedError: its footer cannot be read.
        """
        path = self.path(table)
        if not path.is_file():
            raise TableMissingError(
                f"Table {table!r} is not in {self.root}; run `crossmodal run` first."
            )
        return version_in(path)

    def current(self, table: str, stamp: Mapping[str, str]) -> TableVersion | None:
        """The table's version where it was made from exactly this stamp, else None."""
        if not self.exists(table):
            return None
        version = self.version(table)
        return version if dict(version.stamp) == dict(stamp) else None

    def scan(self, table: str) -> pl.LazyFrame:
        """The table as a lazy frame.

        Raises:
            TableMissingError: no run has written the table yet.
            TableDamagedError: its footer cannot be read.
        """
        self.version(table)
        return pl.scan_parquet(self.path(table))

    def read(self, table: str) -> pl.DataFrame:
        """The whole table in memory.

        Raises:
            TableMissingError: no run has written the table yet.
            TableDamagedError: it cannot be read.
        """
        try:
            return self.scan(table).collect()
        except pl.exceptions.ComputeError as error:
            raise TableDamagedError.of(self.path(table), error) from error

    def partitions(self, table: str) -> list[str]:
        """Sorted keys of a partitioned table's files."""
        return sorted(path.stem for path in (self.root / table).glob("*.parquet"))

    def scan_partitions(self, table: str) -> pl.LazyFrame:
        """All partitions of a table as one lazy frame, in key order.

        Raises:
            TableMissingError: no run has written a partition yet.
        """
        keys = self.partitions(table)
        if not keys:
            raise TableMissingError(
                f"Table {table!r} has no partition in {self.root}; run `crossmodal run` first."
            )
        return pl.scan_parquet([self.path(f"{table}/{key}") for key in keys])

    def drop_partition(self, table: str, key: str) -> None:
        """Removes one partition; a missing one is no error."""
        self.path(f"{table}/{key}").unlink(missing_ok=True)

    def partitioned_version(self, table: str) -> str:
        """One version over all partitions: it changes when any of them does."""
        digest = hashlib.sha256()
        for key in self.partitions(table):
            digest.update(f"{key}={self.version(f'{table}/{key}').data_version};".encode())
        return digest.hexdigest()[:16]


def version_in(path: Path) -> TableVersion:
    """The version in the footer of a table's file.

    Raises:
        TableDamagedError: the footer cannot be read.
        OSError: the system does not let the file be read.
    """
    try:
        footer = pq.read_metadata(path).metadata or {}
        return TableVersion(**json.loads(footer[_FOOTER_KEY]))
    except OSError as error:
        # Arrow raises it too where what it reads makes no sense, without a number.
        if error.errno is not None:
            raise
        raise TableDamagedError.of(path, error) from error
    except KeyError as error:
        raise TableDamagedError.of(path, "its footer names no version") from error
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise TableDamagedError.of(path, error) from error


def _one_line(why: object) -> str:
    return " ".join(str(why).split()).rstrip(".")
