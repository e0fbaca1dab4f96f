"""Takes lines apart into cells."""

from collections.abc import Sequence

import polars as pl

from sources.own_columns import FAULT, ROW, SHORT
from sources.text_tables._dialect import BACKSLASH
from sources.text_tables._lines import LINE
from sources.text_tables._quotes import Grammar
from sources.text_tables._undeclared_escapes import AMBIGUOUS, ambiguous

CELLS = f"{ROW}cells"
_BARE = f"{ROW}bare"


def split_bare(records: pl.LazyFrame, separator: str, names: Sequence[str]) -> pl.LazyFrame:
    """Takes records without quotes apart."""
    n = len(names)
    cells = pl.col(LINE).str.splitn(separator, n + 1).alias(CELLS)
    fields = [pl.col(CELLS).struct.field(f"field_{place}") for place in range(n + 1)]
    too_many = fields[n].is_not_null()
    return (
        records.filter(_is_row(n))
        .with_columns(cells)
        .select(
            ROW,
            pl.when(too_many).then(_too_many(n, separator)).alias(FAULT),
            fields[n - 1].is_null().alias(SHORT),
            *(
                pl.when(~too_many).then(field).alias(name)
                for name, field in zip(names, fields, strict=False)
            ),
        )
    )


def split_quoted(
    records: pl.LazyFrame, grammar: Grammar, names: Sequence[str], *, doubt: bool = False
) -> pl.LazyFrame:
    """Splits records with quotes into cells: each is bare, or quoted with its quotes doubled.

    Args:
        records: whole ones.
        grammar: of their quotes.
        names: of the columns.
        doubt: whether a record is faulty that can be read in two ways because of backslashes.
    """
    n = len(names)
    cells, bare = pl.col(CELLS), pl.col(_BARE)
    count = cells.list.len()
    unpaired = pl.col("unpaired").fill_null(False)
    too_many = (count > n).fill_null(False) | bare.struct.field(f"field_{n}").is_not_null()
    short = (count < n).fill_null(bare.struct.field(f"field_{n - 1}").is_null())
    doubted = pl.col("doubted") if doubt else pl.lit(False)
    sound = ~unpaired & ~too_many & ~doubted
    fault = (
        pl.when(unpaired)
        .then(pl.lit("a quote in this line has no pair; where it is text, write quote: none"))
        .when(too_many)
        .then(_too_many(n, grammar.separator))
        .when(doubted)
        .then(pl.lit(AMBIGUOUS))
    )
    return _taken_apart(records.filter(_is_row(n)), grammar, n, doubt).select(
        ROW,
        fault.alias(FAULT),
        (sound & short).alias(SHORT),
        *(
            pl.when(sound).then(_content(grammar, place)).alias(name)
            for place, name in enumerate(names)
        ),
    )


def _taken_apart(
    records: pl.LazyFrame, grammar: Grammar, n_columns: int, doubt: bool
) -> pl.LazyFrame:
    """Records with what their cells are read from, of which each has one.

    `CELLS` are the cells of a record with quotes, each with the separator before it; `_BARE` those
    of one without: most lines of most files, which are split without a pattern. `unpaired` says of
    a record with quotes that one has no pair, and `doubted`, where it is asked, that it can be read
    in two ways.
    """
    line = pl.col(LINE)
    quoted = line.str.contains(grammar.quote, literal=True)
    quoted_line = pl.when(quoted).then(pl.concat_str(pl.lit(grammar.separator), line))
    plain = pl.when(~quoted).then(line)
    return records.with_columns(
        quoted_line.str.extract_all(grammar.cell).alias(CELLS),
        plain.str.splitn(grammar.separator, n_columns + 1).alias(_BARE),
        unpaired=~pl.when(quoted).then(line).str.contains(grammar.closed),
        **({"doubted": ambiguous(grammar)} if doubt else {}),
    )


def _content(grammar: Grammar, place: int) -> pl.Expr:
    """What the cell at a place of a record of `_taken_apart` says, without its quotes."""
    raw = pl.col(CELLS).list.get(place, null_on_oob=True)
    inner = raw.str.strip_prefix(grammar.separator + grammar.quote)
    unquoted = inner.str.strip_suffix(grammar.quote).str.replace_all(
        grammar.quote * 2, grammar.quote, literal=True
    )
    is_quoted = raw.str.starts_with(grammar.separator + grammar.quote)
    content = pl.when(is_quoted).then(unquoted).otherwise(raw.str.slice(1))
    return pl.coalesce(pl.col(_BARE).struct.field(f"field_{place}"), content)


def _is_row(n_columns: int) -> pl.Expr:
    """A blank line is no row; of a table of one column it is a row without a value."""
    return pl.col(LINE).str.len_bytes() > 0 if n_columns > 1 else pl.lit(True)


def _too_many(n_columns: int, separator: str) -> pl.Expr:
    message = (
        f"more fields than the {n_columns} columns; quote a cell that holds the separator, and "
        "name every column"
    )
    escaped = pl.col(LINE).str.contains(BACKSLASH + separator, literal=True)
    hint = "; where a backslash marks it, write escape: '\\'"
    ended = pl.col(LINE).str.ends_with(separator)
    ending = "; where all lines end in a separator, end the header so too"
    return (
        pl.when(escaped)
        .then(pl.lit(message + hint))
        .when(ended)
        .then(pl.lit(message + ending))
        .otherwise(pl.lit(message))
    )
