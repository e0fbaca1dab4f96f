"""Which puts of items were taken: one that is sent again is known, and changes nothing.

The answer to a put may be lost on its way. Only the key that came with it tells the put that is
sent again from that of another app, which may say the same of the same item.
"""

import sqlite3
from dataclasses import dataclass

_MOST_KEPT = 10_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS puts (
    number INTEGER PRIMARY KEY,
    item_id TEXT NOT NULL,
    key TEXT NOT NULL,
    said TEXT NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (item_id, key)
);
"""
_KEEP = "INSERT INTO puts (item_id, key, said, created) VALUES (?, ?, ?, ?)"
_DROP_OLD = "DELETE FROM puts WHERE number <= (SELECT max(number) FROM puts) - ?"


class PutDiffersError(ValueError):
    """A key was used for two different puts of an item."""


@dataclass(frozen=True)
class PutKey:
    """What a put is known by.

    Attributes:
        key: of the app, one for each put.
        said: a digest of all that was sent.
    """

    key: str
    said: str


def outcome_of(connection: sqlite3.Connection, item_id: str, put: PutKey) -> bool | None:
    """Whether an earlier put with this key created the item; None if there was none.

    Raises:
        PutDiffersError: it said something else.
    """
    query = "SELECT said, created FROM puts WHERE item_id = ? AND key = ?"
    row = connection.execute(query, (item_id, put.key)).fetchone()
    if row is None:
        return None
    earlier, created = row
    if earlier != put.said:
        raise PutDiffersError(
            f"The Idempotency-Key {put.key!r} came with another put of {item_id!r}."
        )
    return bool(created)


def keep_outcome(connection: sqlite3.Connection, item_id: str, put: PutKey, created: bool) -> None:
    """Keeps what became of a put, in the transaction that made the change."""
    connection.execute(_KEEP, (item_id, put.key, put.said, created))
    connection.execute(_DROP_OLD, (_MOST_KEPT,))
