"""Opens a text file as a table."""

from pathlib import Path

import polars as pl

from sources.own_columns import FAULT, ROW
from sources.plain_text import plain_text
from sources.protocol import SourceError
from sources.text_tables._cells import split_bare, split_quoted
from sources.text_tables._dialect import AUTO, BACKSLASH, NONE, Dialect
from sources.text_tables._escapes import Escapes
from sources.text_tables._header import header_of, separator_of
from sources.text_tables._lines import LINE, holds, lines_of
from sources.text_tables._quotes import Grammar, joined, quoted_spans
from sources.text_tables._swallowed import require_nothing_swallowed
from sources.text_tables._undeclared_escapes import require_no_escapes

_HEADER_AGAIN = "this line is the header again; take it out"


def scan_text(
    path: Path, dialect: Dialect | None = None, sample: int | None = None
) -> pl.LazyFrame:
    """The columns of a CSV as text, null where a line ends before the cell.

    There are also `ROW`, counted from 1 without the header; `FAULT`, what is wrong with a line
    that cannot be taken apart (all its cells are null), else null; `SHORT`, whether a line ends
    before its last cell. A blank line is no row. Line ends within a quoted cell are line feeds.

    Args:
        path: the file.
        dialect: how it is written.
        sample: only so many of its first and of its last rows; None takes all.

    Raises:
        SourceError: the file is absent, empty or no text, a quote that has no pair swallowed
            lines, or quotes are escaped and nothing says so.
    """
    dialect = dialect or Dialect()
    plain = plain_text(path, dialect.encoding)
    separator, skipped = separator_of(plain.path, dialect)
    quote = _quote_in_use(plain.path, dialect)
    names, header = header_of(path, plain, separator, quote, skipped, dialect)
    lines = lines_of(plain.path).with_columns(pl.col(LINE).fill_null(""))
    lines = lines.filter(pl.col(ROW) >= skipped + header)
    escapes = None
    if dialect.escape == BACKSLASH and holds(plain.path, BACKSLASH.encode()):
        escapes = Escapes(plain.path, quote, separator, bare=dialect.quote == NONE)
        lines = escapes.hidden(lines)
    if quote is None:
        rows = split_bare(first_and_last(_numbered(lines), sample), separator, names)
    else:
        grammar = Grammar(quote, separator)
        spans = quoted_spans(lines, grammar)
        # Nothing says whether a backslash before a quote is a letter or marks the quote as text.
        nothing_said = dialect.quote == AUTO and dialect.escape is None
        doubt = nothing_said and holds(plain.path, (BACKSLASH + quote).encode())
        if doubt:
            require_no_escapes(path, lines, spans, grammar)
        if dialect.quote == AUTO and len(spans.starts):
            require_nothing_swallowed(path, lines, spans, names, grammar)
        records = first_and_last(_numbered(joined(lines, spans)), sample)
        rows = split_quoted(records, grammar, names, doubt=doubt)
    rows = rows if escapes is None else escapes.shown(rows, names)
    return rows if dialect.columns is not None else _without_headers(rows, names)


def _quote_in_use(path: Path, dialect: Dialect) -> str | None:
    """The sign that quotes cells; None where there is none, or the file does not hold it."""
    sign = '"' if dialect.quote == AUTO else dialect.quote
    return sign if sign != NONE and holds(path, sign.encode()) else None


def _without_headers(rows: pl.LazyFrame, names: list[str]) -> pl.LazyFrame:
    """Rows that are the header again, as where files were joined end to end, become faulty."""
    again = pl.all_horizontal(pl.col(name).str.strip_chars() == name for name in names)
    fault = pl.when(again.fill_null(False) & (len(names) > 1)).then(pl.lit(_HEADER_AGAIN))
    return rows.with_columns(pl.coalesce(FAULT, fault).alias(FAULT))


def first_and_last(rows: pl.LazyFrame, sample: int | None) -> pl.LazyFrame:
    """So many of the first and of the last rows of a frame with `ROW`; None takes all."""
    if sample is None:
        return rows
    last = rows.select(pl.col(ROW).max()).collect(engine="streaming").item() or 0
    return rows.filter((pl.col(ROW) <= sample) | (pl.col(ROW) > last - sample))


def scan_lines(path: Path) -> pl.LazyFrame:
    """Every line as it is in `line`, and `ROW`, counted from 1.

    Raises:
        SourceError: the file is absent or empty.
    """
    plain = plain_text(path)
    return lines_of(plain.path).select((pl.col(ROW) + 1).alias(ROW), pl.col(LINE).alias("line"))


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


def _numbered(records: pl.LazyFrame) -> pl.LazyFrame:
    """Records counted from 1."""
    return records.select(LINE).with_row_index(ROW, offset=1).cast({ROW: pl.Int64})
