"""Settings, state paths and lake of one process, opened together."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from crossmodal.pseudonyms import PseudonymKeyError, key_identity, load_key, make_key
from crossmodal.settings import Settings

KEY_IDENTITY = "key_identity"
"""What the staged events call the identity of the key that named their users."""

ProgressCallback = Callable[[str, int, int | None], None]
"""Called in the course of long work: what it is, how much is done, and how much there is (None if
unknown)."""


def no_progress(work: str, done: int, total: int | None) -> None:
    """Where nobody watches."""


@dataclass(frozen=True)
class Workspace:
    """What an effect at the edge needs: where state lives and how the operator set things.

    Attributes:
        settings: what the operator chose.
        progress: is called in the course of long work.
        forced: assets that are made although nothing that they are made from has changed.
    """

    settings: Settings
    progress: ProgressCallback = no_progress
    forced: frozenset[str] = frozenset()

    @cached_property
    def paths(self) -> StatePaths:
        """Every file and folder of the state."""
        return StatePaths(self.settings.home)

    @cached_property
    def lake(self) -> Lake:
        """The Parquet tables."""
        return Lake(self.paths.lake)

    def id_key(self) -> bytes:
        """The key of the user pseudonyms; a home whose users no key has named yet gets one.

        With another key than theirs nobody's history would be found again.

        Raises:
            PseudonymKeyError: the key is empty, or that of this home's users is missing.
        """
        if self.settings.id_key is not None:
            return load_key(self.settings.id_key.get_secret_value(), self.paths.id_key)
        if not self.has_named_users():
            make_key(self.paths.id_key)
        return load_key(None, self.paths.id_key)

    def has_named_users(self) -> bool:
        """Whether some table or store of this home holds pseudonyms of users."""
        return (
            self.lake.exists("staged_interactions")
            or self.paths.event_log.exists()
            or self.paths.online_store.exists()
        )

    def key_of_users(self) -> bytes:
        """The key of the user pseudonyms, for whoever looks up users that a run has named.

        Raises:
            PseudonymKeyError: see `id_key`; or the last run named the users by another key.
        """
        key = self.id_key()
        if self.lake.exists("staged_interactions"):
            stamp = self.lake.version("staged_interactions").stamp
            recorded = json.loads(stamp.get(f"choice:{KEY_IDENTITY}", "null"))
            if recorded not in (None, key_identity(key)):
                raise PseudonymKeyError(
                    f"The users of {self.paths.home} were named by another key than this one, so "
                    "that nobody would be found: give CROSSMODAL_ID_KEY or id.key the former one, "
                    "or name them by this one with `crossmodal run`."
                )
        return key
