"""How a text file is written."""

from dataclasses import dataclass

AUTO = "auto"
"""Quotes are `"`, and lines that a quoted cell swallowed are looked for."""
NONE = "none"
"""A quote is a letter like any other."""
BACKSLASH = "\\"
"""The one escape there is."""


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes:
        separator: between two fields; None is a comma, or what a first line `sep=;` says.
        quote: `AUTO`, `NONE`, or the character; a character that is named is believed, whatever
            a quoted cell holds.
        encoding: None finds out.
        columns: names of the columns of a file without a header line; None where it has one.
        escape: `BACKSLASH` where it takes the meaning from the sign after it; None where it is a
            letter.
        skip_lines: so many lines stand above the header or, without one, above the first row.
    """

    separator: str | None = None
    quote: str = AUTO
    encoding: str | None = None
    columns: tuple[str, ...] | None = None
    escape: str | None = None
    skip_lines: int = 0
