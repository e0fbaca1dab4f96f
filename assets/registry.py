"""The model registry of a workspace."""

from typing import TYPE_CHECKING

import polars as pl

from assets.stage import input_version
from crossmodal.lake import Lake
from crossmodal.modalities import MODALITIES
from crossmodal.workspace import Workspace

if TYPE_CHECKING:
    from models.promotions import Promotions
    from models.registry import ModelRegistry

VECTOR_TABLES = tuple(f"{modality}_embeddings" for modality in MODALITIES)
"""The tables of the item vectors."""


def open_registry(workspace: Workspace) -> "ModelRegistry":
    """The registry, able to load every family; imports torch."""
    from models.registry import ModelRegistry

    return ModelRegistry(workspace.paths.models)


def open_promotions(workspace: Workspace) -> "Promotions":
    """The champion of a workspace with its history."""
    from models.promotions import Promotions

    return Promotions(open_registry(workspace))


def has_version(workspace: Workspace, version: str) -> bool:
    """Whether the registry holds a version, whole."""
    from models.registry import is_whole

    return is_whole(workspace.paths.models / version)


def data_versions(lake: Lake, tables: tuple[str, ...]) -> dict[str, str]:
    """The content version of each table."""
    return {table: input_version(lake, table) for table in tables}


def encoders_of(lake: Lake) -> dict[str, str]:
    """The fingerprint of what made the item vectors of the lake, by modality that some item has."""
    tables = {name: f"{name}_embeddings" for name in MODALITIES}
    firsts = {
        name: lake.scan(table).select(pl.col("fingerprint").first()).collect().item()
        for name, table in tables.items()
        if lake.exists(table) and lake.version(table).rows
    }
    return {name: str(fingerprint) for name, fingerprint in firsts.items() if fingerprint}
