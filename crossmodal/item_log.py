"""Items that apps put into the catalogue: on disk before they are acknowledged, seen by everyone.

The newest state of each item, numbered: a reader that knows number n reads what has changed since.
"""

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from crossmodal import item_tables
from crossmodal.atomic import atomic_write_bytes
from crossmodal.durable import LogBound, make_private, open_durable
from crossmodal.item_puts import PutKey, keep_outcome, outcome_of
from crossmodal.item_tables import transaction
from crossmodal.logged_items import Description, LoggedItem, StoredMedia, Vector
from crossmodal.store_errors import require_sound, store_errors_of, write_nothing

_NONE_AFTER = 2**62
_NEW_FILE_IS = "without the items that apps have put and deleted"


class ItemExistsError(ValueError):
    """An item is there already, and was to be put only if it is not."""


class ItemGoneError(ValueError):
    """An item was deleted; what belongs to it cannot be put."""


class ItemUnknownError(LookupError):
    """There is no such item."""


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
            item_tables.make_tables(self._writer)
            write_nothing(self._writer)

    def version(self) -> int:
        """A number that differs from that of the last call once anybody has written since."""
        with self._reading:
            (version,) = self._reader.execute("PRAGMA data_version").fetchone()
            return int(version)

    def since(self, number: int) -> list[LoggedItem]:
        """The items that have changed after a number, in the order of their changes."""
        with self._reading, transaction(self._reader, "BEGIN"):
            return item_tables.items_since(self._reader, number)

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
            deleted = item_tables.is_deleted(self._writer, item_id)
            there = known if deleted is None else not deleted
            if there and only_new:
                raise ItemExistsError(f"There is an item {item_id!r} already.")
            item_tables.touch(self._writer, item_id)
            item_tables.describe(self._writer, item_id, description)
            item_tables.put_vector(self._writer, item_id, "text", text)
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
            before = item_tables.contents_of(self._writer, item_id, kind)
            # In the transaction, so that nobody else finds the file to belong to no item.
            if not self.file(media).is_file():
                atomic_write_bytes(self.file(media), data)
            item_tables.touch(self._writer, item_id)
            item_tables.put_media(self._writer, item_id, kind, media)
            for modality, vector in vectors.items():
                item_tables.put_vector(self._writer, item_id, modality, vector)
        self._remove_unused(before)
        return media

    def delete(self, item_id: str, *, known: bool) -> None:
        """Deletes an item and the media it was given; one that is deleted stays so.

        Raises:
            ItemUnknownError: there is no such item.
        """
        with self._change():
            if item_tables.is_deleted(self._writer, item_id) is None and not known:
                raise ItemUnknownError(f"There is no item {item_id!r}.")
            before = item_tables.contents_of(self._writer, item_id)
            item_tables.touch(self._writer, item_id)
            item_tables.forget(self._writer, item_id)
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
            with transaction(self._writer, "BEGIN IMMEDIATE"):
                yield
            self._bound.cut_if_long(self._writer)

    def _require(self, item_id: str, known: bool) -> None:
        deleted = item_tables.is_deleted(self._writer, item_id)
        if deleted:
            raise ItemGoneError(f"The item {item_id!r} was deleted.")
        if deleted is None and not known:
            raise ItemUnknownError(f"There is no item {item_id!r}.")

    def _remove_unused(self, contents: Sequence[str]) -> None:
        """Removes the files that belong to no item any more."""
        if not contents:
            return
        with self._change():
            for sha256 in contents:
                if not item_tables.is_used(self._writer, sha256):
                    (self._uploads / sha256).unlink(missing_ok=True)
