"""A column of a user's table: found by its name, or by a path into records, with its type."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars._typing import PolarsDataType

from sources.protocol import SourceError
from sources.tables.mapping_file import line_of

_FIRST_SECOND = -62_135_596_800
_LAST_SECOND = 253_402_300_800
_READABLE = (
    pl.Boolean,
    pl.Categorical,
    pl.Date,
    pl.Datetime,
    pl.Enum,
    pl.Null,
    pl.String,
    pl.Time,
)
_PER_SECOND = {"ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclass(frozen=True)
class Column:
    """A column that a mapping names.

    Attributes:
        name: as the mapping has it.
        expr: reads it.
        dtype: its type: one value, or a list of values; lists within lists are one list.
        of_json: whether a text in it may stand for a list or record.
    """

    name: str
    expr: pl.Expr
    dtype: pl.DataType
    of_json: bool = False

    @property
    def is_list(self) -> bool:
        """Whether a row holds a list."""
        return isinstance(self.dtype, pl.List)

    @property
    def text(self) -> pl.Expr:
        """As trimmed text, the values of a list with a blank between; null where it is none."""
        if not self.is_list:
            return self.expr.cast(pl.String, strict=False).str.strip_chars()
        return self.texts.list.drop_nulls().list.join(" ").str.strip_chars()

    @property
    def texts(self) -> pl.Expr:
        """The values of a list as trimmed text."""
        return self.expr.list.eval(pl.element().cast(pl.String, strict=False).str.strip_chars())


@dataclass(frozen=True)
class Table:
    """One file of a section.

    Attributes:
        frame: its columns, and `ROW`, `FAULT` and `SHORT`.
        schema: of the frame.
        path: the file.
        name: the file below the root, as rejects name it.
        mapping_file: the YAML file, named in errors.
        section: of the mapping: interactions or items.
        headless: whether none of the mapped columns is in the first line of a text file, which may
            hold data then.
        of_json: whether its cells are JSON, where a text may stand for a list or record.
    """

    frame: pl.LazyFrame
    schema: pl.Schema
    path: Path
    name: str
    mapping_file: Path
    section: str
    headless: bool = False
    of_json: bool = False

    def column(self, key: str, name: str, *, lists: bool = False) -> Column:
        """The column that a key of the mapping names.

        Args:
            key: with the path to it below the section, such as categories.column.
            name: of the column, or the path of a field such as details.title.
            lists: whether a row may hold a list.

        Raises:
            SourceError: the table has none of this name, or it holds records or lists where one
                value is needed; the message names the mapping's line.
        """
        resolved = _resolved(self.schema, name)
        if resolved is None:
            raise SourceError(f"{self.where(key)}: {self._absent(name)}")
        column = Column(name, *_flat(*resolved), of_json=self.of_json)
        inner = column.dtype.inner if isinstance(column.dtype, pl.List) else column.dtype
        if isinstance(inner, pl.Struct):
            fields = ", ".join(f"{name}.{field.name}" for field in inner.fields)
            raise SourceError(
                f"{self.where(key)}: {name!r} of {self.path.name} holds records; name a field of "
                f"them: {fields}."
            )
        if not isinstance(inner, _READABLE) and not inner.is_numeric():
            raise SourceError(
                f"{self.where(key)}: {name!r} of {self.path.name} holds {inner}, which is no text, "
                "number, truth or time; write it as text."
            )
        if column.is_list and not lists:
            raise SourceError(
                f"{self.where(key)}: {name!r} of {self.path.name} holds lists, and one value a "
                "row is needed here."
            )
        return column

    def where(self, key: str) -> str:
        """The mapping's file and the line of a key, for messages."""
        section, *rest = key.split(".")
        keys = (section, *rest) if section == "media" else (self.section, section, *rest)
        return f"{self.mapping_file}, line {line_of(self.mapping_file, *keys)}"

    def columns(self) -> list[str]:
        """Names of the file's own columns."""
        return [name for name in self.schema if not name.startswith("part:")]

    def _absent(self, name: str) -> str:
        alike = [column for column in self.columns() if column.lower() == name.lower()]
        if alike:
            return f"{self.path.name} has no column {name!r} but {alike[0]!r}; write it so here."
        if self.headless:
            return (
                f"{self.path.name} has no header with the mapped columns; where it has no header "
                f"at all, name its columns in their order with `columns:` under {self.section}, "
                "where lines stand above it, say how many with `skip_lines:`; otherwise look at "
                "`separator`."
            )
        there = ", ".join(self.columns()) or "none"
        return f"{self.path.name} has no column {name!r}; it has {there}."


def _resolved(schema: pl.Schema, name: str) -> tuple[pl.Expr, pl.DataType] | None:
    """A column of this name, or the field that a path with dots leads to."""
    if name in schema:
        return pl.col(name), schema[name]
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        head = ".".join(parts[:cut])
        if head in schema:
            return _into(pl.col(head), schema[head], parts[cut:])
    return None


def _into(
    expr: pl.Expr, dtype: pl.DataType, path: Sequence[str]
) -> tuple[pl.Expr, pl.DataType] | None:
    """The field of records, or of the records of a list, at the end of a path."""
    if not path:
        return expr, dtype
    if isinstance(dtype, pl.Array):
        expr, dtype = expr.arr.to_list(), pl.List(dtype.inner)
    if isinstance(dtype, pl.List):
        inner = _into(pl.element(), _instance(dtype.inner), path)
        return None if inner is None else (expr.list.eval(inner[0]), pl.List(inner[1]))
    if not isinstance(dtype, pl.Struct):
        return None
    field = next((field for field in dtype.fields if field.name == path[0]), None)
    if field is None:
        return None
    return _into(expr.struct.field(path[0]), _instance(field.dtype), path[1:])


def _flat(expr: pl.Expr, dtype: pl.DataType) -> tuple[pl.Expr, pl.DataType]:
    """Arrays as lists, lists of lists as one list, and times only where a calendar has them."""
    if isinstance(dtype, pl.Array):
        return _flat(expr.arr.to_list(), pl.List(dtype.inner))
    if isinstance(dtype, pl.List):
        inner = _instance(dtype.inner)
        if isinstance(inner, pl.Array):
            return _flat(expr.list.eval(pl.element().arr.to_list()), pl.List(pl.List(inner.inner)))
        if isinstance(inner, pl.List):
            return _flat(expr.list.eval(pl.element().explode()), inner)
        return expr, dtype
    if isinstance(dtype, pl.Datetime) and dtype.time_unit != "ns":
        unit = _PER_SECOND[dtype.time_unit]
        known = expr.to_physical().is_between(_FIRST_SECOND * unit, _LAST_SECOND * unit - 1)
        return pl.when(known).then(expr), dtype
    return expr, dtype


def _instance(dtype: PolarsDataType) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()
