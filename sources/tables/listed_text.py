"""Lists that were written as text: `['Action', 'Drama']`, or JSON."""

import re

import polars as pl

from sources.protocol import SourceError
from sources.tables.columns import Column, Table

_LIST = r"""(?s)^\[(?:[\s\[]*['"].*|[^\[\]]*)\]$"""
_RECORDS = r"(?s)^\[?\s*\{.*\}\s*\]?$"
_STRING = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_ELEMENT = rf"""{_STRING}|[^,\[\]\s'"][^,\[\]'"]*"""


def split_text(text: pl.Expr, separator: str, path: str | None) -> pl.Expr:
    """The parts of a text: the elements if it is a list, else what lies between separators.

    Args:
        text: trimmed.
        separator: between parts.
        path: the field that counts where the list is one of records.
    """
    elements = _unquoted(text.str.extract_all(_ELEMENT))
    parts = pl.when(text.str.contains(_LIST)).then(elements).otherwise(text.str.split(separator))
    if path is None:
        return parts
    field = rf"""['"]{re.escape(path)}['"]\s*:\s*(?:{_STRING}|[^,}}]+)"""
    pairs = text.str.extract_all(field)
    values = pairs.list.eval(pl.element().str.replace(r"""^['"][^'"]*['"]\s*:\s*""", ""))
    return pl.when(text.str.contains(_RECORDS)).then(_unquoted(values)).otherwise(parts)


def require_no_records(table: Table, key: str, column: Column) -> None:
    """Checks that a text column holds no lists of records, as nothing says which field counts.

    Raises:
        SourceError: it does; the message names the column and the way out.
    """
    text = column.text
    records = table.frame.select(text=text).filter(pl.col("text").str.contains(_RECORDS))
    if not records.head(1).collect(engine="streaming").is_empty():
        raise SourceError(
            f"{table.where(key)}: {column.name!r} of {table.path.name} holds records written as "
            "text; name the field that counts with `path`, such as `path: name`."
        )


def _unquoted(elements: pl.Expr) -> pl.Expr:
    """Elements without the quotes around them and the strokes before letters in them."""
    bare = pl.element().str.strip_chars()
    inner = bare.str.slice(1, bare.str.len_chars() - 2).str.replace_all(r"\\(.)", "${1}")
    return elements.list.eval(pl.when(bare.str.contains(r"""^['"]""")).then(inner).otherwise(bare))
