"""CSV files as people have them: every cell is text, and a bad line costs that line alone.

A file is read as lines, and every line is taken apart by expressions: only so is it known how many
fields a line has, and which lines a quoted cell spans.
"""

import csv
import mmap
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from sources.own_columns import FAULT, ROW, SHORT
from sources.plain_text import PlainText, plain_text
from sources.protocol import SourceError

AUTO = "auto"
"""Quotes are `"`, and lines that a quoted cell swallowed are looked for."""
NONE = "none"
"""A quote is a letter like any other."""

_DECLARED = re.compile(r"^sep=(.)$")
_LINE = f"{ROW}line"
_CELLS = f"{ROW}cells"
_BARE = f"{ROW}bare"
_SHAPE_ROWS = 5_000
_SHAPED = 0.98
_ALIKE = 0.8
_NUMBER_LIKE = r"^[-+]?\d[\d.,:/TZ+ -]*$"
_WORD_LIKE = r"^\S+$"


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes:
        separator: between two fields; None is a comma, or what a first line `sep=;` says.
        quote: `AUTO`, `NONE`, or the character; a character that is named is believed, whatever
            a quoted cell holds.
        encoding: None finds out.
        columns: names of the columns of a file without a header line; None where it has one.
    """

    separator: str | None = None
    quote: str = AUTO
    encoding: str | None = None
    columns: tuple[str, ...] | None = None


def scan_text(
    path: Path, dialect: Dialect | None = None, sample: int | None = None
) -> pl.LazyFrame:
    """The columns of a CSV as text, null where a line ends before the cell.

    Beside them are `ROW`, counted from 1 without the header; `FAULT`, what is wrong with a line
    that cannot be taken apart (all its cells are null), else null; `SHORT`, whether a line ends
    before its last cell. A blank line is no row. Line ends within a quoted cell are line feeds.

    Args:
        path: the file.
        dialect: how it is written.
        sample: only so many of its first and of its last rows; None takes all.

    Raises:
        SourceError: the file is absent, empty or no text, or a quote that has no pair swallowed
            lines.
    """
    dialect = dialect or Dialect()
    plain = plain_text(path, dialect.encoding)
    separator, skipped = _separator(plain.path, dialect)
    quote = '"' if dialect.quote == AUTO else dialect.quote
    quoted = quote != NONE and _holds(plain.path, quote.encode())
    names, header = _header(path, plain, separator, quote if quoted else None, skipped, dialect)
    lines = _lines(plain.path).with_columns(pl.col(_LINE).fill_null(""))
    lines = lines.filter(pl.col(ROW) >= skipped + header)
    if not quoted:
        records = lines.with_columns((pl.col(ROW) - (skipped + header) + 1).alias(ROW))
        return _split(first_and_last(records, sample), separator, names)
    grammar = _Grammar(quote, separator)
    spans = _spans(lines, grammar)
    records = _records(lines, spans)
    if dialect.quote == AUTO and len(spans.starts):
        _require_nothing_swallowed(path, lines, spans, names, grammar)
    return _take_apart(first_and_last(records, sample), grammar, names)


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
    return _lines(plain.path).select((pl.col(ROW) + 1).alias(ROW), pl.col(_LINE).alias("line"))


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


class _Grammar:
    """What a line with quotes can be, as patterns (RFC 4180; a quote within a bare cell stands)."""

    def __init__(self, quote: str, separator: str) -> None:
        self.quote, self.separator = quote, separator
        q, s = _byte(quote), _byte(separator)
        inside = f"(?:[^{q}]|{q}{q})*"
        cell = f"(?:{q}{inside}{q}|[^{q}{s}][^{s}]*|)"
        self.cell = f"(?s){s}{cell}"
        self.closed = f"(?s)^{cell}(?:{s}{cell})*$"
        """A whole record."""
        self.opens = f"(?s)^(?:{cell}{s})*{q}{inside}$"
        """Its last cell goes on in the next line."""
        self.goes_on = f"^{inside}$"
        """Within a cell that began before and does not end here."""
        self.closes = f"^{inside}{q}(?:{s}{cell})*$"
        """Ends a cell that began before, and the record."""
        self.closes_and_opens = f"^{inside}{q}(?:{s}{cell})*{s}{q}{inside}$"


@dataclass(frozen=True)
class _Spans:
    """Records of more than one line.

    Attributes:
        starts: (n,) number of the first line of each.
        ends: (n,) number of the last.
    """

    starts: np.ndarray
    ends: np.ndarray

    def continuations(self) -> pl.DataFrame:
        """Every line of a record but the first: its number in `ROW`, and `start`."""
        lengths = self.ends - self.starts
        starts = np.repeat(self.starts, lengths)
        first = np.cumsum(lengths) - lengths
        within = np.arange(len(starts)) - np.repeat(first, lengths)
        return pl.DataFrame(
            {ROW: starts + within + 1, "start": starts}, schema={ROW: pl.Int64, "start": pl.Int64}
        )


def _spans(lines: pl.LazyFrame, grammar: _Grammar) -> _Spans:
    """Which lines belong together because a quoted cell goes on over their ends.

    A line whose quote nothing closes is left to itself: it costs no other line.
    """
    line = pl.col(_LINE)
    opening = lines.filter(line.str.contains(grammar.opens)).select(ROW)
    openers = opening.collect(engine="streaming").to_series().to_numpy()
    if not len(openers):
        return _Spans(np.zeros(0, np.int64), np.zeros(0, np.int64))
    kinds = (
        lines.filter(line.str.contains(grammar.quote, literal=True))
        .filter(~line.str.contains(grammar.goes_on))
        .select(
            ROW,
            closes=line.str.contains(grammar.closes),
            again=line.str.contains(grammar.closes_and_opens),
        )
        .collect(engine="streaming")
    )
    places = kinds[ROW].to_numpy()
    closes, again = kinds["closes"].to_numpy(), kinds["again"].to_numpy()
    found: list[tuple[int, int]] = []
    free_from = 0
    # Only over lines that open a cell, of which a table of one-line records has none.
    for opener, after in zip(
        openers.tolist(), np.searchsorted(places, openers, "right").tolist(), strict=True
    ):
        if opener < free_from:
            continue
        end = after
        while end < len(places) and again[end] and not closes[end]:
            end += 1
        if end < len(places) and closes[end]:
            found.append((opener, int(places[end])))
            free_from = int(places[end]) + 1
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return _Spans(pairs[:, 0], pairs[:, 1])


def _records(lines: pl.LazyFrame, spans: _Spans) -> pl.LazyFrame:
    """Lines with those of one record joined, counted from 1 in `ROW`."""
    if len(spans.starts):
        rest = spans.continuations()
        joined = (
            lines.join(rest.lazy(), on=ROW, how="inner", maintain_order="left")
            .group_by("start", maintain_order=True)
            .agg(pl.col(_LINE).str.join("\n").alias("rest"))
            .collect()
        )
        lines = (
            lines.join(rest.lazy(), on=ROW, how="anti", maintain_order="left")
            .join(joined.lazy(), left_on=ROW, right_on="start", how="left", maintain_order="left")
            .with_columns(
                pl.when(pl.col("rest").is_null())
                .then(_LINE)
                .otherwise(pl.concat_str(_LINE, pl.lit("\n"), "rest"))
                .alias(_LINE)
            )
        )
    return lines.select(_LINE).with_row_index(ROW, offset=1).cast({ROW: pl.Int64})


def _require_nothing_swallowed(
    path: Path, lines: pl.LazyFrame, spans: _Spans, names: Sequence[str], grammar: _Grammar
) -> None:
    """Finds cells whose inner lines look like rows: two stray quotes that happen to pair.

    Raises:
        SourceError: there is one; it names the line of its quote.
    """
    rest = spans.continuations()
    bare = lines.filter(~pl.col(_LINE).str.contains(grammar.quote, literal=True))
    sample = _split(bare.head(_SHAPE_ROWS), grammar.separator, names).filter(
        pl.col(FAULT).is_null() & ~pl.col(SHORT)
    )
    shaped = _shapes(sample.collect(), names)
    if not shaped:
        return
    inner = lines.join(rest.lazy(), on=ROW, how="inner", maintain_order="left")
    cells = pl.col(_LINE).str.replace_all(grammar.quote, "", literal=True)
    fields = inner.with_columns(cells.str.splitn(grammar.separator, len(names) + 1).alias(_CELLS))
    alike = pl.all_horizontal(
        pl.col(_CELLS).struct.field(f"field_{place}").str.contains(shape).fill_null(False)
        for place, shape in shaped.items()
    )
    whole = (
        pl.col(_CELLS).struct.field(f"field_{len(names)}").is_null()
        & pl.col(_CELLS).struct.field(f"field_{len(names) - 1}").is_not_null()
    )
    # One line of a text may look like a row of a table of two columns by chance.
    fewest = 1 if len(shaped) > 1 else 2
    found = (
        fields.group_by("start", maintain_order=True)
        .agg(rows=(alike & whole).sum(), lines=pl.len())
        .filter((pl.col("rows") >= fewest) & (pl.col("rows") >= _ALIKE * pl.col("lines")))
        .sort("start")
        .collect()
    )
    if not found.is_empty():
        start, rows = found["start"][0] + 1, found["rows"].sum()
        raise SourceError(
            f"{path}, line {start}: a quote opens a cell that goes on over lines that look like "
            f"rows ({rows:,} in all); write `quote: none` in the mapping where quotes are part of "
            f"the text, or `quote: '{grammar.quote}'` where these lines do belong to one cell."
        )


def _shapes(sample: pl.DataFrame, names: Sequence[str]) -> dict[int, str]:
    """Which columns hold nothing but numbers and times, else which hold nothing but words."""
    for shape in (_NUMBER_LIKE, _WORD_LIKE):
        share = sample.select(pl.col(list(names)).str.contains(shape).fill_null(False).mean())
        found = {
            place: shape
            for place, name in enumerate(names)
            if sample.height and share[name][0] >= _SHAPED
        }
        if found:
            return found
    return {}


def _split(records: pl.LazyFrame, separator: str, names: Sequence[str]) -> pl.LazyFrame:
    """Takes records without quotes apart."""
    n = len(names)
    cells = pl.col(_LINE).str.splitn(separator, n + 1).alias(_CELLS)
    fields = [pl.col(_CELLS).struct.field(f"field_{place}") for place in range(n + 1)]
    too_many = fields[n].is_not_null()
    return (
        records.filter(_is_row(n))
        .with_columns(cells)
        .select(
            ROW,
            pl.when(too_many).then(pl.lit(_too_many(n))).alias(FAULT),
            fields[n - 1].is_null().alias(SHORT),
            *(
                pl.when(~too_many).then(field).alias(name)
                for name, field in zip(names, fields, strict=False)
            ),
        )
    )


def _take_apart(records: pl.LazyFrame, grammar: _Grammar, names: Sequence[str]) -> pl.LazyFrame:
    """Takes records with quotes apart: a cell is bare, or quoted with its quotes doubled."""
    n = len(names)
    line, cells, bare = pl.col(_LINE), pl.col(_CELLS), pl.col(_BARE)
    quoted = line.str.contains(grammar.quote, literal=True)
    # Most lines of most files hold no quote, and are taken apart without a pattern.
    asked = pl.when(quoted).then(pl.concat_str(pl.lit(grammar.separator), line))
    plain = pl.when(~quoted).then(line)
    count = cells.list.len()
    unpaired = pl.col("unpaired").fill_null(False)
    too_many = (count > n).fill_null(False) | bare.struct.field(f"field_{n}").is_not_null()
    short = (count < n).fill_null(bare.struct.field(f"field_{n - 1}").is_null())
    sound = ~unpaired & ~too_many

    def cell(place: int) -> pl.Expr:
        raw = cells.list.get(place, null_on_oob=True)
        inner = raw.str.strip_prefix(grammar.separator + grammar.quote)
        unquoted = inner.str.strip_suffix(grammar.quote).str.replace_all(
            grammar.quote * 2, grammar.quote, literal=True
        )
        is_quoted = raw.str.starts_with(grammar.separator + grammar.quote)
        found = pl.when(is_quoted).then(unquoted).otherwise(raw.str.slice(1))
        return pl.coalesce(bare.struct.field(f"field_{place}"), found)

    fault = (
        pl.when(unpaired)
        .then(pl.lit("a quote in this line has no pair; where it is text, write quote: none"))
        .when(too_many)
        .then(pl.lit(_too_many(n)))
    )
    return (
        records.filter(_is_row(n))
        .with_columns(
            asked.str.extract_all(grammar.cell).alias(_CELLS),
            plain.str.splitn(grammar.separator, n + 1).alias(_BARE),
            unpaired=~pl.when(quoted).then(line).str.contains(grammar.closed),
        )
        .select(
            ROW,
            fault.alias(FAULT),
            (sound & short).alias(SHORT),
            *(pl.when(sound).then(cell(place)).alias(name) for place, name in enumerate(names)),
        )
    )


def _is_row(n_columns: int) -> pl.Expr:
    """A blank line is no row; of a table of one column it is a row without a value."""
    return pl.col(_LINE).str.len_bytes() > 0 if n_columns > 1 else pl.lit(True)


def _too_many(n_columns: int) -> str:
    return (
        f"more fields than the {n_columns} columns; quote a cell that holds the separator, and "
        "name every column"
    )


def _lines(path: Path) -> pl.LazyFrame:
    """Every line in `_LINE`, numbered from 0 in `ROW`."""
    return pl.scan_csv(
        path,
        separator=_unused(path),
        has_header=False,
        infer_schema=False,
        new_columns=[_LINE],
        quote_char=None,
        truncate_ragged_lines=True,
        encoding="utf8-lossy",
        row_index_name=ROW,
    ).cast({ROW: pl.Int64})


def _unused(path: Path) -> str:
    """A byte that the file does not hold, so that no line is split."""
    for code in (*range(1, 9), 11, 12, *range(14, 32)):
        if not _holds(path, bytes([code])):
            return chr(code)
    raise SourceError(f"{path} holds every control character there is; it is no text.")


def _holds(path: Path, wanted: bytes) -> bool:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(wanted) >= 0


def _separator(path: Path, dialect: Dialect) -> tuple[str, int]:
    """The separator, and how many lines only say which it is."""
    first = next(_text_lines(path), "")
    declared = _DECLARED.match(first.strip("\r\n"))
    if declared is None:
        return dialect.separator or ",", 0
    return dialect.separator or declared.group(1), 1


def _header(
    path: Path,
    plain: PlainText,
    separator: str,
    quote: str | None,
    skipped: int,
    dialect: Dialect,
) -> tuple[list[str], int]:
    """Names of the columns, and how many lines hold them."""
    if dialect.columns is not None:
        return list(dialect.columns), 0
    texts = _text_lines(plain.path)
    for _ in range(skipped):
        next(texts)
    reader = (
        csv.reader(texts, delimiter=separator, quotechar=quote)
        if quote
        else csv.reader(texts, delimiter=separator, quoting=csv.QUOTE_NONE)
    )
    try:
        given = next(reader)
    except (StopIteration, csv.Error) as error:
        raise SourceError(f"{path} has no header line; give a file with one.") from error
    return _unique([name.lstrip("\ufeff").strip() for name in given]), reader.line_num


def _unique(names: list[str]) -> list[str]:
    """Names as they are; one that came before, or is blank, gets its position."""
    found: list[str] = []
    for place, name in enumerate(names, start=1):
        found.append(name if name and name not in found else f"{name}#{place}")
    return found


def _text_lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        yield from file


def _byte(character: str) -> str:
    return f"\\x{{{ord(character):x}}}"
