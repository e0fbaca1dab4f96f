"""Settings, state paths and lake of one process, opened together."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from crossmodal.pseudonyms import load_key, make_key
from crossmodal.settings import Settings

ProgressCallback = Callable[[str, int, int | None], None]
"""Called in the course of long work: what it is, how much is done, and how much there is (None if
unknown)."""


def no_progress(work: str, done: int, total: int | None) -> None:
    """Where nobody watches."""


@dataclass(frozen=True)
class Workspace:
    """What an effect at the edge needs: where state lives and how the operator set things."""

    settings: Settings
    progress: ProgressCallback = no_progress

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
        named = self.lake.exists("staged_interactions")
        if not (named or self.paths.event_log.exists() or self.paths.online_store.exists()):
            make_key(self.paths.id_key)
        return load_key(None, self.paths.id_key)
