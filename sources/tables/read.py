"""Opens the tables that a mapping names, below its root."""

from collections.abc import Iterable
from pathlib import Path

import polars as pl

from sources.protocol import SourceError
from sources.tables.mapping import line_of
from sources.tables.places import place
from sources.text_tables import scan_text

PARQUET = frozenset({".parquet", ".pq"})


def open_table(
    mapping_file: Path, section: str, given: str, root: Path, separator: str
) -> tuple[pl.LazyFrame, Path]:
    """A table with its rows counted in `row` from 1, and its file. CSV columns are all text.

    Args:
        mapping_file: the YAML file, named in errors.
        section: interactions or items.
        given: the path as the mapping has it.
        root: resolved folder that bounds it.
        separator: of a CSV.

    Raises:
        SourceError: the file is outside the root, absent, or cannot be read.
    """
    where = f"{mapping_file}, line {line_of(mapping_file, section, 'path')}"
    found = place(given, root)
    if found.reason:
        raise SourceError(f"{where}: {given} is refused ({found.reason}); keep it below {root}.")
    if found.uri is None:
        raise SourceError(f"{where}: {given} is not a file below {root}.")
    path = root / found.uri
    if path.suffix.lower() not in PARQUET:
        return scan_text(path, separator), path
    try:
        frame = pl.scan_parquet(path).with_row_index("row", offset=1)
        frame.collect_schema()
    except pl.exceptions.PolarsError as error:
        raise SourceError(f"{path} cannot be read as a table ({error}).") from error
    return frame, path


def check_columns(
    mapping_file: Path,
    section: str,
    path: Path,
    schema: pl.Schema,
    wanted: Iterable[tuple[str, str | None]],
) -> None:
    """Checks that the table has the mapped columns: pairs of mapping key and column.

    Raises:
        SourceError: one is absent; the message names the mapping's line.
    """
    for key, column in wanted:
        if column is not None and column not in schema:
            line = line_of(mapping_file, section, *key.split("."))
            raise SourceError(
                f"{mapping_file}, line {line}: {path.name} has no column {column!r}; "
                f"it has {', '.join(name for name in schema if name != 'row')}."
            )
