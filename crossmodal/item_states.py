"""What the log of items holds, for readers in other processes than the service's."""

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from crossmodal.durable import BUSY_SECONDS
from crossmodal.item_tables import has_attributes
from crossmodal.store_errors import store_errors_of

_STATES = """
SELECT number, item_id, deleted, title, text, categories, {attributes}, created_at, (
    SELECT json_group_array(json_array(modality, sha256, mime))
    FROM (SELECT * FROM media WHERE media.item_id = items.item_id ORDER BY modality)
)
FROM items
"""
_ALL = "ORDER BY number"
_LAST = "ORDER BY number DESC LIMIT 1"
_NEW_FILE_IS = "without the items that apps have put and deleted"


@dataclass(frozen=True)
class ItemsEnd:
    """The newest change of a log of items.

    Attributes:
        position: its number; 0 where no item was put.
        item_id: of the item that it made; empty where there is none.
        state: a digest of that item's state, since a log that took another one's place may have put
            the same item first.
    """

    position: int = 0
    item_id: str = ""
    state: str = ""


class ItemState(NamedTuple):
    """The newest state of one item; without a title where only its media were put.

    Attributes:
        number: of the change that made it.
        item_id: the app's own.
        deleted: whether it may never be shown.
        title: what people call it.
        text: its description.
        categories: what it is filed under.
        attributes: its named numbers.
        created_at: UTC microseconds from which it was in the catalogue.
        media: modality, hash of the bytes and type of each file.
    """

    number: int
    item_id: str
    deleted: bool
    title: str | None
    text: str | None
    categories: list[str] | None
    attributes: dict[str, float] | None
    created_at: int | None
    media: list[list[str]]


def items_end(path: Path) -> ItemsEnd:
    """The newest change of the log in a file; the start where there is no file.

    Raises:
        StoreError: the file cannot be read.
    """
    return _end_of(_rows(path, _LAST))


def item_states(path: Path) -> tuple[list[ItemState], ItemsEnd]:
    """Every item that apps have touched, in the order of their changes, and where that ends.

    Raises:
        StoreError: the file cannot be read.
    """
    rows = _rows(path, _ALL)
    return [_state(row) for row in rows], _end_of(rows)


def _rows(path: Path, which: str) -> list[tuple[Any, ...]]:
    if not path.is_file():
        return []
    address = f"{path.absolute().as_uri()}?mode=ro"
    with (
        store_errors_of(path, _NEW_FILE_IS),
        closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as connection,
    ):
        attributes = "attributes" if has_attributes(connection) else "NULL"
        return connection.execute(_STATES.format(attributes=attributes) + which).fetchall()


def _end_of(rows: list[tuple[Any, ...]]) -> ItemsEnd:
    if not rows:
        return ItemsEnd()
    last = rows[-1]
    number, item_id, *_ = last
    return ItemsEnd(number, item_id, hashlib.sha256(json.dumps(last).encode()).hexdigest()[:16])


def _state(row: tuple[Any, ...]) -> ItemState:
    number, item_id, deleted, title, text, categories, attributes, created_at, media = row
    return ItemState(
        number,
        item_id,
        bool(deleted),
        title,
        text,
        None if categories is None else json.loads(categories),
        None if title is None else json.loads(attributes or "{}"),
        created_at,
        json.loads(media),
    )
