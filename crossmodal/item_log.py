"""Items that apps put into the catalogue: on disk before they are acknowledged, seen by everyone.

The newest state of each item, numbered: a reader that knows number n reads what has changed since.
"""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crossmodal.atomic import atomic_write_bytes
from crossmodal.durable import LogBound, make_private, open_durable
from crossmodal.item_puts import SCHEMA as _PUTS_SCHEMA
from crossmodal.item_puts import PutKey, keep_outcome, outcome_of
from crossmodal.store_errors import require_sound, store_errors_of, write_nothing

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
_TOUCH = """
INSERT INTO items (item_id, number, deleted)
VALUES (?, (SELECT coalesce(max(number), 0) + 1 FROM items), 0)
ON CONFLICT (item_id) DO UPDATE SET number = excluded.number, deleted = 0
"""
# A file of an older version has no named numbers.
_ADD_ATTRIBUTES = "ALTER TABLE items ADD COLUMN attributes TEXT"
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
_NONE_AFTER = 2**62
_NEW_FILE_IS = "without the items that apps have put and deleted"
_PUT_VECTOR = "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)"


class ItemExistsError(ValueError):
    """An item is there already, and was to be put only if it is not."""


class ItemGoneError(ValueError):
    """An item was deleted; what belongs to it cannot be put."""


class ItemUnknownError(LookupError):
    """There is no such item."""


@dataclass(frozen=True)
class Description:
    """What an item is.

    Attributes:
        title: what people call it.
        text: its description; may be empty.
        categories: what it is filed under.
        created_at: UTC microseconds from which it was in the catalogue.
        attributes: its named numbers.
    """

    title: str
    text: str
    categories: tuple[str, ...]
    created_at: int
    attributes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredMedia:
    """A picture or sound: the hash of its bytes (hex), which is its file's name, and its type."""

    sha256: str
    mime: str


@dataclass(frozen=True)
class Vector:
    """A tower's own features of one modality of an item.

    Attributes:
        fingerprint: of the encoder.
        features: float32 in the machine's order, as bytes.
    """

    fingerprint: str
    features: bytes


@dataclass(frozen=True)
class LoggedItem:
    """The newest state of one item.

    Attributes:
        item_id: the app's own.
        number: of the change that made this state; a later change has a higher one.
        deleted: whether it may never be shown again.
        description: None where only its media were put: the rest is as the catalogue has it.
        media: by modality.
        vectors: by modality, of what was put.
    """

    item_id: str
    number: int
    deleted: bool
    description: Description | None
    media: Mapping[str, StoredMedia]
    vectors: Mapping[str, Vector]


def require_usable(path: Path, uploads: Path) -> None:
    """Opens the log in a file and writes to it, once it has looked for damage.

    Raises:
        StoreError: it cannot be used.
    """
    with store_errors_of(path, _NEW_FILE_IS):
        require_sound(path)
        with closing(ItemLog(path, uploads)) as log:
            # A table of another form is of something else.
            log.since(_NONE_AFTER)


