"""The model registry of a workspace."""

from datetime import datetime
from typing import TYPE_CHECKING

from assets.stage import input_version
from crossmodal.lake import Lake
from crossmodal.workspace import Workspace

if TYPE_CHECKING:
    from models.champion_history import Promotions
    from models.registry import ModelRegistry


def open_registry(workspace: Workspace) -> "ModelRegistry":
    """The registry, able to load every family; imports torch."""
    from models.registry import ModelRegistry

    return ModelRegistry(workspace.paths.models)


def open_promotions(workspace: Workspace) -> "Promotions":
    """The champion of a workspace with its history."""
    from models.champion_history import Promotions

    return Promotions(open_registry(workspace))


def has_version(workspace: Workspace, version: str) -> bool:
    """Whether the registry holds a version, whole."""
    from models.registry import is_whole

    return is_whole(workspace.paths.models / version)


def fitted_until(workspace: Workspace, version: str) -> datetime | None:
    """The newest event that a version could learn from; None where its manifest does not say.

    Raises:
        UnknownVersionError: there is no such version.
    """
    newest = open_registry(workspace).version(version).newest_event
    return datetime.fromisoformat(newest) if newest else None


def data_versions(lake: Lake, tables: tuple[str, ...]) -> dict[str, str]:
    """The content version of each table."""
    return {table: input_version(lake, table) for table in tables}
