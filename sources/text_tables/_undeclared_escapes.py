"""Backslashes before quotes in a file whose mapping says nothing of escapes.

The examples have " as quote and a comma between two fields.
"""

from pathlib import Path

import numpy as np
import polars as pl

from sources.own_columns import ROW
from sources.protocol import SourceError
from sources.text_tables._dialect import BACKSLASH
from sources.text_tables._lines import LINE
from sources.text_tables._quotes import Grammar, Spans, quoted_spans

AMBIGUOUS = (
    "a backslash stands before a quote; write escape: '\\' where it marks a quote that is text, "
    "escape: none where it is a letter"
)
"""What is said of a line that can be read in two ways."""


def ambiguous(grammar: Grammar) -> pl.Expr:
    r"""Whether backslashes before quotes let a record be taken apart in two ways.

    As `"a\",\"b"`: two cells, or one.
    """
    return _escaped(grammar) & pl.col(LINE).str.contains(grammar.closed)


def require_no_escapes(path: Path, lines: pl.LazyFrame, spans: Spans, grammar: Grammar) -> None:
    r"""Finds lines that are whole only if a backslash marks a quote as text.

    As `"5\" disk",x`, or `"a \"b` before `c",x`.

    Args:
        path: the file, named in errors.
        lines: all of them.
        spans: records of more than one line, as quotes alone have them.
        grammar: of the quotes.

    Raises:
        SourceError: there is one; it names the line and the key.
    """
    numbers = (
        *_whole_only_if_escaped(lines, spans, grammar),
        *_joined_only_if_escaped(lines, spans, grammar),
    )
    row = min(numbers, default=None)
    if row is not None:
        raise SourceError(
            f"{path}, line {row + 1}: a backslash stands before a quote; write `escape: '\\'` in "
            "the mapping where it marks quotes that are part of the text, or `escape: none` where "
            "it is a letter like any other."
        )


def _whole_only_if_escaped(lines: pl.LazyFrame, spans: Spans, grammar: Grammar) -> list[int]:
    r"""The first line, if any, that is a record only if quotes are escaped: `"5\" disk",x`."""
    starts = pl.col(ROW).is_in(spans.starts.tolist())
    first_line = (
        lines.join(spans.continuations().lazy(), on=ROW, how="anti")
        .filter(_escaped(grammar) & (starts | ~pl.col(LINE).str.contains(grammar.closed)))
        .select(pl.col(ROW).min())
        .collect(engine="streaming")
    )
    return first_line.to_series().drop_nulls().to_list()


def _joined_only_if_escaped(lines: pl.LazyFrame, spans: Spans, grammar: Grammar) -> list[int]:
    r"""First lines of records that hold escaped quotes, and go on only where those are escaped.

    As `"a \"b` before `c",x`.
    """
    quote = BACKSLASH + grammar.quote
    marked = lines.filter(pl.col(LINE).str.contains(quote, literal=True)).select(ROW)
    numbers = marked.collect(engine="streaming").to_series().to_numpy()
    escaped = quoted_spans(lines.with_columns(_without_escapes(grammar).alias(LINE)), grammar)
    known = set(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True))
    return [
        start
        for start, end in zip(escaped.starts.tolist(), escaped.ends.tolist(), strict=True)
        if (start, end) not in known
        and np.searchsorted(numbers, start) < np.searchsorted(numbers, end, "right")
    ]


def _escaped(grammar: Grammar) -> pl.Expr:
    r"""Whether a line has escaped quotes, and is whole if they are what they seem: `"5\" disk"`."""
    marked = pl.col(LINE).str.contains(BACKSLASH + grammar.quote, literal=True)
    return marked & _without_escapes(grammar).str.contains(grammar.closed)


def _without_escapes(grammar: Grammar) -> pl.Expr:
    r"""A line without backslashes and quotes that would be text if escaped: `5\"\\` gives `5`."""
    bare = pl.col(LINE).str.replace_all(BACKSLASH * 2, "", literal=True)
    return bare.str.replace_all(BACKSLASH + grammar.quote, "", literal=True)
