"""CSV files as people have them: every cell is text, and a bad line costs that line alone."""

import csv
import logging
import mmap
from pathlib import Path

import polars as pl

from sources.protocol import SourceError

logger = logging.getLogger(__name__)

# A byte that no text file holds: every line is read whole and taken apart by expressions.
_NEVER = "\x01"


def scan_text(path: Path, separator: str = ",") -> pl.LazyFrame:
    """The columns of a CSV as text, null where a cell is absent, and `row`, counted from 1.

    Bytes that are not UTF-8 become replacement characters. Where the quotes of the file do not
    pair, it is read line by line: a line that cannot be taken apart has null in every column, so
    that the caller rejects it, and a cell that spans lines is such a line.

    Raises:
        SourceError: the file is absent, empty or no text.
    """
    try:
        quoted = _holds_quote(path)
        frame = pl.scan_csv(
            path,
            separator=separator,
            quote_char='"' if quoted else None,
            infer_schema=False,
            truncate_ragged_lines=True,
            encoding="utf8-lossy",
            row_index_name="row",
            row_index_offset=1,
        )
        frame.collect_schema()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise SourceError(f"{path} cannot be read as a table ({error}).") from error
    if quoted and not _readable(frame):
        logger.warning("%s has quotes that do not pair: it is read line by line.", path.name)
        return _line_by_line(path, separator)
    return frame


def scan_lines(path: Path) -> pl.LazyFrame:
    """Every line as it is in `line`, and `row`, counted from 1."""
    return pl.scan_csv(
        path,
        separator=_NEVER,
        has_header=False,
        infer_schema=False,
        new_columns=["line"],
        quote_char=None,
        truncate_ragged_lines=True,
        encoding="utf8-lossy",
        row_index_name="row",
        row_index_offset=1,
    )


def require_columns(path: Path, frame: pl.LazyFrame, columns: list[str]) -> None:
    """Checks the header of a file whose columns are fixed.

    Raises:
        SourceError: a column is absent.
    """
    header = frame.collect_schema().names()
    absent = [column for column in columns if column not in header]
    if absent:
        raise SourceError(
            f"{path} has no column {', '.join(absent)}; its header must hold {', '.join(columns)}."
        )


def _holds_quote(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, 2):
            raise SourceError(f"{path} is empty; give a file with a header.")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(b'"') >= 0


def _readable(frame: pl.LazyFrame) -> bool:
    try:
        frame.select(pl.all().null_count()).collect(engine="streaming")
    except pl.exceptions.ComputeError:
        return False
    return True


def _line_by_line(path: Path, separator: str) -> pl.LazyFrame:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        names = next(csv.reader([file.readline()], delimiter=separator))
    mark = f"\\x{ord(separator):02x}"
    cell = f'(?:"((?:[^"]|"")*)"|([^"{mark}]*))'
    whole = pl.col("line").str.extract_groups(f"^{mark.join([cell] * len(names))}$")
    lines = scan_lines(path).filter(pl.col("row") > 1)
    fields = [
        pl.coalesce(
            pl.col("cells")
            .struct.field(str(2 * place + 1))
            .str.replace_all('""', '"', literal=True),
            pl.col("cells").struct.field(str(2 * place + 2)),
        ).alias(name)
        for place, name in enumerate(names)
    ]
    return lines.select((pl.col("row") - 1).alias("row"), whole.alias("cells")).select(
        "row", *fields
    )
