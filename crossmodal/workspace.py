"""Settings, state paths and lake of one process, opened together."""

from dataclasses import dataclass
from functools import cached_property

from crossmodal.lake import Lake
from crossmodal.paths import StatePaths
from crossmodal.settings import Settings


@dataclass(frozen=True)
class Workspace:
    """What an effect at the edge needs: where state lives and how the operator set things."""

    settings: Settings

    @cached_property
    def paths(self) -> StatePaths:
        """Every file and folder of the state."""
        return StatePaths(self.settings.home)

    @cached_property
    def lake(self) -> Lake:
        """The Parquet tables."""
        return Lake(self.paths.lake)
