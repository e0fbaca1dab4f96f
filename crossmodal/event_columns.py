"""Columns that the log of events got after its first release."""

import sqlite3

_ADDED = {"rank": "INTEGER"}


def add_missing(connection: sqlite3.Connection) -> None:
    """Adds to the table of an older file what it lacks; its events have no value there.

    Args:
        connection: outside a transaction, to a file with a table of events.
    """
    if not _missing(connection):
        return
    # Another process may be adding them: the file is locked before the second look.
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for name in _missing(connection):
            connection.execute(f"ALTER TABLE events ADD COLUMN {name} {_ADDED[name]}")


def selected(connection: sqlite3.Connection, columns: str) -> str:
    """The columns of a SELECT, with NULL for those that an older file lacks.

    Args:
        connection: to the file, which is only read.
        columns: their names, separated by commas.
    """
    missing = _missing(connection)
    names = (name.strip() for name in columns.split(","))
    return ", ".join(f"NULL AS {name}" if name in missing else name for name in names)


def _missing(connection: sqlite3.Connection) -> list[str]:
    known = {row[1] for row in connection.execute("PRAGMA table_info(events)")}
    return [name for name in _ADDED if known and name not in known]
