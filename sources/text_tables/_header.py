"""What the first lines of a file say: its separator, and the names of its columns."""

import csv
import re
from itertools import islice
from pathlib import Path
from typing import Any

from sources.plain_text import PlainText
from sources.protocol import SourceError
from sources.text_tables._dialect import BACKSLASH, Dialect
from sources.text_tables._lines import text_lines

_DECLARED = re.compile(r"^sep=(.)$")


def separator_of(path: Path, dialect: Dialect) -> tuple[str, int]:
    """The separator, and how many lines are no part of the table."""
    above = dialect.skip_lines
    first = next(islice(text_lines(path), above, None), "")
    declared = _DECLARED.match(first.strip("\r\n"))
    if declared is None:
        return dialect.separator or ",", above
    return dialect.separator or declared.group(1), above + 1


def header_of(
    path: Path,
    plain: PlainText,
    separator: str,
    quote: str | None,
    skipped: int,
    dialect: Dialect,
) -> tuple[list[str], int]:
    """Names of the columns, and how many lines hold them.

    Args:
        path: the file, named in errors.
        plain: its text.
        separator: between two names.
        quote: None where a quote is a letter.
        skipped: lines before the header.
        dialect: how the file is written.

    Raises:
        SourceError: there is no header.
    """
    if dialect.columns is not None:
        return list(dialect.columns), 0
    texts = text_lines(plain.path)
    for _ in islice(texts, skipped):
        pass
    quoting: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    escape = dialect.escape if dialect.escape == BACKSLASH else None
    reader = csv.reader(texts, delimiter=separator, escapechar=escape, **quoting)
    try:
        header = next(reader)
    except (StopIteration, csv.Error) as error:
        raise SourceError(f"{path} has no header line; give a file with one.") from error
    return _unique([name.lstrip("\ufeff").strip() for name in header]), reader.line_num


def _unique(names: list[str]) -> list[str]:
    """Names as they are; a repeated or blank one gets its position."""
    unique: list[str] = []
    for place, name in enumerate(names, start=1):
        unique.append(name if name and name not in unique else f"{name}#{place}")
    return unique
