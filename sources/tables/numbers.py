"""Numbers as people of all countries write them: `1.250` is 1250 to some and 1.25 to others."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from sources.tables.columns import Column, Table
from sources.tables.mapping import Decimal

_APART = " '’\u00a0\u2009\u202f"
_THOUSANDS = {",": f".{_APART}", ".": f",{_APART}"}
_EXPONENT = r"(?:[eE][+-]?[0-9]+)?"
# What is a number in either way of writing, so that the file has to say in which.
_IN_THOUSANDS = r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"
_COMMA = rf"^[+-]?[0-9][0-9.{_APART}]*,[0-9]+(?:[0-9,]*(?:\.[0-9]+)?)$"
_POINTS = r"^[+-]?[0-9]{1,3}(?:\.[0-9]{3}){2,}$"
_WITH_SIGNS = rf"^[+-]?[.,]?[0-9][0-9.,{_APART}]*$"


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of some columns are written.

    Attributes:
        decimal: the sign before a fraction, as the mapping names it; without one it is a point,
            and nothing stands between thousands.
        doubtful: names of columns in which another row has a comma, or points between thousands:
            of a number such as `1.250` nothing says there what it is.
        section: of the mapping, which a fault names.
    """

    decimal: Decimal | None
    doubtful: frozenset[str]
    section: str

    @staticmethod
    def of(
        decimal: Decimal | None, columns: Iterable[tuple[Table, str, str]], section: str
    ) -> "NumberForm":
        """The form of the numbers in columns: tables with a key and a column's name."""
        doubtful: set[str] = set()
        if decimal is None:
            for table, key, name in columns:
                column = table.column(key, name)
                if name in doubtful or not _is_text(column):
                    continue
                other = column.text.str.contains(_COMMA) | column.text.str.contains(_POINTS)
                if table.frame.select(other.any()).collect(engine="streaming").item():
                    doubtful.add(name)
        return NumberForm(decimal, frozenset(doubtful), section)

    def number(self, column: Column, text: pl.Expr) -> pl.Expr:
        """The number, null where none is certain; true is 1 and false is 0.

        Args:
            column: of any type.
            text: its trimmed text, null where it is blank.
        """
        if self.decimal is not None and _is_text(column):
            return as_number(_with_point(text, self.decimal))
        return as_number(pl.when(~self._unsure(column, text)).then(text))

    def fault(self, column: Column, text: pl.Expr) -> pl.Expr:
        """Why a text that looks like a number is not read as one, else null."""
        if self.decimal is None:
            ask = (
                '; is it a fraction or thousands? Write decimal: "," or decimal: "." under '
                f"{self.section} in the mapping"
            )
        else:
            ask = f'; no number with decimal: "{self.decimal}"'
        doubted = text.str.contains(_WITH_SIGNS) & self.number(column, text).is_null()
        shown = text.str.slice(0, 30)
        return pl.when(doubted).then(pl.concat_str(shown, pl.lit(ask)))

    def _unsure(self, column: Column, text: pl.Expr) -> pl.Expr:
        if column.name not in self.doubtful:
            return pl.lit(False)
        return text.str.contains(_IN_THOUSANDS).fill_null(False)


def as_number(text: pl.Expr) -> pl.Expr:
    """A number in text, null where it is none; true is 1 and false is 0."""
    truth = text.str.to_lowercase().replace_strict(
        ["true", "false"], [1.0, 0.0], default=None, return_dtype=pl.Float64
    )
    return pl.coalesce(text.cast(pl.Float64, strict=False), truth)


def _with_point(text: pl.Expr, decimal: Decimal) -> pl.Expr:
    """A number as Polars reads it; null where the separators stand in the wrong places."""
    whole = "|".join(map(_in_groups, _THOUSANDS[decimal]))
    right = rf"^[+-]?(?:{whole}|[0-9]*)(?:{re.escape(decimal)}[0-9]*)?{_EXPONENT}$"
    word = r"^(?i:true|false)$"
    plain = text.str.replace_all(f"[{_THOUSANDS[decimal]}]", "")
    plain = plain.str.replace(decimal, ".", literal=True)
    return pl.when(text.str.contains(right) | text.str.contains(word)).then(plain)


def _in_groups(sign: str) -> str:
    """Thousands with a sign between them, or thousands after hundreds, as in India."""
    apart = re.escape(sign)
    return (
        rf"[0-9]{{1,3}}(?:{apart}[0-9]{{3}})+|[0-9]{{1,2}}(?:{apart}[0-9]{{2}})+{apart}[0-9]{{3}}"
    )


def _is_text(column: Column) -> bool:
    return isinstance(column.dtype, pl.String | pl.Categorical | pl.Enum)
