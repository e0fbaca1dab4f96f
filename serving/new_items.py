"""The champion in use with every item that apps have put, changed or deleted, in any process."""

import logging
import sqlite3
import threading
from dataclasses import dataclass

from crossmodal.item_log import ItemLog
from crossmodal.logged_items import Description, LoggedItem
from crossmodal.modalities import MEDIA_KINDS, made_of_media
from crossmodal.workspace import Workspace
from models.encoders.fingerprints import fingerprint_of
from models.media.limits import media_limits
from serving.champion import UNUSABLE, Champion, NoChampionError
from serving.overlay import overlaid
from serving.shared_space import SharedSpace, load_shared_space

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Snapshot:
    """What answers, and what it was made of.

    Attributes:
        base: the champion of a run.
        space: in which its vectors lie.
        log_version: of the log of items when it was read.
        current: the champion with the items of the log laid over it.
    """

    base: Champion
    space: SharedSpace
    log_version: int
    current: Champion


class NewItems:
    """Lays the log of items over the champion; each request costs one look at the log's version.

    Args:
        workspace: whose lake describes the catalogue's own items.
        log: of what apps put.
    """

    def __init__(self, workspace: Workspace, log: ItemLog) -> None:
        settings = workspace.settings
        limits = media_limits(settings)
        self._workspace, self._items_log = workspace, log
        self.fingerprints = {
            "text": fingerprint_of("text", settings.text_encoder),
            **{
                modality.name: fingerprint_of(kind, modality.encoder(settings), limits)
                for kind in MEDIA_KINDS
                for modality in made_of_media(kind)
            },
        }
        self._lock = threading.Lock()
        self._items: dict[str, LoggedItem] = {}
        self._number = 0
        self._snapshot: _Snapshot | None = None

    def at_hand(self, base: Champion) -> Champion | None:
        """What `over` answers, where that has been made; None where it takes work.

        Raises:
            NoChampionError: the log cannot be read.
        """
        known = self._snapshot
        if known is None or known.base is not base or known.log_version != self._log_version():
            return None
        return known.current

    def over(self, base: Champion) -> Champion:
        """The champion with every change that was acknowledged before this call.

        Where there are new items in the log, this waits for the lock, as they were acknowledged.
        Where only the champion has changed, the one before answers while another thread makes the
        new one.

        Raises:
            NoChampionError: the log or the lake cannot be read.
        """
        log_version = self._log_version()
        known = self._snapshot
        up_to_date = known is not None and known.log_version == log_version
        if known is not None and up_to_date and known.base is base:
            return known.current
        if not self._lock.acquire(blocking=not up_to_date):
            assert known is not None
            return known.current
        try:
            return self._refreshed(base, log_version).current
        except (sqlite3.Error, *UNUSABLE) as error:
            raise NoChampionError("New items cannot be laid over the champion.", error) from error
        finally:
            self._lock.release()

    def space(self, base: Champion) -> SharedSpace:
        """The shared space of what answers.

        Raises:
            NoChampionError: as for `over`.
        """
        self.over(base)
        assert self._snapshot is not None
        return self._snapshot.space

    def description(self, item_id: str) -> Description | None:
        """What apps said last of an item; None where they said nothing."""
        item = self._items.get(item_id)
        return None if item is None else item.description

    def _log_version(self) -> int:
        try:
            return self._items_log.version()
        except sqlite3.Error as error:
            raise NoChampionError("The log of new items cannot be read.", error) from error

    def _refreshed(self, base: Champion, log_version: int) -> _Snapshot:
        """The snapshot of now; the lock is held."""
        known = self._snapshot
        changes = self._items_log.since(self._number)
        self._items |= {item.item_id: item for item in changes}
        if known is not None and known.base is base:
            space = known.space
            current = self._laid_over(base, space) if changes else known.current
        else:
            space = self._space_of_now()
            current = self._laid_over(base, space)
        # Last, so that changes that could not be laid over are tried again.
        self._number = changes[-1].number if changes else self._number
        self._snapshot = _Snapshot(base, space, log_version, current)
        return self._snapshot

    def _space_of_now(self) -> SharedSpace:
        """The maps of the last run; without them new items have words alone."""
        try:
            return load_shared_space(self._workspace)
        except UNUSABLE as error:
            _log.error("Pictures and sounds of new items cannot be compared. %s", error)
            return SharedSpace({}, ())

    def _laid_over(self, base: Champion, space: SharedSpace) -> Champion:
        paths = self._workspace.paths
        logged = self._items.values()
        return overlaid(base, space, logged, self.fingerprints, self._workspace.lake, paths.uploads)
