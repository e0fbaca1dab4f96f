"""Quoted cells, and records that go on over the ends of lines for one."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from sources.own_columns import ROW
from sources.text_tables._lines import LINE


class Grammar:
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
class Spans:
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


def quoted_spans(lines: pl.LazyFrame, grammar: Grammar) -> Spans:
    """Which lines belong together because a quoted cell goes on over their ends.

    From a line that may open such a cell, only the lines after it are looked at that have a quote
    of their own (`with_quote`): all others lie within the cell. One that closes the cell ends the
    record, one that closes it and opens another lets it go on, and at any other the search ends:
    the quote that seemed to open is left to itself, and costs no other line. Where a line may close
    or go on, it closes. A line within a record opens no other.
    """
    line = pl.col(LINE)
    opening = lines.filter(line.str.contains(grammar.opens)).select(ROW)
    openers = opening.collect(engine="streaming").to_series().to_numpy()
    if not len(openers):
        return Spans(np.zeros(0, np.int64), np.zeros(0, np.int64))
    with_quote = (
        lines.filter(line.str.contains(grammar.quote, literal=True))
        .filter(~line.str.contains(grammar.goes_on))
        .select(
            ROW,
            closes=line.str.contains(grammar.closes),
            closes_and_opens=line.str.contains(grammar.closes_and_opens),
        )
        .collect(engine="streaming")
    )
    columns = (ROW, "closes", "closes_and_opens")
    return _paired(openers, *(with_quote[name].to_numpy() for name in columns))


def _paired(
    openers: np.ndarray, with_quote: np.ndarray, closes: np.ndarray, closes_and_opens: np.ndarray
) -> Spans:
    """The records that lines which may open a cell begin.

    Args:
        openers: (o,) numbers of those lines.
        with_quote: (n,) numbers of the lines with a quote of their own, ascending.
        closes: (n,) which of these may close a cell and end the record.
        closes_and_opens: (n,) which may close one and open another.
    """
    ranges: list[tuple[int, int]] = []
    free_from = 0
    following = np.searchsorted(with_quote, openers, "right")
    # Only over lines that open a cell, of which a table of one-line records has none.
    for opener, at in zip(openers.tolist(), following.tolist(), strict=True):
        if opener < free_from:
            continue
        while at < len(with_quote) and closes_and_opens[at] and not closes[at]:
            at += 1
        if at < len(with_quote) and closes[at]:
            ranges.append((opener, int(with_quote[at])))
            free_from = int(with_quote[at]) + 1
    pairs = np.array(ranges, dtype=np.int64).reshape(-1, 2)
    return Spans(pairs[:, 0], pairs[:, 1])


def joined(lines: pl.LazyFrame, spans: Spans) -> pl.LazyFrame:
    """Lines with those of one record joined by line feeds, under the number of the first."""
    if not len(spans.starts):
        return lines.select(ROW, LINE)
    rest = spans.continuations()
    following = (
        lines.join(rest.lazy(), on=ROW, how="inner", maintain_order="left")
        .group_by("start", maintain_order=True)
        .agg(pl.col(LINE).str.join("\n").alias("rest"))
        .collect()
    )
    return (
        lines.join(rest.lazy(), on=ROW, how="anti", maintain_order="left")
        .join(following.lazy(), left_on=ROW, right_on="start", how="left", maintain_order="left")
        .select(
            ROW,
            pl.when(pl.col("rest").is_null())
            .then(LINE)
            .otherwise(pl.concat_str(LINE, pl.lit("\n"), "rest"))
            .alias(LINE),
        )
    )


def _byte(character: str) -> str:
    return f"\\x{{{ord(character):x}}}"
