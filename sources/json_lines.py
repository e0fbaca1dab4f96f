"""JSON Lines: an object a line, whose fields are the columns."""

import json
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
        if not _may_repeat_a_key(plain.path, frame):
            return _numbered(frame, [])
    except pl.exceptions.PolarsError:
        pass
    sound, faulty = _without_faulty_lines(plain.path)
    try:
        return _numbered(_scanned(sound), faulty)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise SourceError(
            f"{path} cannot be read as JSON Lines ({reason}); give each field one type."
        ) from error


def _scanned(path: Path) -> pl.LazyFrame:
    frame = pl.scan_ndjson(path, infer_schema_length=None)
    frame.select(pl.all().null_count()).collect(engine="streaming")
    return frame


def _may_repeat_a_key(path: Path, frame: pl.LazyFrame) -> bool:
    """Whether some line names a field twice, maybe within a record of another field."""
    line = pl.col(LINE)
    twice = [
        line.str.count_matches(json.dumps(name, ensure_ascii=False) + ":", literal=True) > 1
        for name in frame.collect_schema()
    ]
    spaced = line.str.replace_all(r'"\s+:', '":')
    found = lines_of(path).with_columns(spaced).select(pl.any_horizontal(twice).any())
    return bool(found.collect(engine="streaming").item())


def _numbered(frame: pl.LazyFrame, faulty: list[int]) -> pl.LazyFrame:
    fault = pl.when(pl.col(ROW).is_in(faulty)).then(pl.lit(_UNREADABLE))
    numbered = frame.with_row_index(ROW, offset=1).cast({ROW: pl.Int64})
    return numbered.with_columns(fault.alias(FAULT), pl.lit(False).alias(SHORT))


def _without_faulty_lines(path: Path) -> tuple[Path, list[int]]:
    """A copy in which lines that are no object are empty objects, and which rows those are."""
    target, faulty, row = private_copy(path.name), [], 0
    with path.open(encoding="utf-8-sig", errors="replace") as file, target.open("w") as out:
        for line in file:
            if not line.strip():
                continue
            row += 1
            if not _is_object(line):
                faulty.append(row)
                line = "{}\n"
            out.write(line)
    return target, faulty


def _is_object(line: str) -> bool:
    """Whether it is JSON's own: no key twice, no NaN or Infinity, no halves of characters."""
    try:
        found = json.loads(line, parse_constant=_refuse, object_pairs_hook=_each_once)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
