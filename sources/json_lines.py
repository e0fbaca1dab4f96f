"""JSON Lines: an object a line, whose fields are the columns."""

import json
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from sources.own_columns import FAULT, ROW, SHORT
from sources.plain_text import plain_text, private_copy
from sources.protocol import SourceError
from sources.text_tables import LINE, lines_of

_UNREADABLE = (
    "this line is no JSON object in which each key stands once; JSON has no NaN, no Infinity and "
    "no halves of characters"
)
# Polars makes of half a character, alone, one that says nothing.
_HALF_CHARACTER = r"(?i)\\ud[89a-f][0-9a-f]{2}"
# A key that is spelt with escapes may be one that stands there in letters too.
_ESCAPED_KEY = r'\\u[0-9a-fA-F]{4}[^"]*":'


def scan_json_lines(path: Path, encoding: str | None = None) -> pl.LazyFrame:
    """The fields of the objects as columns, and `ROW`, `FAULT` and `SHORT`.

    The types are those that hold the values of all lines. A blank line is no row; a line that is
    no object, or has a key twice, costs itself alone.

    Raises:
        SourceError: the file is absent, empty or no JSON Lines, or a field is of types that
            nothing holds together.
    """
    plain = plain_text(path, encoding)
    with plain.path.open(encoding="utf-8-sig", errors="replace") as file:
        first = next((line.strip() for line in file if line.strip()), "")
    if not first.startswith("{"):
        raise SourceError(
            f"{path} is not JSON Lines, in which every line is an object; write it so."
        )
    try:
        frame = _scanned(plain.path)
        faulty = _rows_read_wrong(plain.path, frame.collect_schema())
        if not faulty:
            return _numbered(frame, [])
    except pl.exceptions.PolarsError:
        faulty = _rows_that_are_no_object(plain.path)
    try:
        return _numbered(_scanned(_without(plain.path, set(faulty))), faulty)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceError(
            f"{path} cannot be read as JSON Lines ({reason}); give each field one type."
        ) from error


def _scanned(path: Path) -> pl.LazyFrame:
    frame = pl.scan_ndjson(path, infer_schema_length=None)
    frame.select(pl.all().null_count()).collect(engine="streaming")
    return frame


def _numbered(frame: pl.LazyFrame, faulty: list[int]) -> pl.LazyFrame:
    fault = pl.when(pl.col(ROW).is_in(faulty)).then(pl.lit(_UNREADABLE))
    numbered = frame.with_row_index(ROW, offset=1).cast({ROW: pl.Int64})
    return numbered.with_columns(fault.alias(FAULT), pl.lit(False).alias(SHORT))


def _rows_read_wrong(path: Path, schema: pl.Schema) -> list[int]:
    """The rows that Polars would read as something else without an error.

    Only lines that name a key more often than the schema does, or spell a character as two halves,
    are parsed one by one.
    """
    line = pl.col(LINE)
    rows = lines_of(path).filter(line.str.strip_chars() != "").select(LINE)
    closed = line.str.replace_all(r'"\s+:', '":')
    often = [
        closed.str.count_matches(f"{json.dumps(name, ensure_ascii=False)}:", literal=True) > times
        for name, times in Counter(_names(schema)).items()
    ]
    doubtful = line.str.contains(_ESCAPED_KEY) | line.str.contains(_HALF_CHARACTER)
    suspect = pl.any_horizontal(*often, doubtful)
    suspects = rows.with_row_index(ROW, offset=1).filter(suspect).collect(engine="streaming")
    return [row for row, text in suspects.iter_rows() if not _is_object(text)]


def _names(fields: Any) -> Iterator[str]:
    """Names of all fields, those of records as often as there are such records."""
    pairs = fields.items() if isinstance(fields, dict) else ((f.name, f.dtype) for f in fields)
    for name, dtype in pairs:
        yield name
        while isinstance(dtype, pl.List | pl.Array):
            dtype = dtype.inner
        if isinstance(dtype, pl.Struct):
            yield from _names(dtype.fields)


def _rows_that_are_no_object(path: Path) -> list[int]:
    return [row for row, line in enumerate(_lines(path), start=1) if not _is_object(line)]


def _without(path: Path, faulty: Collection[int]) -> Path:
    """A copy in which faulty lines are empty objects."""
    target = private_copy(path.name)
    with target.open("w", encoding="utf-8") as out:
        for row, line in enumerate(_lines(path), start=1):
            out.write("{}\n" if row in faulty else line)
    return target


def _lines(path: Path) -> Iterator[str]:
    """The lines that are rows."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
        yield from (line for line in file if line.strip())


def _is_object(line: str) -> bool:
    """Whether it is valid JSON: no key twice, no NaN or Infinity, no half of a character alone."""
    try:
        parsed = json.loads(line, parse_constant=_refuse, object_pairs_hook=_each_once)
        json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return isinstance(parsed, dict)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands twice")
    return record


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
