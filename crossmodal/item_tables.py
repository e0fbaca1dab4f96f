"""The tables of the log of items in its SQLite file: how they are laid out, written and read."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from crossmodal.item_puts import SCHEMA as _PUTS_SCHEMA
from crossmodal.logged_items import Description, LoggedItem, StoredMedia, Vector

_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    item_id TEXT PRIMARY KEY,
    number INTEGER NOT NULL UNIQUE,
    deleted INTEGER NOT NULL,
    title TEXT,
    text TEXT,
    categories TEXT,
    created_at INTEGER,
    attributes TEXT
);
CREATE TABLE IF NOT EXISTS media (
    item_id TEXT NOT NULL,
    modality TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    mime TEXT NOT NULL,
    PRIMARY KEY (item_id, modality)
);
CREATE INDEX IF NOT EXISTS media_of_content ON media (sha256);
CREATE TABLE IF NOT EXISTS vectors (
    item_id TEXT NOT NULL,
    modality TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    features BLOB NOT NULL,
    PRIMARY KEY (item_id, modality)
);
"""
# A file of an older version has no named numbers.
_ADD_ATTRIBUTES = "ALTER TABLE items ADD COLUMN attributes TEXT"
_TOUCH = """
INSERT INTO items (item_id, number, deleted)
VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM items), 0)
ON CONFLICT (item_id) DO UPDATE SET number = excluded.number, deleted = 0
"""
_DESCRIBE = """
UPDATE items SET title = ?, text = ?, categories = ?, created_at = ?, attributes = ?
WHERE item_id = ?
"""
_FORGET = """
UPDATE items SET deleted = 1, title = NULL, text = NULL, categories = NULL, created_at = NULL,
    attributes = NULL
WHERE item_id = ?
"""
_SINCE = """
SELECT item_id, number, deleted, title, text, categories, created_at, attributes
FROM items WHERE number > ? ORDER BY number
"""
_PUT_MEDIA = "INSERT OR REPLACE INTO media VALUES (?, ?, ?, ?)"
_PUT_VECTOR = "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)"
_CONTENTS = "SELECT sha256 FROM media WHERE item_id = ? AND modality = coalesce(?, modality)"


@contextmanager
def transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """All of the block or nothing of it."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def make_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables that are missing, and the columns that a file of an older version lacks."""
    connection.executescript(_SCHEMA + _PUTS_SCHEMA)
    if has_attributes(connection):
        return
    # Another process of the service may be at the same.
    with transaction(connection, "BEGIN IMMEDIATE"):
        if not has_attributes(connection):
            connection.execute(_ADD_ATTRIBUTES)


def has_attributes(connection: sqlite3.Connection) -> bool:
    """Whether the file knows of named numbers: one that an older version made does not."""
    columns = connection.execute("SELECT name FROM pragma_table_info('items')")
    return "attributes" in {name for (name,) in columns}


def items_since(connection: sqlite3.Connection, number: int) -> list[LoggedItem]:
    """The items that have changed after a number, in the order of their changes."""
    rows = connection.execute(_SINCE, (number,)).fetchall()
    return [_item(connection, row) for row in rows]


def is_deleted(connection: sqlite3.Connection, item_id: str) -> bool | None:
    """Whether an item is deleted; None if the log does not know it."""
    query = "SELECT deleted FROM items WHERE item_id = ?"
    row = connection.execute(query, (item_id,)).fetchone()
    return None if row is None else bool(row[0])


def touch(connection: sqlite3.Connection, item_id: str) -> None:
    """Gives an item, which need not be there, the number of a new change; it is not deleted."""
    connection.execute(_TOUCH, (item_id,))


def describe(connection: sqlite3.Connection, item_id: str, description: Description) -> None:
    """Sets what is said of an item that is there."""
    fields = (
        description.title,
        description.text,
        json.dumps(description.categories),
        description.created_at,
        json.dumps(dict(description.attributes)),
    )
    connection.execute(_DESCRIBE, (*fields, item_id))


def forget(connection: sqlite3.Connection, item_id: str) -> None:
    """Marks an item that is there as deleted, and leaves nothing else of it."""
    connection.execute(_FORGET, (item_id,))
    connection.execute("DELETE FROM media WHERE item_id = ?", (item_id,))
    connection.execute("DELETE FROM vectors WHERE item_id = ?", (item_id,))


def put_media(
    connection: sqlite3.Connection, item_id: str, modality: str, media: StoredMedia
) -> None:
    """Sets an item's picture or sound."""
    connection.execute(_PUT_MEDIA, (item_id, modality, media.sha256, media.mime))


def put_vector(connection: sqlite3.Connection, item_id: str, modality: str, vector: Vector) -> None:
    """Sets the features of one modality of an item."""
    connection.execute(_PUT_VECTOR, (item_id, modality, vector.fingerprint, vector.features))


def contents_of(
    connection: sqlite3.Connection, item_id: str, modality: str | None = None
) -> list[str]:
    """Hashes of an item's files, of all modalities by default."""
    return [sha256 for (sha256,) in connection.execute(_CONTENTS, (item_id, modality))]


def is_used(connection: sqlite3.Connection, sha256: str) -> bool:
    """Whether a file belongs to any item."""
    query = "SELECT 1 FROM media WHERE sha256 = ?"
    return connection.execute(query, (sha256,)).fetchone() is not None


def _item(connection: sqlite3.Connection, row: tuple[object, ...]) -> LoggedItem:
    item_id, number, deleted, title, text, categories, created_at, attributes = row
    media = connection.execute(
        "SELECT modality, sha256, mime FROM media WHERE item_id = ?", (item_id,)
    )
    vectors = connection.execute(
        "SELECT modality, fingerprint, features FROM vectors WHERE item_id = ?", (item_id,)
    )
    return LoggedItem(
        str(item_id),
        int(str(number)),
        bool(deleted),
        None
        if title is None
        else Description(
            str(title),
            str(text),
            tuple(json.loads(str(categories))),
            int(str(created_at)),
            json.loads(str(attributes or "{}")),
        ),
        {modality: StoredMedia(*rest) for modality, *rest in media},
        {modality: Vector(*rest) for modality, *rest in vectors},
    )
