"""What an optional field of a row says: its value, or nothing, and why nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from sources.never import never_of_dates
from sources.own_columns import SHORT
from sources.protocol import ITEMS
from sources.repairs import (
    BLANK_WORD,
    LOST_LETTERS,
    NEVER,
    NO_NUMBER,
    NO_TIME,
    SHORT_LINE,
    UNSURE_NUMBER,
)
from sources.tables.columns import Column
from sources.tables.listed_text import split_text
from sources.tables.numbers import NumberForm
from sources.tables.times import parse_time

_LOST = "\ufffd"
_ZEROS = r"^(?:0+(?:\.0+)?|0000-00-00(?:[ T]00:00(?::00)?(?:\.0+)?Z?)?|00/00/0000|00\.00\.0000)$"


@dataclass(frozen=True)
class Cell:
    """A field as the contract has it.

    Attributes:
        value: null where the field says nothing usable.
        repairs: by kind, whether that is so though the field is not empty.
    """

    value: pl.Expr
    repairs: Mapping[str, pl.Expr] = field(default_factory=dict)


def repair_flags(named_cells: Iterable[tuple[str, Cell]]) -> dict[tuple[str, str], pl.Expr]:
    """Whether a row was repaired, by column and kind; a column may be read as several fields."""
    flags: dict[tuple[str, str], pl.Expr] = {("", SHORT_LINE): pl.col(SHORT)}
    for name, cell in named_cells:
        for what, flag in cell.repairs.items():
            known = flags.get((name, what), pl.lit(False))
            flags[name, what] = known | flag.fill_null(False)
    return flags


def is_blank(text: pl.Expr, blanks: Sequence[str]) -> pl.Expr:
    """Whether a trimmed text says nothing: it is missing, empty, or one of the words for that."""
    return text.is_null() | (text == "") | text.is_in(list(blanks))


def given(column: Column, blanks: Sequence[str]) -> pl.Expr:
    """The field as trimmed text, null where it is blank."""
    return pl.when(~is_blank(column.text, blanks)).then(column.text)


def text_cell(column: Column, blanks: Sequence[str]) -> Cell:
    """Text; a word that stands for nothing is null."""
    text = given(column, blanks)
    return Cell(
        text,
        {
            BLANK_WORD: _word(column, blanks),
            LOST_LETTERS: text.str.contains(_LOST, literal=True),
        },
    )


_LARGEST = 1e18


def number_cell(column: Column, blanks: Sequence[str], form: NumberForm) -> Cell:
    """A number that can be calculated with: true is 1 and false is 0."""
    text = given(column, blanks)
    number = form.number(column, text)
    # The squares that a standardisation takes of larger numbers would overflow.
    usable = number.is_between(-_LARGEST, _LARGEST)
    none = text.is_not_null() & ~usable.fill_null(False)
    unsure = form.fault(column, text).is_not_null() & (form.decimal is None)
    return Cell(
        pl.when(usable).then(number),
        {
            BLANK_WORD: _word(column, blanks),
            NO_NUMBER: none & ~unsure,
            UNSURE_NUMBER: none & unsure,
        },
    )


def date_cell(column: Column, blanks: Sequence[str], time_format: str) -> Cell:
    """The time of a release or of an entry into the catalogue; zero is no time."""
    text = given(column, blanks)
    zero = text.str.contains(_ZEROS)
    time = parse_time(column.expr, column.dtype, time_format, years=True)
    is_never = never_of_dates(time).is_not_null()
    known = text.is_not_null() & ~zero
    return Cell(
        pl.when(known & ~is_never.fill_null(False)).then(time),
        {
            BLANK_WORD: _word(column, blanks) | zero,
            NO_TIME: known & time.is_null(),
            NEVER: known & is_never,
        },
    )


def categories_cell(
    column: Column, blanks: Sequence[str], separator: str, path: str | None
) -> Cell:
    """The categories of a list column, or of text with a separator between them.

    Args:
        column: of lists or text.
        blanks: words that stand for nothing.
        separator: between the categories of a text.
        path: the field that counts where the text is a list of records.
    """
    listed = column.texts if column.is_list else split_text(column.text, separator, path)
    trimmed = listed.list.eval(pl.element().str.strip_chars())
    words = trimmed.list.eval(pl.element().is_in(list(blanks))).list.any()
    named = trimmed.list.filter(~is_blank(pl.element(), blanks))
    value = named.list.unique(maintain_order=True).fill_null(pl.lit([], dtype=ITEMS["categories"]))
    return Cell(value, {BLANK_WORD: words})


def _word(column: Column, blanks: Sequence[str]) -> pl.Expr:
    return column.text.is_in(list(blanks))
