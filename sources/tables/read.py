"""Opens the tables that a mapping names, below its root."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from sources.foreign_formats import require_no_foreign_format
from sources.json_lines import scan_json_lines
from sources.own_columns import FAULT, ROW, SHORT
from sources.plain_text import PACKED_SUFFIXES
from sources.protocol import SourceError
from sources.tables.columns import Table
from sources.tables.mapping import TableMapping
from sources.tables.mapping_file import line_of
from sources.tables.places import place
from sources.tables.typed_files import require_readable_types
from sources.text_tables import Dialect, first_and_last, scan_text

_PARQUET = frozenset({".parquet", ".pq", ".parq"})
_ARROW = frozenset({".feather", ".arrow", ".ipc"})
_OWN = {True: b"PAR1", False: b"ARROW1"}
_JSON_LINES = frozenset({".jsonl", ".ndjson", ".json"})
_TEXT = frozenset({".csv", ".tsv", ".txt", ".dat", ".tab"})
_WILD = re.compile(r"[*?\[]")
_MOST_FILES = 100_000
_HIVE = re.compile(r"^([^=]+)=(.*)$")
_HIVE_NULL = "__HIVE_DEFAULT_PARTITION__"


def open_tables(
    mapping_file: Path,
    section: str,
    mapping: TableMapping,
    wanted: Iterable[str],
    root: Path,
    sample: int | None = None,
) -> list[Table]:
    """The files of a section, each with its rows counted from 1. CSV columns are all text.

    A folder stands for all tables in it and below it, a path with `*` or `?` for those that it
    matches. What a hidden name or one that begins with `_` says is no data.

    Args:
        mapping_file: the YAML file, named in errors.
        section: interactions or items.
        mapping: its part of the mapping.
        wanted: names of the columns that are mapped.
        root: resolved folder that bounds it.
        sample: only so many of the first and of the last rows of each; None takes all.

    Raises:
        SourceError: a file is outside the root, absent, or cannot be read.
    """
    where = f"{mapping_file}, line {line_of(mapping_file, section, 'path')}"
    names = set(wanted)
    return [
        _open(mapping_file, section, mapping, names, path, root, sample)
        for path in _files(where, mapping.path, root)
    ]


def _files(where: str, mapped: str, root: Path) -> list[Path]:
    target = place(mapped, root)
    if target.reason:
        raise SourceError(f"{where}: {mapped} is refused ({target.reason}); keep it below {root}.")
    if target.uri is not None:
        return [root / target.uri]
    whole = root / mapped
    if whole.is_dir():
        listed, what = whole.rglob("*"), "a folder that holds no table"
    elif _WILD.search(mapped):
        pattern = whole.relative_to(root).as_posix()
        listed, what = root.glob(pattern), "matched by no file"
    else:
        raise SourceError(f"{where}: {mapped} is not a file below {root}.")
    named = whole.is_dir()
    below = whole if named else root
    paths = sorted(path for path in listed if _is_table(path, root, below, of_folder=named))
    if not paths:
        raise SourceError(f"{where}: {mapped} is {what} below {root}.")
    if len(paths) > _MOST_FILES:
        raise SourceError(f"{where}: {mapped} is {len(paths):,} files; at most {_MOST_FILES:,}.")
    return paths


def _is_table(path: Path, root: Path, below: Path, *, of_folder: bool) -> bool:
    """Whether a file is one of the table's: hidden ones are not, unless the mapping names them."""
    parts = path.relative_to(below).parts
    hidden = any(part.startswith((".", "_")) for part in parts)
    known = is_table(path) or not of_folder
    inside = path.resolve().is_relative_to(root)
    return not hidden and known and inside and path.is_file()


def _suffix(path: Path) -> str:
    """The ending that says what is in a file, whatever it is packed with."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in PACKED_SUFFIXES:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _open(
    mapping_file: Path,
    section: str,
    mapping: TableMapping,
    wanted: set[str],
    path: Path,
    root: Path,
    sample: int | None,
) -> Table:
    suffix = _suffix(path)
    frame, text = scan_table(path, mapping.dialect, mapping.encoding, sample)
    schema = frame.collect_schema()
    partitions = [
        pl.lit(value, dtype=pl.String).alias(key)
        for key, value in _partitions(path.relative_to(root))
        if key not in schema
    ]
    frame = frame.with_columns(partitions)
    schema = frame.collect_schema()
    headless = text and wanted.isdisjoint(schema)
    name = path.relative_to(root).as_posix()
    of_json = suffix in _JSON_LINES
    return Table(frame, schema, path, name, mapping_file, section, headless, of_json)


def scan_table(
    path: Path,
    dialect: Dialect | None = None,
    encoding: str | None = None,
    sample: int | None = None,
) -> tuple[pl.LazyFrame, bool]:
    """One file as a table with `ROW`, `FAULT` and `SHORT`, and whether its columns are all text.

    Its ending says what it is; one that says nothing is a CSV.

    Args:
        path: of the file.
        dialect: how a CSV is written.
        encoding: of JSON Lines.
        sample: only so many of the first and of the last rows; None takes all.

    Raises:
        SourceError: it cannot be read.
    """
    suffix = _suffix(path)
    if suffix in _PARQUET | _ARROW:
        require_no_foreign_format(path, path, but=_OWN[suffix in _PARQUET])
        require_readable_types(path, parquet=suffix in _PARQUET)
    if suffix in _PARQUET:
        scan = partial(pl.scan_parquet, hive_partitioning=False)
        return first_and_last(_typed(path, scan), sample), False
    if suffix in _ARROW:
        return first_and_last(_typed(path, pl.scan_ipc), sample), False
    if suffix in _JSON_LINES:
        return first_and_last(scan_json_lines(path, encoding), sample), False
    return scan_text(path, dialect, sample), True


def is_table(path: Path) -> bool:
    """Whether the ending of a file is one of a table, whatever it is packed with."""
    return _suffix(path) in _PARQUET | _ARROW | _JSON_LINES | _TEXT


def _partitions(path: Path) -> Iterator[tuple[str, str | None]]:
    """Columns that the folders of a path name, as Hive does: `year=2021/month=3/`."""
    for part in path.parts[:-1]:
        named = _HIVE.match(part)
        if named:
            value = unquote(named.group(2))
            yield unquote(named.group(1)), None if value == _HIVE_NULL else value


def _typed(path: Path, scan: Callable[[Path], pl.LazyFrame]) -> pl.LazyFrame:
    """The rows of a file that says the types of its columns."""
    try:
        frame = scan(path).with_row_index(ROW, offset=1).cast({ROW: pl.Int64})
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SourceError(f"{path} cannot be read as a table ({error}).") from error
    return _faultless(frame)


def _faultless(frame: pl.LazyFrame) -> pl.LazyFrame:
    return frame.with_columns(
        pl.lit(None, dtype=pl.String).alias(FAULT), pl.lit(False).alias(SHORT)
    )