class ItemLog:
    """The items of one home; several processes may write and read it at once.

    What a call has written is on the disk when it returns (write-ahead log, synchronous FULL).

    Args:
        path: of the SQLite file; made where it is missing.
        uploads: folder of the media files.

    Raises:
        StoreError: the file cannot be opened.
    """

    def __init__(self, path: Path, uploads: Path) -> None:
        self._uploads = uploads
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._bound = LogBound(path)
        with store_errors_of(path, _NEW_FILE_IS):
            make_private(path)
            self._writer, self._reader = (open_durable(path, any_thread=True) for _ in range(2))
            self._writer.executescript(_SCHEMA + _PUTS_SCHEMA)
            _add_attributes(self._writer)
            write_nothing(self._writer)

    def version(self) -> int:
        """A number that differs from that of the last call once anybody has written since."""
        with self._reading:
            (version,) = self._reader.execute("PRAGMA data_version").fetchone()
            return int(version)

    def since(self, number: int) -> list[LoggedItem]:
        """The items that have changed after a number, in the order of their changes."""
        with self._reading, _transaction(self._reader, "BEGIN"):
            rows = self._reader.execute(_SINCE, (number,)).fetchall()
            return [_item(self._reader, row) for row in rows]

    def put(
        self,
        item_id: str,
        description: Description,
        text: Vector,
        *,
        known: bool,
        only_new: bool = False,
        key: PutKey | None = None,
    ) -> bool:
        """Describes an item; a deleted one comes back, without the media it had.

        Args:
            item_id: of the item.
            description: its words and categories.
            text: vector of its words.
            known: whether the catalogue has it without this log.
            only_new: refuse if it is there already.
            key: identifies the put: one that was taken before changes nothing.

        Returns:
            Whether it is new, or was when the same put was first taken.

        Raises:
            ItemExistsError: it is there, and should not be.
            PutDiffersError: the key came with another put before.
        """
        with self._change():
            before = None if key is None else outcome_of(self._writer, item_id, key)
            if before is not None:
                return before
            deleted = self._state(item_id)
            there = known if deleted is None else not deleted
            if there and only_new:
                raise ItemExistsError(f"There is an item {item_id!r} already.")
            self._writer.execute(_TOUCH, (item_id,))
            fields = (
                description.title,
                description.text,
                json.dumps(description.categories),
                description.created_at,
                json.dumps(dict(description.attributes)),
            )
            self._writer.execute(_DESCRIBE, (*fields, item_id))
            self._put_vector(item_id, "text", text)
            if key is not None:
                keep_outcome(self._writer, item_id, key, not there)
            return not there

    def put_media(
        self,
        item_id: str,
        kind: str,
        mime: str,
        data: bytes,
        vectors: Mapping[str, Vector],
        *,
        known: bool,
    ) -> StoredMedia:
        """Gives an item a picture or sound, in place of the one it has.

        Args:
            item_id: which.
            kind: image or audio.
            mime: what the bytes are.
            data: the file.
            vectors: of it, by modality.
            known: whether the catalogue has the item without this log.

        Raises:
            ItemGoneError: the item was deleted.
            ItemUnknownError: there is no such item.
        """
        media = StoredMedia(hashlib.sha256(data).hexdigest(), mime)
        with self._change():
            self._require(item_id, known)
            before = self._contents(item_id, kind)
            # In the transaction, so that nobody else finds the file to belong to no item.
            if not self.file(media).is_file():
                atomic_write_bytes(self.file(media), data)
            self._writer.execute(_TOUCH, (item_id,))
            self._writer.execute(_PUT_MEDIA, (item_id, kind, media.sha256, media.mime))
            for modality, vector in vectors.items():
                self._put_vector(item_id, modality, vector)
        self._remove_unused(before)
        return media

    def delete(self, item_id: str, *, known: bool) -> None:
        """Deletes an item and the media it was given; one that is deleted stays so.

        Raises:
            ItemUnknownError: there is no such item.
        """
        with self._change():
            if self._state(item_id) is None and not known:
                raise ItemUnknownError(f"There is no item {item_id!r}.")
            before = self._contents(item_id)
            self._writer.execute(_TOUCH, (item_id,))
            self._writer.execute(_FORGET, (item_id,))
            self._writer.execute("DELETE FROM media WHERE item_id = ?", (item_id,))
            self._writer.execute("DELETE FROM vectors WHERE item_id = ?", (item_id,))
        self._remove_unused(before)

    def file(self, media: StoredMedia) -> Path:
        """Where the bytes of a picture or sound lie."""
        return self._uploads / media.sha256

    def close(self) -> None:
        """Lets go of the file."""
        with self._writing, self._reading:
            self._bound.cut(self._writer)
            self._writer.close()
            self._reader.close()

    @contextmanager
    def _change(self) -> Iterator[None]:
        with self._writing:
            with _transaction(self._writer, "BEGIN IMMEDIATE"):
                yield
            self._bound.cut_if_long(self._writer)

    def _state(self, item_id: str) -> bool | None:
        """Whether an item is deleted; None if the log does not know it."""
        query = "SELECT deleted FROM items WHERE item_id = ?"
        row = self._writer.execute(query, (item_id,)).fetchone()
        return None if row is None else bool(row[0])

    def _require(self, item_id: str, known: bool) -> None:
        deleted = self._state(item_id)
        if deleted:
            raise ItemGoneError(f"The item {item_id!r} was deleted.")
        if deleted is None and not known:
            raise ItemUnknownError(f"There is no item {item_id!r}.")

    def _put_vector(self, item_id: str, modality: str, vector: Vector) -> None:
        fields = (item_id, modality, vector.fingerprint, vector.features)
        self._writer.execute(_PUT_VECTOR, fields)

    def _contents(self, item_id: str, modality: str | None = None) -> list[str]:
        """Hashes of an item's files."""
        rows = self._writer.execute(
            "SELECT sha256 FROM media WHERE item_id = ? AND modality = coalesce(?, modality)",
            (item_id, modality),
        )
        return [sha256 for (sha256,) in rows]

    def _remove_unused(self, contents: Sequence[str]) -> None:
        """Removes the files that belong to no item any more."""
        if not contents:
            return
        with self._change():
            for sha256 in contents:
                query = "SELECT 1 FROM media WHERE sha256 = ?"
                if self._writer.execute(query, (sha256,)).fetchone() is None:
                    (self._uploads / sha256).unlink(missing_ok=True)


@contextmanager
def _transaction(connection: sqlite3.Connection, begin: str) -> Iterator[None]:
    """All of the block or nothing of it."""
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def has_attributes(connection: sqlite3.Connection) -> bool:
    """Whether the file knows of named numbers: one that an older version made does not."""
    columns = connection.execute("SELECT name FROM pragma_table_info('items')")
    return "attributes" in {name for (name,) in columns}


def _add_attributes(connection: sqlite3.Connection) -> None:
    if has_attributes(connection):
        return
    # Another process of the service may be at the same.
    with _transaction(connection, "BEGIN IMMEDIATE"):
        if not has_attributes(connection):
            connection.execute(_ADD_ATTRIBUTES)


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
