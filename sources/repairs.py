"""Counts fields that say nothing usable and count as absent, so that no row is lost for one."""

from collections.abc import Mapping, Sequence

import polars as pl

from sources.protocol import REPAIRS, no_repairs

BLANK_WORD = "a word for nothing"
NO_NUMBER = "no number"
UNSURE_NUMBER = "a number that may have a decimal comma: see decimal in the mapping"
NO_TIME = "no time"
NEVER = "a time that means never"
SHORT_LINE = "the line ends before its last column"
LOST_LETTERS = "bytes that are no UTF-8"
LEFT_OUT = "left out by the mapping"
"""Of whole rows, which are no rejects."""


def count_repairs(
    rows: pl.LazyFrame, flags: Mapping[tuple[str, str], pl.Expr], source_file: str
) -> pl.LazyFrame:
    """How many of some rows were repaired, in the columns of `REPAIRS`.

    Args:
        rows: usable rows.
        flags: by column and kind of repair, whether a row of `rows` had it.
        source_file: their file.
    """
    if not flags:
        return no_repairs()
    names = pl.Series([column for column, _ in flags], dtype=pl.String)
    kinds = pl.Series([what for _, what in flags], dtype=pl.String)
    counts = pl.concat_list(expr.fill_null(False).sum().cast(pl.Int64) for expr in flags.values())
    return (
        rows.select(rows=counts)
        .explode("rows")
        .select(
            source_file=pl.lit(source_file),
            column=pl.lit(names),
            what=pl.lit(kinds),
            rows=pl.col("rows"),
        )
        .filter(pl.col("rows") > 0)
    )


def join_repairs(parts: Sequence[pl.LazyFrame]) -> pl.LazyFrame:
    """All repairs in one table, sorted by file, column and kind."""
    whole = pl.concat([no_repairs(), *parts])
    return whole.sort("source_file", "column", "what").select(REPAIRS.names())
