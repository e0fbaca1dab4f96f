"""What a disk refuses, whichever library says so, is known as that."""

import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crossmodal.store_errors import in_words, refused_write


def _of_a_full_database(path: Path) -> sqlite3.Error:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE words (word)")
        connection.execute("PRAGMA max_page_count = 2")
        with pytest.raises(sqlite3.OperationalError) as refused, connection:
            connection.execute("INSERT INTO words VALUES (?)", ("x" * 100_000,))
    return refused.value


def test_a_disk_that_refuses_is_named_with_the_way_out(tmp_path: Path) -> None:
    full = (
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a table"),
        RuntimeError("IO Error: No space left on device (os error 28)"),
        _of_a_full_database(tmp_path / "words.db"),
    )
    for error in full:
        refused = refused_write(error)
        assert refused is not None
        words = in_words(refused, tmp_path)
        assert ": the disk is full (" in words and "make room" in words
    read_only = refused_write(OSError(errno.EROFS, os.strerror(errno.EROFS), "a table"))
    assert read_only is not None and "a table: writing is not permitted" in in_words(
        read_only, tmp_path
    )


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a table"),
        OSError("without a number"),
        ValueError("a column is missing"),
        sqlite3.OperationalError("no such table"),
    ],
)
def test_what_is_no_fault_of_the_disk_is_left_as_it_is(error: Exception) -> None:
    assert refused_write(error) is None
