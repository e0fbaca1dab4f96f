"""Ids as text, the same whatever type a file gives them."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from sources.rejects import LONGEST_ID, usable_id
from sources.tables.cells import is_blank
from sources.tables.columns import Column, Table

_WHOLE = r"^[+-]?\d+\.0+$"
_FRACTION = r"^[+-]?\d+\.\d*[1-9]\d*$"
# What spreadsheets and programs make of a long number: its last digits are gone.
_SCIENTIFIC = r"^[+-]?\d+(?:[.,]\d+)?[eE]\+\d+$|^[+-]?\d+[.,]\d+[eE]\d+$"
_EXACT: dict[type[pl.DataType], int] = {pl.Float16: 2**11, pl.Float32: 2**24}
_EXACT_OF_ALL = 2**53
"""From here on a float stands for more than one whole number."""
# As `crossmodal.ids.IN_PRINT`, in the words of Polars.
_CONTROLS = r"[\p{Cc}\x{2028}\x{2029}]"
_LETTERS_LOST = "\ufffd"
# What is left of a list or record in a field of JSON that holds text elsewhere.
_NESTED = r"^(\[.*\]|\{.*\})$"


@dataclass(frozen=True)
class IdForm:
    """How the ids of some columns are written.

    Attributes:
        whole: whether `101.0` is the integer 101: so is a column written that once had gaps.
            Where one of the columns holds a fraction, they are names such as versions.
    """

    whole: bool

    @staticmethod
    def of(columns: Iterable[tuple[Table, str, str]]) -> "IdForm":
        """The form of ids in columns that have to match, each a table, a key and a column name."""
        whole = fraction = False
        for table, key, name in columns:
            column = table.column(key, name)
            if column.dtype.is_integer():
                continue
            text = column.text
            flags = table.frame.select(
                whole=text.str.contains(_WHOLE).any(), fraction=text.str.contains(_FRACTION).any()
            ).collect(engine="streaming")
            whole |= bool(flags["whole"].item())
            fraction |= bool(flags["fraction"].item())
        return IdForm(whole and not fraction)


@dataclass(frozen=True)
class Id:
    """An id of a row.

    Attributes:
        value: null where there is none that can be used.
        fault: what is wrong with it, null where nothing is; never the id itself.
    """

    value: pl.Expr
    fault: pl.Expr


def id_of(column: Column, what: str, form: IdForm, blanks: tuple[str, ...]) -> Id:
    """The id in a column.

    Args:
        column: of any type.
        what: user or item, for the fault.
        form: of the ids of this kind.
        blanks: words that are no id.
    """
    limit = _EXACT.get(type(column.dtype), _EXACT_OF_ALL)
    if column.dtype.is_float():
        text, lost = _of_floats(column, form, limit)
    else:
        text, lost = _of_texts(column, form)
    fault = (
        pl.when(lost)
        .then(
            pl.lit(
                f"{column.name} is a float of {limit:,} or more, or in scientific notation, whose "
                "last digits are lost; write all of them, as text or integer"
            )
        )
        .when(is_blank(text, ()))
        .then(pl.lit(f"the {what} id is empty"))
        .when(text.is_in(list(blanks)))
        .then(pl.lit(f"the {what} id is a word for nothing; see blanks in the mapping"))
        .when(text.str.contains(_CONTROLS))
        .then(pl.lit(f"the {what} id holds control characters or line breaks; take them out"))
        .when(text.str.contains(_LETTERS_LOST, literal=True))
        .then(pl.lit(f"the {what} id holds bytes that are not of the file's encoding"))
        .when(text.str.contains(_NESTED) if column.of_json else pl.lit(False))
        .then(pl.lit(f"the {what} id is a list or record; one value is needed"))
        .when(usable_id(text).is_null())
        .then(pl.lit(f"the {what} id is longer than {LONGEST_ID} bytes"))
    )
    return Id(pl.when(fault.is_null()).then(usable_id(text)), fault)


def _of_floats(column: Column, form: IdForm, limit: int) -> tuple[pl.Expr, pl.Expr]:
    """The ids in a column of floats, and which have lost their last digits.

    Args:
        column: of floats.
        form: of the ids of this kind.
        limit: from here on a float of the column's type stands for more than one whole number.
    """
    whole = column.expr.is_finite() & (column.expr == column.expr.floor())
    lost = whole & _too_large(column.expr, limit)
    if not form.whole:
        return column.text, lost
    exact = pl.when(whole & ~lost).then(column.expr).cast(pl.Int64, strict=False)
    return pl.when(whole).then(exact.cast(pl.String)).otherwise(column.text), lost


def _of_texts(column: Column, form: IdForm) -> tuple[pl.Expr, pl.Expr]:
    """The ids in a column of any other type, and which have lost their last digits."""
    text = column.text
    lost = text.str.contains(_SCIENTIFIC)
    if not form.whole:
        return text, lost
    lost |= text.str.contains(_WHOLE) & _too_large(
        text.cast(pl.Float64, strict=False), _EXACT_OF_ALL
    )
    return text.str.replace(r"^([+-]?\d+)\.0+$", "${1}"), lost


def _too_large(number: pl.Expr, limit: int) -> pl.Expr:
    return (number.abs() >= limit).fill_null(False)
