"""CSV files as people have them: every cell is text, and a bad line costs that line alone.

A file is read as lines, and every line is taken apart by expressions: only so is it known how many
fields a line has, and which lines a quoted cell spans.
"""

from sources.text_tables._dialect import AUTO, BACKSLASH, NONE, Dialect
from sources.text_tables._lines import LINE, lines_of
from sources.text_tables._scan import first_and_last, require_columns, scan_lines, scan_text

__all__ = [
    "AUTO",
    "BACKSLASH",
    "LINE",
    "NONE",
    "Dialect",
    "first_and_last",
    "lines_of",
    "require_columns",
    "scan_lines",
    "scan_text",
]
