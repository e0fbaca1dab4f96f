"""Backslashes before quotes and separators, as MySQL, pandas and Spark write them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from sources.own_columns import FAULT, ROW, SHORT
from sources.text_tables._dialect import BACKSLASH
from sources.text_tables._lines import LINE, unused
from sources.text_tables._quotes import Spans, joined

# Databases that write without quotes put it before no other letter.
_NO_ESCAPE = r"\\[\p{L}\p{N}--[nrtN]]"
_BEFORE_A_SIGN = r"\\([^\p{L}\p{N}])"
_BEFORE_A_QUOTE = r"""\\(['"])"""
_FAULT = (
    "a backslash before a letter that it gives no meaning; write escape: none where it is a letter"
)


class Escapes:
    """What stands for escaped signs while lines are taken apart: signs that the file lacks.

    An escaped quote, separator or backslash gives its place to a stand-in (`hidden`), so that lines
    are taken apart as if it were a letter; in the cells that come of it the sign comes back
    (`shown`). Four stand-ins: of the backslash, the separator and the quote, and one for an escape
    that is none, whose row is a fault.

    Who writes quotes escapes only what would end a cell, a quote and the backslash itself: before
    anything else it is a letter. Who writes none (`bare`) gives line ends and tabs letters of their
    own.
    """

    def __init__(self, path: Path, quote: str | None, separator: str, *, bare: bool) -> None:
        """Finds such signs.

        Args:
            path: the text.
            quote: None where the file holds none.
            separator: between two fields.
            bare: whether the mapping says that there are no quotes.
        """
        self._bare = bare
        stroke, cut, self._wrong, mark = unused(path, 4)
        self._signs = {BACKSLASH: stroke, separator: cut}
        if quote is not None:
            self._signs[quote] = mark

    def hidden(self, lines: pl.LazyFrame) -> pl.LazyFrame:
        """Lines without escapes; one that an escape lets go on is joined with the next.

        The order is what makes it right. Pairs of backslashes go first: from then on each one that
        is left marks what stands after it. Then what has a stand-in, then what needs none, which
        loses its backslash. Only a backslash at the end of a line is left to mean anything, and it
        marks the line end.
        """
        line = pl.col(LINE)
        # From the left, so that of three backslashes the first two are one and the third marks.
        for sign in (BACKSLASH, *(sign for sign in self._signs if sign != BACKSLASH)):
            line = line.str.replace_all(BACKSLASH + sign, self._signs[sign], literal=True)
        if self._bare:
            tab = self._signs.get("\t", "\t")
            line = (
                line.str.replace_all(r"\\[nr]", "\n")
                .str.replace_all(r"\t", tab, literal=True)
                .str.replace_all(_NO_ESCAPE, self._wrong)
                .str.replace_all(_BEFORE_A_SIGN, "${1}")
            )
        else:
            line = line.str.replace_all(_BEFORE_A_QUOTE, "${1}")
        plain = lines.with_columns(line.alias(LINE))
        ends = plain.filter(pl.col(LINE).str.ends_with(BACKSLASH)).select(ROW)
        whole = joined(plain, _runs(ends.collect(engine="streaming").to_series().to_numpy()))
        return whole.with_columns(pl.col(LINE).str.replace_all("\\\n", "\n", literal=True))

    def shown(self, rows: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
        """Rows with the signs that were hidden; one with an escape that is none is faulty."""
        wrong = pl.any_horizontal(
            pl.col(name).str.contains(self._wrong, literal=True).fill_null(False) for name in names
        )
        cells = []
        for name in names:
            cell = pl.col(name)
            for sign, stand_in in self._signs.items():
                cell = cell.str.replace_all(stand_in, sign, literal=True)
            cells.append(pl.when(~wrong).then(cell).alias(name))
        fault = pl.when(wrong).then(pl.lit(_FAULT)).otherwise(FAULT).alias(FAULT)
        return rows.with_columns(fault, (pl.col(SHORT) & ~wrong).alias(SHORT), *cells)


def _runs(ends: np.ndarray) -> Spans:
    """Records of lines that each go on in the next one."""
    if not len(ends):
        return Spans(ends, ends)
    breaks = np.flatnonzero(np.diff(ends) > 1)
    firsts = np.concatenate(([0], breaks + 1))
    lasts = np.concatenate((breaks, [len(ends) - 1]))
    return Spans(ends[firsts], ends[lasts] + 1)
