"""A file's lines, whole."""

import mmap
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from sources.own_columns import ROW
from sources.protocol import SourceError

LINE = f"{ROW}line"
"""The column of the lines."""

_CONTROLS = (*range(1, 9), 11, 12, *range(14, 32))


def lines_of(path: Path) -> pl.LazyFrame:
    """Every line in `LINE`, numbered from 0 in `ROW`."""
    (separator,) = unused(path, 1)
    return pl.scan_csv(
        path,
        separator=separator,
        has_header=False,
        infer_schema=False,
        new_columns=[LINE],
        quote_char=None,
        truncate_ragged_lines=True,
        encoding="utf8-lossy",
        row_index_name=ROW,
    ).cast({ROW: pl.Int64})


def text_lines(path: Path) -> Iterator[str]:
    """The lines one by one, each with a line feed at its end; a return within one is no end."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
        for line in file:
            yield line.rstrip("\r\n") + "\n"


def unused(path: Path, n: int) -> list[str]:
    """Control characters that the file does not hold.

    Raises:
        SourceError: there are fewer than `n`.
    """
    characters: list[str] = []
    for code in _CONTROLS:
        if not holds(path, bytes([code])):
            characters.append(chr(code))
        if len(characters) == n:
            return characters
    raise SourceError(f"{path} holds nearly every control character there is; it is no text.")


def holds(path: Path, wanted: bytes) -> bool:
    """Whether some bytes are in a file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(wanted) >= 0
